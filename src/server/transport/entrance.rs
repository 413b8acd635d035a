//! Where callers come in: an address and port, or a socket in the file system.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::either::Either;
use wildwarden_core::error::{Error, Result};

use crate::transport::origin::From;

/// Who may write to a socket, and so call: its owner, and their group.
const OWNER_AND_GROUP: u32 = 0o660;

/// What calls come over.
pub(super) type Stream = Either<TcpStream, UnixStream>;

/// An open entrance.
#[derive(Debug)]
pub enum Entrance {
    /// An address and port.
    Tcp(TcpListener),
    /// A socket in the file system.
    Unix(Socket),
}

/// A socket in the file system, which goes with its listener.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Whoever comes next can do without: a socket that nobody listens at is taken over.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Entrance {
    /// At `wanted`, which the setting `key` names, and where that is: port 0 takes a free one.
    ///
    /// # Errors
    /// [`Error::Setup`] when it cannot be had.
    pub async fn tcp(key: &str, wanted: SocketAddr) -> Result<(Self, SocketAddr)> {
        let refused = |cause: io::Error| {
            let taken = cause.kind() == io::ErrorKind::AddrInUse;
            let hint = if taken { "; give it another address, port 0 takes a free one" } else { "" };
            Error::setup(format!("{key}: {wanted}: {cause}{hint}"))
        };
        let listener = TcpListener::bind(wanted).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok((Self::Tcp(listener), address))
    }

    /// At `path`. A socket that is left of a server which is no more is taken over.
    ///
    /// # Errors
    /// [`Error::Setup`] when it cannot be had: somebody listens there, or it is another kind of file.
    pub fn unix(key: &str, path: &Path) -> Result<Self> {
        let refused = |cause: io::Error| Error::setup(format!("{key}: {}: {cause}", path.display()));
        if is_left_over(path) {
            std::fs::remove_file(path).map_err(refused)?;
        }
        let listener = UnixListener::bind(path).map_err(refused)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(OWNER_AND_GROUP)).map_err(refused)?;
        Ok(Self::Unix(Socket { listener, path: path.to_owned() }))
    }

    /// The next who comes in.
    ///
    /// # Errors
    /// What the system says: it is out of files, or the peer has gone already.
    pub(super) async fn accept(&self) -> io::Result<(Stream, From)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Without TCP_NODELAY an answer may wait 40 ms for the acknowledgement of its headers. A peer that is gone refuses this, and
                // then the first read says so.
                let _ = stream.set_nodelay(true);
                Ok((Either::Left(stream), From { peer: Some(peer), ..From::default() }))
            }
            Self::Unix(Socket { listener, .. }) => {
                let (stream, _) = listener.accept().await?;
                let user = stream.peer_cred().ok().map(|peer| peer.uid());
                Ok((Either::Right(stream), From { user, ..From::default() }))
            }
        }
    }
}

/// Whether there is a socket at which nobody listens.
fn is_left_over(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let refused = |cause: io::Error| cause.kind() == io::ErrorKind::ConnectionRefused;
    is_socket && std::os::unix::net::UnixStream::connect(path).is_err_and(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_taken_over_from_the_dead_and_from_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls.sock");
        let bind = || Entrance::unix("server.unix_socket", &path);
        let first = bind().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, OWNER_AND_GROUP);
        let taken = bind().unwrap_err().to_string();
        assert!(taken.contains("server.unix_socket") && taken.contains("calls.sock"), "{taken}");
        drop(first);
        assert!(!path.exists());
        // What a process that was killed leaves.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(bind().unwrap());
        std::fs::write(&path, "not a socket").unwrap();
        bind().unwrap_err();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "not a socket");
    }
}
