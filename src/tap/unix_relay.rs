//! A relay between Unix sockets that writes a journal, as [`super::relay`] does for TCP and [`super::datagram_relay`] for UDP.

use super::door::Door;
use super::journal::{Conversation, Journal, Kind, Transport};
use super::relay::{IDLE_LIMIT, Running};
use super::unixgrams::relay::{self, Hook, Limits, StandIn};
use crate::context::Context;
use crate::relay::From;
use crate::unix::{self, Bound, Name};
use socket2::Socket;
use std::fmt::Display;
use std::io;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A running relay. Dropping it stops it and removes its socket file.
#[derive(Debug)]
pub struct UnixRelay(Work);

#[derive(Debug)]
enum Work {
    Connections(Running),
    Datagrams { stop: Context, thread: Option<JoinHandle<()>> },
}

/// Where to stand.
#[derive(Debug)]
pub struct Post {
    /// The kind of all sockets.
    pub kind: unix::Kind,
    /// What clients talk to. It listens, if it is of a kind that does.
    pub front: Bound<Socket>,
    /// Where the server is.
    pub upstream: Name,
}

impl UnixRelay {
    /// Takes clients at the front and carries what they say to the upstream, and the answers back. In the journal the two sides
    /// are called `names`, the client first. `binder` makes the stand-ins of those who send datagrams.
    ///
    /// # Errors
    /// When there is no descriptor or thread left.
    pub fn start(
        journal: &Journal,
        post: Post,
        names: (&str, &str),
        binder: impl Fn(&Name, u64) -> io::Result<StandIn> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let Post { kind, front, upstream } = post;
        let door = match kind {
            unix::Kind::Stream => Door::Unix { listener: front.map(UnixListener::from).into(), upstream },
            unix::Kind::Seqpacket => Door::Packets { listener: front.into(), upstream },
            unix::Kind::Datagram => {
                let front = front.map(UnixDatagram::from);
                let names = (names.0.to_string(), names.1.to_string());
                let mut hook = Journalist { journal: journal.clone(), names };
                let stop = Context::new();
                let until = stop.clone();
                let thread = thread::Builder::new().name("datagrams".into()).spawn(move || {
                    // All of it: its file goes with it.
                    let (front, limits) = (front, Limits::default());
                    if let Err(e) = relay::carry(&front.socket, &upstream, &binder, &limits, &mut hook, &until) {
                        hook.journal.note(format!("the relay's socket failed: {e}"));
                    }
                })?;
                return Ok(Self(Work::Datagrams { stop, thread: Some(thread) }));
            }
        };
        Running::start(journal, door, names, IDLE_LIMIT).map(Work::Connections).map(Self)
    }

    /// Waits until all connections that have come have gone as well, for `patience` at most, so that the journal has the last
    /// end of file too. Datagrams have no end to wait for.
    pub fn wait_for_all(&self, patience: Duration) -> bool {
        match &self.0 {
            Work::Connections(running) => running.wait_for_all(patience),
            Work::Datagrams { .. } => true,
        }
    }

    /// Stops listening, closes what is open, and waits for the relay's threads.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Work::Datagrams { stop, thread } = self {
            stop.cancel();
            if let Some(thread) = thread.take() {
                let _ = thread.join();
            }
        }
    }
}

struct Journalist {
    journal: Journal,
    names: (String, String),
}

impl Hook for Journalist {
    type Path = usize;

    fn begin(&mut self, _: Option<&Name>) -> usize {
        self.journal.open(Conversation {
            transport: Transport::UnixDatagram,
            client: None,
            server: None,
            client_name: self.names.0.clone(),
            server_name: self.names.1.clone(),
        })
    }

    fn datagram(&mut self, conversation: &mut usize, from: From, octets: &[u8]) {
        self.journal.data(*conversation, from, octets);
    }

    fn refused(&mut self, conversation: &mut usize, from: From) {
        self.journal.event(*conversation, Kind::Reset(from));
    }

    fn unsent(&mut self, conversation: &mut usize, _: From, why: &io::Error) {
        let text = format!("the datagram could not be passed on: {}", crate::error::cause_text(why));
        self.journal.event(*conversation, Kind::Note(text));
    }

    fn not_carried(&mut self, whose: &dyn Display, why: &dyn Display) {
        self.journal.note(format!("{whose}: not carried: {why}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unix::{Access, datagram, file, seqpacket};
    use std::io::{Read, Write};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn relay(folder: &tempfile::TempDir, kind: unix::Kind, journal: &Journal) -> UnixRelay {
        let name = |file: &str| Name::Path(folder.path().join(file));
        let access = Access { mode: Some(0o600), group: None };
        let front = file::bind(kind, &name("front.sock"), &access).expect("bind");
        let binder = relay::beside(front.name.clone());
        let post = Post { kind, front, upstream: name("harbour.sock") };
        UnixRelay::start(journal, post, ("pilot", "harbour"), binder).expect("start")
    }

    fn kinds(journal: &Journal) -> Vec<Kind> {
        journal.events().into_iter().map(|e| e.kind).collect()
    }

    fn said(from: From, text: &str) -> Kind {
        Kind::Data(from, text.as_bytes().to_vec())
    }

    /// A question, a half-close, an answer; the file has the mode that was asked for, and is gone at the end.
    #[test]
    fn a_stream() {
        let (folder, journal) = (tempfile::tempdir().expect("folder"), Journal::new(100));
        let server = UnixListener::bind(folder.path().join("harbour.sock")).expect("bind");
        let relay = relay(&folder, unix::Kind::Stream, &journal);
        let front = folder.path().join("front.sock");
        assert_eq!(front.metadata().expect("file").permissions().mode() & 0o777, 0o600);
        let mut client = UnixStream::connect(&front).expect("connect");
        let (mut served, _) = server.accept().expect("accept");
        client.write_all(b"how deep?").expect("write");
        client.shutdown(std::net::Shutdown::Write).expect("shutdown");
        let mut text = String::new();
        served.read_to_string(&mut text).expect("read");
        served.write_all(b"4 m").expect("write");
        drop(served);
        client.read_to_string(&mut text).expect("read");
        assert_eq!(text, "how deep?4 m");
        assert!(relay.wait_for_all(PATIENCE));
        relay.stop();
        assert!(!front.exists());
        let (c, s) = (From::Client, From::Server);
        let told = [Kind::Open, said(c, "how deep?"), Kind::Close(c), said(s, "4 m"), Kind::Close(s)];
        assert_eq!(kinds(&journal), told);
        assert_eq!(journal.conversations()[0].transport, Transport::Unix);
    }

    /// Each packet is an event of its own, the empty one too.
    #[cfg(target_os = "linux")]
    #[test]
    fn packets() {
        use crate::unix::seqpacket::{Packets, Received};
        let (folder, journal) = (tempfile::tempdir().expect("folder"), Journal::new(100));
        let server = seqpacket::listen(&Name::Path(folder.path().join("harbour.sock")), &Access::default());
        let server = server.expect("listen");
        let relay = relay(&folder, unix::Kind::Seqpacket, &journal);
        let client = Packets::connect(&Name::Path(folder.path().join("front.sock")), PATIENCE).expect("connect");
        let served = crate::listen::Accept::accept_one(&server).expect("accept").0;
        for packet in ["high", "", "water"] {
            client.send(packet.as_bytes()).expect("send");
            let len = packet.len();
            assert_eq!(served.receive(&mut [0; 9]).expect("receive"), Received::Packet { len, whole: len });
        }
        drop(client);
        assert_eq!(served.receive(&mut [0; 9]).expect("receive"), Received::End);
        drop(served);
        assert!(relay.wait_for_all(PATIENCE));
        let (c, s) = (From::Client, From::Server);
        let told = [Kind::Open, said(c, "high"), said(c, ""), said(c, "water"), Kind::Close(c), Kind::Close(s)];
        assert_eq!(kinds(&journal), told);
        assert_eq!(journal.conversations()[0].transport, Transport::UnixPacket);
    }

    /// Two clients are two conversations.
    #[test]
    fn datagrams() {
        let (folder, journal) = (tempfile::tempdir().expect("folder"), Journal::new(100));
        let bind = |file: &str| {
            let bound = file::datagrams(&Name::Path(folder.path().join(file)), &Access::default()).expect("bind");
            bound.socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
            bound
        };
        let server = bind("harbour.sock");
        let relay = relay(&folder, unix::Kind::Datagram, &journal);
        let front = Name::Path(folder.path().join("front.sock"));
        for file in ["pilot.sock", "tug.sock"] {
            let client = bind(file);
            datagram::send_to(&client.socket, b"berth?", &front).expect("send");
            let mut buffer = [0; 16];
            let from = datagram::receive(&server.socket, &mut buffer).expect("receive").from.expect("name");
            datagram::send_to(&server.socket, b"4", &from).expect("answer");
            assert_eq!(datagram::receive(&client.socket, &mut buffer).expect("receive").len, 1);
        }
        assert!(relay.wait_for_all(Duration::ZERO));
        relay.stop();
        let one = [Kind::Open, said(From::Client, "berth?"), said(From::Server, "4")];
        assert_eq!(kinds(&journal), [one.clone(), one].concat());
        assert_eq!(journal.conversations()[0].transport, Transport::UnixDatagram);
    }
}
