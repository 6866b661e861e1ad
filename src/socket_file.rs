//! Listening on a socket file: a stale one is told from a live one before it is removed, and our own is removed at the end.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// A listener and, for a socket file, the file. Dropping it removes the file, if it is still ours.
#[derive(Debug)]
pub struct SocketFile {
    /// The socket.
    pub listener: UnixListener,
    file: Option<(PathBuf, u64)>,
}

/// Listens on a socket file. One that a dead server left behind is replaced; one that a live server has is not.
///
/// # Errors
/// `address already in use` when somebody listens there, or when the file is no socket; as bind(2) else.
pub fn listen(path: &Path) -> io::Result<SocketFile> {
    let listener = match UnixListener::bind(path) {
        Err(e) if e.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
            fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        other => other,
    }?;
    let inode = fs::symlink_metadata(path)?.ino();
    Ok(SocketFile { listener, file: Some((path.into(), inode)) })
}

/// Listens on a name of the abstract namespace: Linux only.
///
/// # Errors
/// As bind(2).
#[cfg(target_os = "linux")]
pub fn listen_abstract(name: &[u8]) -> io::Result<SocketFile> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
    Ok(SocketFile { listener, file: None })
}

/// Other systems have no abstract names.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn listen_abstract(_: &[u8]) -> io::Result<SocketFile> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "abstract names are for Linux only"))
}

/// Nobody listens on a socket that refuses a connection. Its file stays until somebody removes it (unix(7)).
fn is_stale(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
    is_socket && matches!(UnixStream::connect(path), Err(e) if e.kind() == io::ErrorKind::ConnectionRefused)
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another server may have put its own socket there meanwhile.
        if let Some((path, inode)) = &self.file
            && fs::symlink_metadata(path).is_ok_and(|m| m.ino() == *inode)
        {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that a kill left is replaced, a live server's is not, a plain file is nobody's to remove; at the end the
    /// file is gone.
    #[test]
    fn stale_live_and_gone() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("harbour.sock");
        drop(UnixListener::bind(&path).expect("bind"));
        assert!(path.exists(), "std leaves it behind");
        let ours = listen(&path).expect("a stale file is replaced");
        assert_eq!(listen(&path).expect_err("live").kind(), io::ErrorKind::AddrInUse);
        drop(ours);
        assert!(!path.exists());
        fs::write(&path, "a list of ships").expect("write");
        assert_eq!(listen(&path).expect_err("no socket").kind(), io::ErrorKind::AddrInUse);
        assert!(path.exists());
    }
}
