//! A relay that writes a journal: a client that talks to it instead of the server is heard octet by octet.
//!
//! What comes from one side is written into the journal first and passed on after that. So whatever the other side
//! answers comes later in the journal as well, and the order of a conversation is the true one. A half-close and a
//! reset are passed on as what they are.

use super::door::{Client, Door};
use super::journal::Journal;
use super::recorder::Recorder;
use crate::error::{cause_text, is_temporary};
use crate::relay::Options;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, PipeReader, PipeWriter};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Scope};
use std::time::Duration;

/// Connections at once. One more is closed as soon as it is accepted, and a note tells.
pub const CONNECTIONS: usize = 256;
/// A connection on which neither side sends anything for this long, or takes what it was sent, is reset on both sides.
pub const IDLE_LIMIT: Duration = Duration::from_secs(30);
/// How long the server may take to accept. The next client waits meanwhile: connections are begun one after the other,
/// so that they are in the journal in the order in which the clients came.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// The pause after accept(2) ran out of descriptors.
const PAUSE_MILLISECONDS: u8 = 20;

/// A running relay for TCP. Dropping it stops it.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    running: Running,
}

/// The threads of a relay for connections of any kind. Dropping it stops them.
#[derive(Debug)]
pub(super) struct Running {
    progress: Arc<Progress>,
    /// Dropped by the stop. All threads poll the other end of this pipe, which becomes readable then.
    wake: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

/// How many connections there were, and how many of them are over.
#[derive(Debug, Default)]
struct Progress {
    count: Mutex<(usize, usize)>,
    ended: Condvar,
}

/// What the relay's threads share.
struct Shared {
    journal: Journal,
    names: (String, String),
    idle_limit: Duration,
    progress: Arc<Progress>,
    stop: PipeReader,
}

impl Relay {
    /// Listens on a free port of 127.0.0.1 and carries each client's connection to `upstream`. In the journal the two
    /// sides are called `names`, the client first.
    ///
    /// # Errors
    /// When there is no port, descriptor or thread left.
    pub fn start(journal: &Journal, upstream: SocketAddr, names: (&str, &str)) -> io::Result<Self> {
        Self::start_with(journal, upstream, names, IDLE_LIMIT)
    }

    fn start_with(
        journal: &Journal,
        upstream: SocketAddr,
        names: (&str, &str),
        idle_limit: Duration,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let running = Running::start(journal, Door::Tcp { listener, upstream }, names, idle_limit)?;
        Ok(Self { address, running })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Waits until `connections` have come and gone, for `patience` at most, so that the journal has the last FIN too.
    /// Returns whether they have.
    pub fn wait(&self, connections: usize, patience: Duration) -> bool {
        self.running.wait(connections, patience)
    }

    /// Waits until all connections that have come have gone as well, for `patience` at most.
    pub fn wait_for_all(&self, patience: Duration) -> bool {
        self.running.wait_for_all(patience)
    }

    /// Stops listening, closes what is open, and waits for the relay's threads. They notice at once, but for one that
    /// is connecting, which takes [`CONNECT_LIMIT`] at most.
    pub fn stop(self) {
        drop(self);
    }
}

impl Running {
    /// Waits for clients at the door.
    pub(super) fn start(journal: &Journal, door: Door, names: (&str, &str), idle_limit: Duration) -> io::Result<Self> {
        // A client may be gone between poll(2) and accept(2); the listener must not block then.
        door.set_nonblocking()?;
        let (stop, wake) = io::pipe()?;
        let progress = Arc::<Progress>::default();
        let shared = Shared {
            journal: journal.clone(),
            names: (names.0.into(), names.1.into()),
            idle_limit,
            progress: progress.clone(),
            stop,
        };
        let thread = thread::Builder::new().name("relay".into()).spawn(move || shared.accept(&door))?;
        Ok(Self { progress, wake: Some(wake), thread: Some(thread) })
    }

    /// See [`Relay::wait`].
    pub(super) fn wait(&self, connections: usize, patience: Duration) -> bool {
        self.wait_until(patience, |_, ended| ended >= connections)
    }

    /// See [`Relay::wait_for_all`].
    pub(super) fn wait_for_all(&self, patience: Duration) -> bool {
        self.wait_until(patience, |began, ended| ended == began)
    }

    fn wait_until(&self, patience: Duration, done: impl Fn(usize, usize) -> bool) -> bool {
        let count = self.progress.count.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.progress.ended.wait_timeout_while(count, patience, |(began, ended)| !done(*began, *ended));
        let (began, ended) = *waited.unwrap_or_else(PoisonError::into_inner).0;
        done(began, ended)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Runs until the relay is stopped. The scope waits for the connections' threads.
    fn accept(&self, door: &Door) {
        thread::scope(|scope| {
            loop {
                let mut fds =
                    [PollFd::new(self.stop.as_fd(), PollFlags::POLLIN), PollFd::new(door.as_fd(), PollFlags::POLLIN)];
                match poll(&mut fds, PollTimeout::NONE) {
                    Ok(_) if fds[0].any() == Some(true) => break,
                    Ok(_) => {}
                    Err(Errno::EINTR) => continue,
                    Err(e) => return self.journal.note(format!("the relay failed: poll: {}", e.desc())),
                }
                match door.accept() {
                    Ok(client) => self.begin(scope, door, client),
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    // The client stays in the queue. Without a pause the loop would spin; a stop ends the pause.
                    Err(e) if is_temporary(&e) => {
                        let _ = poll(&mut fds[..1], PAUSE_MILLISECONDS);
                    }
                    Err(e) => return self.journal.note(format!("the relay failed: accept: {}", cause_text(&e))),
                }
            }
        });
    }

    fn begin<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, door: &Door, client: Client) {
        let place = Place::take(&self.progress);
        let turn_away = |e| self.journal.note(format!("the relay turned a client away: {}", cause_text(&e)));
        if place.full {
            return turn_away(io::Error::other(format!("more than {CONNECTIONS} connections")));
        }
        let (pair, talk) = match door.connect(client, CONNECT_LIMIT) {
            Ok(connected) => connected,
            Err(e) => return turn_away(e),
        };
        let conversation = self.journal.open(talk.between(&self.names));
        let options = Options { idle: self.idle_limit, ..Options::default() };
        let thread = thread::Builder::new().name(format!("relay {conversation}"));
        let started = thread.spawn_scoped(scope, move || {
            let mut recorder = Recorder { journal: &self.journal, conversation };
            pair.carry(&options, self.stop.as_fd(), &mut recorder);
            drop(place);
        });
        if let Err(e) = started {
            turn_away(e);
        }
    }
}

/// One connection's place in the count. However its thread ends, it is counted as ended.
struct Place {
    progress: Arc<Progress>,
    full: bool,
}

impl Place {
    fn take(progress: &Arc<Progress>) -> Self {
        let mut count = progress.count.lock().unwrap_or_else(PoisonError::into_inner);
        count.0 += 1;
        Self { progress: progress.clone(), full: count.0 - count.1 > CONNECTIONS }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.progress.count.lock().unwrap_or_else(PoisonError::into_inner).1 += 1;
        self.progress.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tap::{From, Kind};
    use socket2::SockRef;
    use std::io::{ErrorKind, Read, Write};
    use std::net::{Shutdown, TcpStream};

    const PATIENCE: Duration = Duration::from_secs(10);

    /// A listener, a relay to it, and the journal.
    fn harbour() -> (TcpListener, Relay, Journal) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let journal = Journal::new(1 << 20);
        let relay =
            Relay::start(&journal, listener.local_addr().expect("address"), ("pilot", "harbour")).expect("start");
        (listener, relay, journal)
    }

    fn dial(relay: &Relay) -> TcpStream {
        let stream = TcpStream::connect(relay.addr()).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        stream
    }

    fn accept(listener: &TcpListener) -> TcpStream {
        let stream = listener.accept().expect("accept").0;
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        stream
    }

    fn expect(mut stream: &TcpStream, octets: &[u8]) {
        let mut got = vec![0; octets.len()];
        stream.read_exact(&mut got).expect("octets");
        assert_eq!(got, octets);
    }

    fn reset(stream: TcpStream) {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("linger");
    }

    fn kinds(journal: &Journal) -> Vec<Kind> {
        journal.events().into_iter().map(|e| e.kind).collect()
    }

    fn said(from: From, text: &str) -> Kind {
        Kind::Data(from, text.as_bytes().to_vec())
    }

    /// Question, half-close, answer, close: both sides see what they would see without the relay, and the journal has it
    /// in order, with the true addresses.
    #[test]
    fn a_half_close_is_carried_through() {
        let (listener, relay, journal) = harbour();
        let mut client = dial(&relay);
        let mut server = accept(&listener);
        client.write_all(b"how deep?").expect("write");
        expect(&server, b"how deep?");
        client.shutdown(Shutdown::Write).expect("shutdown");
        assert_eq!(server.read(&mut [0]).expect("end of file"), 0);
        server.write_all(b"4 m").expect("write");
        drop(server);
        expect(&client, b"4 m");
        assert_eq!(client.read(&mut [0]).expect("end of file"), 0);
        assert!(relay.wait(1, PATIENCE));
        assert_eq!(
            kinds(&journal),
            [
                Kind::Open,
                said(From::Client, "how deep?"),
                Kind::Close(From::Client),
                said(From::Server, "4 m"),
                Kind::Close(From::Server),
            ]
        );
        let talk = &journal.conversations()[0];
        assert_eq!((talk.client, talk.server), (client.local_addr().ok(), listener.local_addr().ok()));
        assert_eq!((talk.client_name.as_str(), talk.server_name.as_str()), ("pilot", "harbour"));
    }

    /// The other side feels a reset, not a close, after the octets that came before it; in both directions.
    #[test]
    fn a_reset_is_carried_through() {
        for from in [From::Client, From::Server] {
            let (listener, relay, journal) = harbour();
            let (client, server) = (dial(&relay), accept(&listener));
            let (mut breaks, mut hears) = if from == From::Client { (client, server) } else { (server, client) };
            breaks.write_all(b"sink").expect("write");
            expect(&hears, b"sink");
            reset(breaks);
            assert_eq!(hears.read(&mut [0]).expect_err("reset").kind(), ErrorKind::ConnectionReset);
            assert!(relay.wait(1, PATIENCE));
            assert_eq!(kinds(&journal), [Kind::Open, said(from, "sink"), Kind::Reset(from)]);
        }
    }

    /// A reset after the half-close: no read is waiting any more, and it is heard all the same.
    #[test]
    fn a_reset_after_a_half_close_is_heard() {
        let (listener, relay, journal) = harbour();
        let client = dial(&relay);
        let mut server = accept(&listener);
        client.shutdown(Shutdown::Write).expect("shutdown");
        assert_eq!(server.read(&mut [0]).expect("end of file"), 0);
        reset(client);
        assert!(relay.wait(1, PATIENCE));
        // A socket that has read the end of file reads it again; the reset shows when it writes.
        assert_eq!(server.write(b"aye").expect_err("reset").kind(), ErrorKind::BrokenPipe);
        assert_eq!(kinds(&journal), [Kind::Open, Kind::Close(From::Client), Kind::Reset(From::Client)]);
    }

    /// A server closes with a part of the request unread, so its kernel sends an RST. Its answer came before that.
    #[test]
    fn an_answer_before_a_reset_is_kept() {
        let (listener, relay, journal) = harbour();
        let mut client = dial(&relay);
        let mut server = accept(&listener);
        client.write_all(b"too much").expect("write");
        expect(&server, b"too");
        server.write_all(b"enough").expect("write");
        drop(server);
        expect(&client, b"enough");
        assert_eq!(client.read(&mut [0]).expect_err("reset").kind(), ErrorKind::ConnectionReset);
        assert!(relay.wait(1, PATIENCE));
        let told = kinds(&journal);
        assert_eq!(told[2..], [said(From::Server, "enough"), Kind::Reset(From::Server)], "{told:?}");
    }

    /// More than all buffers hold, both ways at once, to an echo that stops reading while it writes.
    #[test]
    fn nothing_is_lost_when_it_is_much() {
        const MUCH: usize = 8 << 20;
        let (listener, relay, journal) = harbour();
        let echo = thread::spawn(move || {
            let mut server = accept(&listener);
            std::io::copy(&mut server.try_clone().expect("clone"), &mut server).expect("echo")
        });
        let mut client = dial(&relay);
        let mut writer = client.try_clone().expect("clone");
        let octets: Vec<u8> = (0..MUCH).map(|i| (i / 251) as u8).collect();
        let sent = octets.clone();
        let writing = thread::spawn(move || {
            writer.write_all(&sent).expect("write");
            writer.shutdown(Shutdown::Write).expect("shutdown");
        });
        let mut got = Vec::new();
        client.read_to_end(&mut got).expect("read");
        writing.join().expect("join");
        assert!(got == octets);
        assert_eq!(echo.join().expect("join"), MUCH as u64);
        assert!(relay.wait(1, PATIENCE));
        assert_eq!(journal.left_out(), 2 * MUCH - (1 << 20));
    }

    /// Connections are in the journal in the order in which the clients came.
    #[test]
    fn first_come_first_written() {
        let (listener, relay, journal) = harbour();
        let clients: Vec<TcpStream> = (0..20).map(|_| dial(&relay)).collect();
        let servers: Vec<TcpStream> = clients.iter().map(|_| accept(&listener)).collect();
        // What the last server says comes through the relay, so its connection is in the journal by then.
        (&servers[19]).write_all(b"!").expect("write");
        expect(&clients[19], b"!");
        let came: Vec<_> = clients.iter().map(|c| c.local_addr().ok()).collect();
        let written: Vec<_> = journal.conversations().iter().map(|c| c.client).collect();
        assert_eq!(written, came);
        assert!(!relay.wait(1, Duration::ZERO), "all are open");
        drop((clients, servers));
        assert!(relay.wait(20, PATIENCE));
    }

    /// Nobody listens upstream: the client is reset, and the journal says why.
    #[test]
    fn no_server() {
        // Bound, but not listening: nobody else can be given the port meanwhile.
        let taken = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("socket");
        taken.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("bind");
        let upstream = taken.local_addr().expect("address").as_socket().expect("inet");
        let journal = Journal::new(0);
        let relay = Relay::start(&journal, upstream, ("pilot", "harbour")).expect("start");
        let mut client = dial(&relay);
        assert_eq!(client.read(&mut [0]).expect_err("reset").kind(), ErrorKind::ConnectionReset);
        assert!(relay.wait(1, PATIENCE));
        assert_eq!(kinds(&journal), [Kind::Note("the relay turned a client away: connection refused".into())]);
    }

    /// A silent connection does not stay for ever.
    #[test]
    fn silence_has_an_end() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let journal = Journal::new(1 << 20);
        let upstream = listener.local_addr().expect("address");
        let relay =
            Relay::start_with(&journal, upstream, ("pilot", "harbour"), Duration::from_millis(50)).expect("start");
        let mut client = dial(&relay);
        assert_eq!(client.read(&mut [0]).expect_err("reset").kind(), ErrorKind::ConnectionReset);
        assert_eq!(kinds(&journal)[1], Kind::Note("nothing for 50ms: the relay reset both sides".into()));
    }

    /// A stop closes what is open. It returns when the threads are gone, and does not wait for the idle limit.
    #[test]
    fn a_stop_wakes_everyone() {
        let (listener, relay, journal) = harbour();
        let mut client = dial(&relay);
        let mut server = accept(&listener);
        relay.stop();
        assert_eq!(client.read(&mut [0]).expect("end of file"), 0);
        assert_eq!(server.read(&mut [0]).expect("end of file"), 0);
        assert_eq!(kinds(&journal), [Kind::Open]);
    }
}
