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
    /// SHA-256 of the certificate that it showed, lower-case hex.
    pub certificate: Option<Arc<str>>,
}

/// Who calls: the holder of a key, else an address. Of IPv6 the network of 64 bits, since whoever has one address has all of them.
pub fn caller(key: Option<&ApiKey>, peer: Option<SocketAddr>) -> Caller {
    match key {
        Some(key) => Caller { name: key.name.as_str().into(), weight: key.weight },
        None => Caller { name: peer.map_or_else(|| "unknown".into(), |peer| network(peer.ip())).into(), weight: 1 },
    }
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
        let name = |peer: &str| caller(None, Some(peer.parse().unwrap())).name;
        assert_eq!(&*name("192.0.2.7:99"), "192.0.2.7");
        assert_eq!(&*name("[::ffff:192.0.2.7]:99"), "192.0.2.7");
        assert_eq!(name("[2001:db8:1:2::1]:9"), name("[2001:db8:1:2:ffff::9]:10"));
        assert_ne!(name("[2001:db8:1:2::1]:9"), name("[2001:db8:1:3::1]:9"));
        assert_eq!(&*caller(None, None).name, "unknown");
    }
}
