//! Taking the place of a server on a Unix socket: the tap stands under the name that was announced, and the server under a
//! hidden one beside it. A bound socket stays reachable when its file is renamed (rename(2)).
//!
//! What the session sees is what it would see without the tap. The tap's file has the mode and the group of the server's.
//! When the server ends by itself, the file is gone; when a signal ends it, its own file is put back and lies there dead. A
//! client of datagrams has a stand-in towards the server, `.tapped.pilot.sock` for `pilot.sock`, and wherever that name is
//! shown it is written as the client's own.
//!
//! Two things a relay changes: the server's peer is this process, not the client, and descriptors do not pass. A server
//! that asks for credentials or takes descriptors is left alone: `untapped: NAME`.

use crate::SelfCheck;
use netkata::relay::unixgrams::Places;
use netkata::tap::Journal;
use netkata::tap::unix_relay::{Post, UnixRelay};
use netkata::unix::{Access, Kind, Name};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
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

/// Output, without what tells of the tap. The stand-in of a client whose name is relative is known by its whole path.
pub fn shown(text: &str, folder: &Path) -> String {
    let inside = format!("{}/{HIDDEN}", folder.display());
    text.replace(&inside, "").replace(HIDDEN, "")
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
        let post = Post {
            front: Name::Path(name.clone()),
            access: Access { mode: Some(found.mode() & 0o777), group: Some(found.gid()) },
            upstream: Name::Path(hidden.clone()),
            kind,
        };
        let folder = folder.to_path_buf();
        let places = move |client: &Name, _| places(client, &folder);
        let relay = UnixRelay::start(journal, post, names, places).inspect_err(|_| drop(fs::rename(&hidden, &name)))?;
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
fn places(client: &Name, folder: &Path) -> Places {
    match client {
        Name::Path(path) => {
            let client = folder.join(path);
            Places { stand_in: Name::Path(hidden(&client)), client: Name::Path(client) }
        }
        Name::Abstract(name) => {
            Places { stand_in: Name::Abstract([HIDDEN.as_bytes(), name].concat()), client: client.clone() }
        }
    }
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
        let folder = Path::new("/tides");
        let places = places(&Name::Path("pilot.sock".into()), folder);
        assert_eq!(places.client, Name::Path("/tides/pilot.sock".into()));
        assert_eq!(shown(&format!("4 octets from {}", places.stand_in), folder), "4 octets from pilot.sock");
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
