//! Taking the place of a server on a Unix socket: the tap stands under the name that was announced, and the server under a
//! hidden one beside it. A bound socket stays reachable when its file is renamed (rename(2)).
//!
//! What the session sees is what it would see without the tap. The tap's file has the mode of the server's, and its name is the
//! relative one: to bind it, a child goes into the session's folder, for a thread has no working folder of its own.
//! When the server ends by itself, the file is gone; when a signal ends it, its own file is put back and lies there dead. A
//! client of datagrams has a stand-in towards the server, `.tapped.pilot.sock` for `pilot.sock`, and wherever that name is
//! shown it is written as the client's own.
//!
//! Two things a relay changes: the server's peer is this process, not the client, and descriptors do not pass. A server
//! that asks for credentials or takes descriptors is left alone: `untapped: NAME`.

use crate::SelfCheck;
use netkata::listen::BACKLOG;
use netkata::tap::Journal;
use netkata::tap::unix_relay::{Post, UnixRelay};
use netkata::tap::unixgrams::relay::StandIn;
use netkata::unix::{Bound, Kind, Name};
use socket2::{Domain, SockRef, Socket};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

/// Put before the names of files that a reader does not know of.
const HIDDEN: &str = ".tapped.";

/// A server's place, taken by a tap.
pub struct Place {
    /// The terminal it runs in.
    pub server: String,
    name: PathBuf,
    hidden: PathBuf,
    relay: UnixRelay,
}

/// The socket file in an announcement, `listening on unixgram://harbour.sock`. Abstract names and absolute paths are none.
pub fn announced(line: &str) -> Option<(Kind, &str)> {
    let (scheme, path) = line.strip_prefix("listening on ")?.split_once("://")?;
    let kinds = [Kind::Stream, Kind::Datagram, Kind::Seqpacket];
    let kind = kinds.into_iter().find(|kind| kind.scheme() == scheme)?;
    Some((kind, path)).filter(|_| !path.is_empty() && !path.starts_with('/'))
}

/// Output, without what tells of the tap.
pub fn shown(text: &str) -> String {
    text.replace(HIDDEN, "")
}

fn hidden(path: &Path) -> PathBuf {
    path.with_file_name(format!("{HIDDEN}{}", path.file_name().unwrap_or_default().to_string_lossy()))
}

impl Place {
    /// Takes the place of the server whose file is `file` in `folder`.
    pub fn take(journal: &Journal, kind: Kind, folder: &Path, file: &str, names: (&str, &str)) -> io::Result<Self> {
        let name = folder.join(file);
        let hidden = hidden(&name);
        let found = fs::symlink_metadata(&name)?;
        fs::rename(&name, &hidden)?;
        let upstream = Name::Path(hidden.clone());
        let inside = folder.to_path_buf();
        let relay = bound(kind, folder, Name::Path(file.into()), found.mode())
            .and_then(|front| {
                let binder = move |client: &Name, _| stand_in(client, &inside);
                UnixRelay::start(journal, Post { kind, front, upstream }, names, binder)
            })
            .inspect_err(|_| drop(fs::rename(&hidden, &name)))?;
        Ok(Self { server: names.1.to_string(), name, hidden, relay })
    }

    /// The server has ended: its file goes, or stays behind if it had no time to remove it.
    pub fn leave(&self, killed: bool) {
        let _ = if killed { fs::rename(&self.hidden, &self.name) } else { fs::remove_file(&self.hidden) };
        if !killed {
            let _ = fs::remove_file(&self.name);
        }
    }

    /// Waits until its conversations have ended, for so long at most, and stops.
    pub fn finish(self, patience: Duration) {
        self.relay.wait_for_all(patience);
        self.relay.stop();
    }
}

/// A client of datagrams calls itself by a name that is relative to the folder in which all programs of the session run.
fn stand_in(client: &Name, folder: &Path) -> io::Result<StandIn> {
    let (place, name, mode) = match client {
        Name::Path(path) => {
            let place = folder.join(path);
            let mode = fs::metadata(&place)?.mode();
            (Name::Path(place), Name::Path(hidden(path)), mode)
        }
        Name::Abstract(name) => (client.clone(), Name::Abstract([HIDDEN.as_bytes(), name].concat()), 0),
    };
    let bound = bound(Kind::Datagram, folder, name, mode)?;
    Ok(StandIn { client: place, bound: bound.map(Into::into) })
}

/// Tells this program, started again, what its standard input is to be bound to.
const BIND: &str = "NETKATA_BIND_STANDARD_INPUT";

/// Binds a socket to a name that is relative to this folder, and gives its file the mode.
fn bound(kind: Kind, folder: &Path, name: Name, mode: u32) -> io::Result<Bound<Socket>> {
    let socket = Socket::new(Domain::UNIX, kind.socket_type(), None)?;
    if let Name::Path(path) = &name {
        let mut child = Command::new(std::env::current_exe()?);
        child.env(BIND, path).current_dir(folder).stdin(Stdio::from(OwnedFd::from(socket.try_clone()?)));
        let output = child.output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim_end().to_string()));
        }
        fs::set_permissions(folder.join(path), fs::Permissions::from_mode(mode & 0o777))?;
    } else {
        socket.bind(&name.address()?)?;
    }
    if kind != Kind::Datagram {
        socket.listen(BACKLOG)?;
    }
    Ok(Bound::unguarded(socket, name))
}

/// What this program does instead of anything else when it is started by [`bound`].
pub fn is_binder() -> Option<ExitCode> {
    let name = std::env::var_os(BIND)?;
    let bound = Name::Path(name.into()).address().and_then(|name| SockRef::from(&io::stdin()).bind(&name));
    Some(match bound {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    })
}

pub const SELF_CHECKS: &[SelfCheck] = &[
    ("socket_files_are_announced", || {
        for (line, found) in [
            ("listening on unix://harbour.sock", Some((Kind::Stream, "harbour.sock"))),
            ("listening on unixgram://harbour.sock", Some((Kind::Datagram, "harbour.sock"))),
            ("listening on unixpacket://quay/harbour.sock", Some((Kind::Seqpacket, "quay/harbour.sock"))),
            ("listening on unix:@harbour", None),
            ("listening on unix:///run/harbour.sock", None),
            ("listening on tcp://127.0.0.1:7007", None),
            ("listening closely", None),
        ] {
            assert_eq!(announced(line), found, "{line}");
        }
    }),
    ("a_stand_in_is_shown_as_the_client", || {
        let folder = tempfile::tempdir().unwrap();
        let _pilot = std::os::unix::net::UnixDatagram::bind(folder.path().join("pilot.sock")).unwrap();
        let stand_in = stand_in(&Name::Path("pilot.sock".into()), folder.path()).unwrap();
        assert_eq!(stand_in.client, Name::Path(folder.path().join("pilot.sock")));
        let address = SockRef::from(&stand_in.bound.socket).local_addr().unwrap();
        assert_eq!(address.as_pathname().map(Path::to_path_buf), Some(hidden(Path::new("pilot.sock"))));
        assert_eq!(shown(&format!("4 octets from {}", stand_in.bound.name)), "4 octets from pilot.sock");
    }),
    ("the_tap_takes_a_place_and_leaves_it", || {
        use std::io::{Read, Write};
        use std::os::unix::fs::PermissionsExt;
        use std::os::unix::net::{UnixListener, UnixStream};
        for killed in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let (path, journal) = (folder.path().join("harbour.sock"), Journal::new(100));
            let server = UnixListener::bind(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            let place =
                Place::take(&journal, Kind::Stream, folder.path(), "harbour.sock", ("pilot", "harbour")).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
            let mut client = UnixStream::connect(&path).unwrap();
            let mut served = server.accept().unwrap().0;
            client.write_all(b"ahoy").unwrap();
            served.read_exact(&mut [0; 4]).unwrap();
            drop((client, served, server));
            place.leave(killed);
            place.finish(Duration::from_secs(10));
            assert_eq!(path.exists(), killed);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), usize::from(killed));
            assert_eq!(journal.events().len(), 4, "connect, ahoy, and two ends");
        }
    }),
];
