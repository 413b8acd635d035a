//! Where calls come from, and who they are taken for.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use wildwarden_core::config::ApiKey;
use wildwarden_core::schedule::Caller;

/// Where a call comes from.
#[derive(Debug, Clone, Default)]
pub struct From {
    /// The peer's address.
    pub peer: Option<SocketAddr>,
    /// The user whose process it is, where it comes in by a socket in the file system.
    pub user: Option<u32>,
    /// SHA-256 of the certificate that it showed, lower-case hex.
    pub certificate: Option<Arc<str>>,
}

/// Who calls: the holder of a key, else an address or a user of this machine. Of IPv6 the network of 64 bits, since whoever has one
/// address has all of them.
pub fn caller(key: Option<&ApiKey>, from: &From) -> Caller {
    let name = match (key, from.peer, from.user) {
        (Some(key), ..) => return Caller { name: key.name.as_str().into(), weight: key.weight },
        (None, Some(peer), _) => network(peer.ip()),
        (None, None, Some(user)) => format!("user {user}"),
        (None, None, None) => "unknown".into(),
    };
    Caller { name: name.into(), weight: 1 }
}

pub(super) fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_its_key_or_its_address_or_the_network_it_has() {
        let name = |peer: &str| caller(None, &From { peer: Some(peer.parse().unwrap()), ..From::default() }).name;
        assert_eq!(&*name("192.0.2.7:99"), "192.0.2.7");
        assert_eq!(&*name("[::ffff:192.0.2.7]:99"), "192.0.2.7");
        assert_eq!(name("[2001:db8:1:2::1]:9"), name("[2001:db8:1:2:ffff::9]:10"));
        assert_ne!(name("[2001:db8:1:2::1]:9"), name("[2001:db8:1:3::1]:9"));
        assert_eq!(&*caller(None, &From { user: Some(7), ..From::default() }).name, "user 7");
        assert_eq!(&*caller(None, &From::default()).name, "unknown");
    }
}
