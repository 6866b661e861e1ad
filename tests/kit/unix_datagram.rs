//! One conversation of a check in datagrams between Unix sockets: sent and expected, one by one.

use crate::failure::{Failure, Outcome};
use crate::patience::{PATIENCE, RunQueue, Wait};
use netkata::error::cause_text;
use netkata::tap::{Conversation, From, Journal, Kind, Transport};
use netkata::unix::Name;
use netkata::{hexdump, human};
use socket2::{Domain, SockRef, Socket, Type};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

/// Longer than any datagram that a send buffer of the usual size takes.
const ROOM: usize = 1 << 19;

/// A Unix datagram socket that talks to one subject.
///
/// Its file stays when it is dropped, as every socket file does: to the subject, that is a client that was killed.
pub struct UnixDatagrams {
    socket: UnixDatagram,
    ours: Option<Name>,
    server: Name,
    journal: Journal,
    conversation: usize,
    patience: Duration,
    queue: RunQueue,
}

impl UnixDatagrams {
    /// A fresh socket for a dialogue with `server`. Without a name of its own, nobody can answer it.
    pub fn open(ours: Option<Name>, server: Name, name: &str, journal: &Journal) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
        if let Some(ours) = &ours {
            socket.bind(&ours.address()?)?;
        }
        // A full queue at the subject lets the sender wait (unix(7)): not without end.
        socket.set_write_timeout(Some(PATIENCE * 2))?;
        let conversation = journal.open(Conversation {
            transport: Transport::UnixDatagram,
            client: None,
            server: None,
            client_name: "grader".into(),
            server_name: name.into(),
        });
        let (journal, queue) = (journal.clone(), RunQueue::default());
        Ok(Self { socket: socket.into(), ours, server, journal, conversation, patience: PATIENCE, queue })
    }

    /// Who has to wait for a processor in this conversation.
    pub fn queueing_at(mut self, queue: &RunQueue) -> Self {
        self.queue = queue.clone();
        self
    }

    /// How long the following expectations wait.
    pub fn within(&mut self, patience: Duration) -> &mut Self {
        self.patience = patience;
        self
    }

    /// Sends one datagram.
    pub fn send(&mut self, octets: &[u8]) -> Outcome {
        self.journal.data(self.conversation, From::Client, octets);
        self.put(octets)
    }

    /// Sends so many datagrams, which are counted and not shown one by one.
    pub fn send_many(&mut self, octets: &[u8], n: usize) -> Outcome {
        let (size, many) = (human::count(octets.len(), "octet"), human::thousands(n));
        self.note(format!("{many} datagrams of {size} are sent"));
        (0..n).try_for_each(|_| self.put(octets))
    }

    /// As [`UnixDatagrams::send`], and not written down.
    pub fn send_unseen(&self, octets: &[u8]) -> Outcome {
        self.put(octets)
    }

    fn put(&self, octets: &[u8]) -> Outcome {
        let sent = self.server.address().and_then(|to| SockRef::from(&self.socket).send_to(octets, &to));
        sent.map(drop).map_err(|e| Failure::new("the program to take a datagram", cause_text(&e)))
    }

    /// Waits for one datagram, from the subject's address, with exactly these octets.
    pub fn expect(&mut self, expected: &[u8]) -> Outcome {
        let got = self.receive()?;
        if got == expected { Ok(()) } else { Err(Failure::octets(expected, &got, "one datagram")) }
    }

    /// Waits for one datagram from the subject's address.
    pub fn receive(&mut self) -> Outcome<Vec<u8>> {
        match self.next(Wait::new(self.patience, &self.queue))? {
            Some((octets, from)) if from.as_ref() == Some(&self.server) => Ok(octets),
            Some((_, from)) => {
                let from = from.map_or("a socket without a name".into(), |name| name.to_string());
                Err(Failure::new(format!("an answer from {}", self.server), format!("one from {from}")))
            }
            None => Err(Failure::new("a datagram", format!("nothing for {}", human::duration(self.patience)))),
        }
    }

    /// Waits for `time` and expects no datagram.
    pub fn expect_silence(&mut self, time: Duration) -> Outcome {
        match self.next(time.into())? {
            None => Ok(()),
            Some((octets, _)) => Err(Failure::new(
                format!("silence for {}", human::duration(time)),
                format!("a datagram: \"{}\"", hexdump::text(&octets, 40)),
            )),
        }
    }

    fn next(&mut self, mut wait: Wait) -> Outcome<Option<(Vec<u8>, Option<Name>)>> {
        let mut buffer = vec![0; ROOM];
        loop {
            let Some(left) = wait.left() else { return Ok(None) };
            let _ = self.socket.set_read_timeout(Some(left));
            match self.socket.recv_from(&mut buffer) {
                Ok((n, from)) => {
                    buffer.truncate(n);
                    self.journal.data(self.conversation, From::Server, &buffer);
                    return Ok(Some((buffer, name_of(&from))));
                }
                Err(e) if netkata::error::is_timeout(&e) || e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Failure::new("a datagram", cause_text(&e))),
            }
        }
    }
}

/// Our own file, and what may happen to it.
impl UnixDatagrams {
    /// Our own name as the subject sees it: a path, or `@name`.
    pub fn name(&self) -> Outcome<String> {
        self.ours.as_ref().map(ToString::to_string).ok_or_else(|| Failure::new("a client with a name", "one without"))
    }

    /// Our own socket file.
    pub fn path(&self) -> Outcome<&Path> {
        match &self.ours {
            Some(Name::Path(path)) => Ok(path),
            _ => Err(Failure::new("a client with a socket file", "one without")),
        }
    }

    /// From now on nobody may write to our file. Root may all the same, unless it gives that up
    /// ([`Scene::without_privileges`](crate::Scene::without_privileges)).
    pub fn refuse_answers(&self) -> Outcome {
        self.note("nobody may write to the client's socket file (mode 0)");
        let refused = fs::set_permissions(self.path()?, fs::Permissions::from_mode(0o0));
        refused.map_err(|e| Failure::new("a file without permissions", cause_text(&e)))
    }

    /// Closes the socket and leaves its file behind, as a client does that is killed.
    pub fn vanish(self) {
        self.note("the client is killed: its file stays");
        let (ours, mut wait) = (self.ours.clone(), Wait::new(PATIENCE, &self.queue));
        drop(self);
        // A child that the grader has just forked, for another check, has the socket too until it executes its program.
        while ours.as_ref().is_some_and(is_alive) && wait.until().is_some() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Closes the socket and removes its file, as a client does that ends in good order.
    pub fn leave(self) -> Outcome {
        self.note("the client closes its socket and removes its file");
        fs::remove_file(self.path()?).map_err(|e| Failure::new("the file to be there", cause_text(&e)))
    }
}

/// Whether a datagram socket has the name.
fn is_alive(name: &Name) -> bool {
    netkata::unix::datagram::connect(name).is_ok()
}

/// Notes of this conversation.
impl UnixDatagrams {
    fn note(&self, text: impl Into<String>) {
        self.journal.event(self.conversation, Kind::Note(text.into()));
    }
}

fn name_of(address: &SocketAddr) -> Option<Name> {
    address.as_pathname().map(|path| Name::Path(path.into())).or_else(|| abstract_name_of(address))
}

#[cfg(target_os = "linux")]
fn abstract_name_of(address: &SocketAddr) -> Option<Name> {
    use std::os::linux::net::SocketAddrExt;
    address.as_abstract_name().map(|name| Name::Abstract(name.into()))
}

#[cfg(not(target_os = "linux"))]
fn abstract_name_of(_: &SocketAddr) -> Option<Name> {
    None
}
