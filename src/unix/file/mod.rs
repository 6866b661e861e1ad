//! Socket files: one that a dead server left behind is told from a live one before it is removed, nobody gets in before the
//! permissions are right, and our own file goes when we go.
//!
//! bind(2) makes the file and nothing ever removes it, neither close(2) nor the end of the process (unix(7)). So a server
//! that was killed leaves a name on which the next one fails with *address already in use*.

mod access;
mod claim;
mod stale;

pub use access::{Access, parse_mode};
pub(crate) use claim::remove_all;
pub(super) use stale::is_stale;

use super::{Kind, Name};
use crate::listen::BACKLOG;
use claim::{Claim, Turn};
use socket2::{Domain, Socket};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};

/// A socket that others can reach by a name. Dropping it removes its file, if that is still ours.
#[derive(Debug)]
pub struct Bound<S> {
    // Fields are dropped in this order: the file goes while the socket still answers for it. Closed first, it would be stale for
    // a moment; another server could replace it, and we would remove that one's.
    file: Option<Claim>,
    /// The socket.
    pub socket: S,
    /// What it was bound to.
    pub name: Name,
}

impl<S> Bound<S> {
    /// Of a socket that was bound to this name elsewhere. Nothing removes its file.
    pub fn unguarded(socket: S, name: Name) -> Self {
        Self { socket, name, file: None }
    }

    /// The same name and file, with another type for the socket.
    pub fn map<T>(self, convert: impl FnOnce(S) -> T) -> Bound<T> {
        Bound { socket: convert(self.socket), name: self.name, file: self.file }
    }
}

impl<S: AsFd> AsFd for Bound<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Listens for streams.
///
/// # Errors
/// As [`bind`].
pub fn listen(name: &Name, access: &Access) -> io::Result<Bound<UnixListener>> {
    Ok(bind(Kind::Stream, name, access)?.map(Into::into))
}

/// Waits for datagrams.
///
/// # Errors
/// As [`bind`].
pub fn datagrams(name: &Name, access: &Access) -> io::Result<Bound<UnixDatagram>> {
    Ok(bind(Kind::Datagram, name, access)?.map(Into::into))
}

/// Binds a socket of any kind, and listens where the kind has connections. A file that a dead server left behind is
/// replaced; one that a live server has is not.
///
/// With an [`Access`], nobody but the owner can connect before the file's group and mode are as asked.
///
/// # Errors
/// *Address already in use* when a live socket has the name, or a file that is no socket; *no such folder*; *permission
/// denied*, with the folder that may not be written to; as socket(2), bind(2), chown(2) and chmod(2) else.
pub fn bind(kind: Kind, name: &Name, access: &Access) -> io::Result<Bound<Socket>> {
    let socket = Socket::new(Domain::UNIX, kind.socket_type(), None)?;
    let file = match name {
        Name::Path(path) => Some(make_file(&socket, kind, path, access)?),
        Name::Abstract(_) if access.is_given() => {
            let why = "an abstract name has no file, so neither a mode nor a group";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        Name::Abstract(_) if cfg!(not(target_os = "linux")) => {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "abstract names are for Linux only"));
        }
        Name::Abstract(_) => {
            socket.bind(&name.address()?)?;
            listen_if(&socket, kind)?;
            None
        }
    };
    Ok(Bound { socket, name: name.clone(), file })
}

fn listen_if(socket: &Socket, kind: Kind) -> io::Result<()> {
    if kind == Kind::Datagram { Ok(()) } else { socket.listen(BACKLOG) }
}

// [bind]
fn make_file(socket: &Socket, kind: Kind, path: &Path, access: &Access) -> io::Result<Claim> {
    let address = Name::Path(path.into()).address()?;
    // Two servers that start at once must not both find the file stale: the second would remove the first one's.
    let _turn = Turn::take(folder_of(path))?;
    let bind = || match socket.bind(&address) {
        Err(e) if e.kind() == io::ErrorKind::AddrInUse && stale::is_stale(path)? => {
            stale::remove(path)?;
            socket.bind(&address)
        }
        other => other,
    };
    access.guarded(socket, bind).map_err(|e| explain(e, path))?;
    let file = Claim::of(path)?;
    // Until listen(2), a connect is refused. Datagrams come at once, which is why the file was guarded from its first moment.
    access.grant(path)?;
    listen_if(socket, kind)?;
    Ok(file)
}
// [/bind]

/// The folder that a path's file is in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// bind(2) says *no such file*, and means the folder; it says *permission denied*, and means the folder too.
fn explain(e: io::Error, path: &Path) -> io::Error {
    let folder = PathBuf::from(folder_of(path));
    let folder = Name::Path(folder);
    let why = match e.kind() {
        io::ErrorKind::NotFound => format!("no such folder: {folder}"),
        io::ErrorKind::NotADirectory => format!("{folder} is no folder"),
        io::ErrorKind::PermissionDenied => format!("permission denied: no file may be made in {folder}"),
        io::ErrorKind::ReadOnlyFilesystem => format!("no file can be made in {folder}: the file system is read-only"),
        io::ErrorKind::AddrInUse if !stale::is_socket(path) => {
            "address already in use: the file there is no socket".into()
        }
        _ => return e,
    };
    io::Error::new(e.kind(), why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::net::UnixStream;

    const OPEN: Access = Access { mode: None, group: None };

    fn path_in(folder: &tempfile::TempDir) -> (PathBuf, Name) {
        let path = folder.path().join("harbour.sock");
        (path.clone(), Name::Path(path))
    }

    /// Of each kind: a file that a kill left is replaced, a live server's is not; at the end the file is gone.
    #[test]
    fn stale_live_and_gone() {
        let folder = tempfile::tempdir().expect("folder");
        let (path, name) = path_in(&folder);
        for dead in [Kind::Stream, Kind::Datagram, Kind::Seqpacket] {
            for kind in [Kind::Stream, Kind::Datagram, Kind::Seqpacket] {
                let socket = Socket::new(Domain::UNIX, dead.socket_type(), None).expect("socket");
                socket.bind(&name.address().expect("address")).expect("bind");
                assert_eq!(bind(kind, &name, &OPEN).expect_err("live").kind(), io::ErrorKind::AddrInUse);
                drop(socket);
                assert!(path.exists(), "nobody removes it");
                let ours = bind(kind, &name, &OPEN).expect("a stale file is replaced");
                assert_eq!(bind(dead, &name, &OPEN).expect_err("live").kind(), io::ErrorKind::AddrInUse);
                drop(ours);
                assert!(!path.exists());
            }
        }
    }

    /// A live server does not notice that somebody wanted its name, not even when its queue is full.
    #[test]
    fn a_probe_is_no_client() {
        let folder = tempfile::tempdir().expect("folder");
        let (_, name) = path_in(&folder);
        let live = listen(&name, &OPEN).expect("listen");
        assert_eq!(listen(&name, &OPEN).expect_err("live").kind(), io::ErrorKind::AddrInUse);
        live.socket.set_nonblocking(true).expect("mode");
        assert_eq!(live.socket.accept().expect_err("nobody").kind(), io::ErrorKind::WouldBlock);
    }

    /// A plain file, and a symbolic link to a dead socket, are nobody's to remove.
    #[test]
    fn what_is_no_socket_stays() {
        let folder = tempfile::tempdir().expect("folder");
        let (path, name) = path_in(&folder);
        fs::write(&path, "a list of ships").expect("write");
        let e = listen(&name, &OPEN).expect_err("no socket");
        assert_eq!(e.to_string(), "address already in use: the file there is no socket");
        assert_eq!(fs::read_to_string(&path).expect("read"), "a list of ships");
        fs::remove_file(&path).expect("remove");
        let dead = folder.path().join("dead.sock");
        drop(UnixListener::bind(&dead).expect("bind"));
        std::os::unix::fs::symlink(&dead, &path).expect("link");
        assert_eq!(listen(&name, &OPEN).expect_err("a link").kind(), io::ErrorKind::AddrInUse);
        assert!(dead.exists());
    }

    #[test]
    fn folders_are_named() {
        let folder = tempfile::tempdir().expect("folder");
        let nowhere = folder.path().join("nowhere");
        let e = listen(&Name::Path(nowhere.join("a.sock")), &OPEN).expect_err("no folder");
        assert_eq!(e.to_string(), format!("no such folder: {}", nowhere.display()));
        fs::write(&nowhere, "").expect("write");
        let e = listen(&Name::Path(nowhere.join("a.sock")), &OPEN).expect_err("no folder");
        assert_eq!(e.to_string(), format!("{} is no folder", nowhere.display()));
        fs::remove_file(&nowhere).expect("remove");
        nix::unistd::mkfifo(&nowhere, nix::sys::stat::Mode::S_IRWXU).expect("pipe");
        let e = listen(&Name::Path(nowhere.join("a.sock")), &OPEN).expect_err("a pipe that nobody writes to");
        assert_eq!(e.kind(), io::ErrorKind::NotADirectory);
    }

    /// The mode is exactly what was asked for, whatever the umask; the socket bit stays.
    #[test]
    fn the_mode_is_as_asked() {
        let folder = tempfile::tempdir().expect("folder");
        let (path, name) = path_in(&folder);
        for mode in [0o600, 0o660, 0o666, 0o777] {
            let ours = listen(&name, &Access { mode: Some(mode), group: None }).expect("listen");
            let found = fs::symlink_metadata(&path).expect("file");
            assert_eq!(found.permissions().mode(), 0o140_000 | mode);
            UnixStream::connect(&path).expect("connect");
            drop(ours);
        }
    }

    /// A group without a mode opens the file to the group. One's own group can always be given.
    #[test]
    fn the_group_is_as_asked() {
        let folder = tempfile::tempdir().expect("folder");
        let (path, name) = path_in(&folder);
        let group = nix::unistd::getegid().as_raw();
        let _ours = datagrams(&name, &Access { mode: None, group: Some(group) }).expect("bind");
        let found = fs::symlink_metadata(&path).expect("file");
        assert_eq!((found.permissions().mode(), found.gid()), (0o140_660, group));
    }

    /// Another server may have put its own socket there meanwhile.
    #[test]
    fn somebody_elses_file_stays() {
        let folder = tempfile::tempdir().expect("folder");
        let (path, name) = path_in(&folder);
        let ours = listen(&name, &OPEN).expect("listen");
        fs::remove_file(&path).expect("remove");
        let _theirs = listen(&name, &OPEN).expect("listen");
        drop(ours);
        assert!(path.exists());
    }

    /// Many servers start at once, on a stale file: one gets the name, and keeps it.
    #[test]
    fn one_of_many_gets_it() {
        let folder = tempfile::tempdir().expect("folder");
        let (path, name) = path_in(&folder);
        for _ in 0..20 {
            drop(UnixListener::bind(&path).expect("bind"));
            let start = std::sync::Barrier::new(4);
            let got: Vec<_> = std::thread::scope(|scope| {
                let tries = [(); 4].map(|()| {
                    scope.spawn(|| {
                        start.wait();
                        listen(&name, &OPEN)
                    })
                });
                tries.into_iter().filter_map(|t| t.join().expect("join").ok()).collect()
            });
            assert_eq!(got.len(), 1);
            UnixStream::connect(&path).expect("the winner's");
            drop(got);
        }
    }

    /// One server leaves, and the next takes its place: whoever has the name can be reached by it.
    #[test]
    fn who_leaves_takes_no_successor_along() {
        let folder = tempfile::tempdir().expect("folder");
        let (path, name) = path_in(&folder);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        let Ok(ours) = listen(&name, &OPEN) else { continue };
                        UnixStream::connect(&path).expect("ours");
                        drop(ours);
                    }
                });
            }
        });
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_abstract_name_has_no_mode() {
        let name = Name::Abstract(format!("netkata-{}", std::process::id()).into_bytes());
        let e = listen(&name, &Access { mode: Some(0o660), group: None }).expect_err("no file");
        assert!(e.to_string().contains("no file"), "{e}");
        let _ours = listen(&name, &OPEN).expect("listen");
        assert_eq!(listen(&name, &OPEN).expect_err("live").kind(), io::ErrorKind::AddrInUse);
    }
}
