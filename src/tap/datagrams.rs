//! A relay for datagrams that writes a record.
//!
//! Nobody connects in UDP, so a client is known by its address alone. Each has a socket of its own towards the server,
//! connected, so that answers find their way back, and so that the kernel tells when the server's host says that nobody has
//! the port (udp(7)). A conversation has no end; it is forgotten when nothing came for a while.

use super::journal::{Conversation, Transport};
use super::record::{Recorder, Talk};
use crate::context::{Context, Ready};
use crate::error::{cause_text, is_shortage, is_timeout};
use crate::exit::log;
use crate::human::count;
use crate::relay::{From, Watch};
use socket2::SockRef;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

/// No datagram is longer: the length field of UDP has sixteen bits (RFC 768).
const LONGEST: usize = 65_535;
/// Datagrams wait here while this process is busy elsewhere; what does not fit is lost. The kernel cuts it to
/// `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 4 << 20;

/// How datagrams are carried.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A client that has said and heard nothing for so long is forgotten.
    pub idle: Duration,
    /// Clients at once. What further ones send is dropped.
    pub conversations: usize,
}

struct Relay<'a> {
    socket: &'a UdpSocket,
    upstream: SocketAddr,
    limits: &'a Limits,
    recorder: &'a Recorder,
    clients: Mutex<HashMap<SocketAddr, Arc<Client>>>,
    stopped: AtomicBool,
}

/// A client's conversation. Its own thread waits for the server; the first one passes on what the client sends.
struct Client {
    address: SocketAddr,
    upstream: UdpSocket,
    talk: Mutex<Talk>,
    last: Mutex<Instant>,
}

/// Carries datagrams between the clients of `socket` and `upstream` until `stop` ends.
///
/// # Errors
/// When `socket` fails for good.
pub fn carry(
    socket: &UdpSocket,
    upstream: SocketAddr,
    limits: &Limits,
    recorder: &Recorder,
    stop: &Context,
) -> io::Result<()> {
    SockRef::from(socket).set_recv_buffer_size(RECEIVE_BUFFER)?;
    let (clients, stopped) = (Mutex::default(), AtomicBool::new(false));
    let relay = Relay { socket, upstream, limits, recorder, clients, stopped };
    thread::scope(|scope| {
        let result = relay.listen(scope, stop);
        relay.stopped.store(true, SeqCst);
        // A read that waits on a socket that is shut down returns.
        for client in lock(&relay.clients).values() {
            let _ = SockRef::from(&client.upstream).shutdown(Shutdown::Both);
        }
        result
    })
}

impl Relay<'_> {
    fn listen<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, stop: &Context) -> io::Result<()> {
        let mut buffer = vec![0; LONGEST];
        let mut turned_away = false;
        while stop.wait_readable(self.socket)? == Ready::Socket {
            let (n, address) = match self.socket.recv_from(&mut buffer) {
                Ok(received) => received,
                // An answer of ours came to a client that was gone, and its host said so.
                Err(e) if is_timeout(&e) || is_shortage(&e) || is_refusal(&e) => continue,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            match self.client(scope, address) {
                Ok(client) => {
                    turned_away = false;
                    client.send_on(&buffer[..n]);
                }
                // A flood of new clients would be a flood of lines.
                Err(_) if turned_away => {}
                Err(e) => {
                    turned_away = true;
                    log(format_args!("{address}: dropped: {}", cause_text(&e)));
                }
            }
        }
        Ok(())
    }

    /// The conversation with this client, which begins now if need be.
    fn client<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, address: SocketAddr) -> io::Result<Arc<Client>> {
        let mut clients = lock(&self.clients);
        if let Some(client) = clients.get(&address) {
            client.touch();
            return Ok(client.clone());
        }
        if clients.len() >= self.limits.conversations {
            return Err(io::Error::other(format!("{} already", count(clients.len(), "conversation"))));
        }
        let local: IpAddr =
            if self.upstream.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let upstream = UdpSocket::bind((local, 0))?;
        upstream.connect(self.upstream)?;
        upstream.set_read_timeout(Some(self.limits.idle))?;
        let talk = self.recorder.begin(
            self.recorder.number(),
            Conversation {
                transport: Transport::Udp,
                client: Some(canonical(address)),
                server: Some(self.upstream),
                client_name: canonical(address).to_string(),
                server_name: format!("udp://{}", self.upstream),
            },
        );
        let client = Arc::new(Client { address, upstream, talk: Mutex::new(talk), last: Mutex::new(Instant::now()) });
        let own = client.clone();
        let thread = thread::Builder::new().name(format!("client {address}"));
        thread.spawn_scoped(scope, move || {
            own.answer(self);
            lock(&self.clients).remove(&own.address);
        })?;
        clients.insert(address, client.clone());
        Ok(client)
    }

    /// Whether this client has been silent for long enough. Nobody can find it any more then.
    fn forget(&self, client: &Client) -> bool {
        let mut clients = lock(&self.clients);
        let idle = lock(&client.last).elapsed() >= self.limits.idle;
        if idle {
            clients.remove(&client.address);
        }
        idle
    }
}

impl Client {
    fn touch(&self) {
        *lock(&self.last) = Instant::now();
    }

    /// Into the record first: the answer comes after the question.
    fn send_on(&self, octets: &[u8]) {
        lock(&self.talk).data(From::Client, octets);
        let mut sent = self.upstream.send(octets);
        // The refusal is of the datagram before; this one has not been sent (udp(7)).
        if sent.as_ref().is_err_and(is_refusal) {
            lock(&self.talk).reset(From::Server);
            sent = self.upstream.send(octets);
        }
        self.note_failure("to the server", sent);
    }

    /// The life of the client's thread: what the server says goes to the client.
    fn answer(&self, relay: &Relay<'_>) {
        let mut buffer = vec![0; LONGEST];
        loop {
            let received = self.upstream.recv(&mut buffer);
            if relay.stopped.load(SeqCst) {
                return;
            }
            match received {
                Ok(n) => {
                    self.touch();
                    lock(&self.talk).data(From::Server, &buffer[..n]);
                    self.note_failure("to the client", relay.socket.send_to(&buffer[..n], self.address));
                }
                Err(e) if is_refusal(&e) => lock(&self.talk).reset(From::Server),
                // The time that is left is shorter than the timeout when the client spoke in between. That is as well.
                Err(e) if is_timeout(&e) && relay.forget(self) => return,
                Err(e) if is_timeout(&e) || is_shortage(&e) || e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return lock(&self.talk).note(format!("the socket failed: {}", cause_text(&e))),
            }
        }
    }

    fn note_failure(&self, to: &str, sent: io::Result<usize>) {
        if let Err(e) = sent {
            lock(&self.talk).note(format!("the datagram {to} could not be sent: {}", cause_text(&e)));
        }
    }
}

/// ICMP: nobody has that port (RFC 792; RFC 4443, section 3.1).
fn is_refusal(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::ConnectionRefused
}

/// A socket for both versions of IP shows IPv4 addresses in IPv6 clothes.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// A panic elsewhere leaves these values whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tap::record::{Clock, Named, Only, Rules, Sink, What};
    use crate::tap::{Kind, dialogue::letter};
    use crossbeam_channel::{Receiver, Sender, unbounded};

    const PATIENCE: Duration = Duration::from_secs(10);

    struct Told(Sender<String>);

    impl Sink for Told {
        fn seen(&mut self, _: Duration, conversation: usize, what: &What) -> io::Result<()> {
            let text = match what {
                What::Event(Kind::Data(from, octets), _) => format!("{from:?} {}", octets.len()),
                What::Event(Kind::Reset(from), _) => format!("{from:?} gone"),
                What::End => "end".into(),
                _ => return Ok(()),
            };
            self.0.send(format!("{} {text}", letter(conversation))).map_err(io::Error::other)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn finish(&mut self, _: Duration, _: &[String]) -> io::Result<()> {
            Ok(())
        }
    }

    fn socket() -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
        socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
        socket
    }

    /// A relay to `upstream`, for as long as `scene` takes; what was recorded.
    fn relayed(
        upstream: SocketAddr,
        limits: &Limits,
        scene: impl FnOnce(SocketAddr, &Receiver<String>),
    ) -> Vec<String> {
        let (tell, told) = unbounded();
        let sinks: Vec<Named> = vec![("told".into(), Box::new(Told(tell)))];
        let rules = Rules { limit: u64::MAX, only: Only::default() };
        let recorder = Recorder::start(rules, Clock::start(), sinks).expect("thread");
        let (socket, stop) = (socket(), Context::new());
        let address = socket.local_addr().expect("address");
        thread::scope(|s| {
            let relay = s.spawn(|| carry(&socket, upstream, limits, &recorder, &stop));
            scene(address, &told);
            stop.cancel();
            relay.join().expect("join").expect("carry");
        });
        assert!(recorder.finish(PATIENCE).is_empty());
        told.iter().collect()
    }

    fn limits() -> Limits {
        Limits { idle: PATIENCE, conversations: 8 }
    }

    fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
        let mut buffer = vec![0; LONGEST];
        let (n, from) = socket.recv_from(&mut buffer).expect("datagram");
        buffer.truncate(n);
        (buffer, from)
    }

    /// Two clients, each with its own answers; the longest datagram, and an empty one.
    #[test]
    fn each_client_gets_its_answers() {
        let server = socket();
        let told = relayed(server.local_addr().expect("address"), &limits(), |relay, _| {
            let clients = [socket(), socket()];
            let asked: Vec<(Vec<u8>, SocketAddr)> = clients
                .iter()
                .zip([65_507, 0])
                .map(|(client, n)| {
                    client.send_to(&vec![n as u8; n], relay).expect("send");
                    receive(&server)
                })
                .collect();
            assert_eq!((asked[0].0.len(), asked[1].0.len()), (65_507, 0));
            assert_ne!(asked[0].1, asked[1].1, "a port for each client");
            server.send_to(b"to B", asked[1].1).expect("send");
            server.send_to(b"", asked[0].1).expect("send");
            assert_eq!(receive(&clients[1]), (b"to B".to_vec(), relay));
            assert_eq!(receive(&clients[0]), (Vec::new(), relay));
        });
        for line in ["A Client 65507", "B Client 0", "B Server 4", "A Server 0", "A end", "B end"] {
            assert!(told.iter().any(|l| l == line), "{line}: {told:?}");
        }
    }

    /// The server's port is closed: its host says so, and the record does.
    #[test]
    fn a_closed_port_is_told() {
        let nobody = socket().local_addr().expect("address");
        relayed(nobody, &limits(), |relay, told| {
            let client = socket();
            client.send_to(b"ahoy", relay).expect("send");
            let lines: Vec<String> = told.iter().take(2).collect();
            assert_eq!(lines, ["A Client 4", "A Server gone"]);
        });
    }

    /// Who says nothing is forgotten, and is a new client when it comes again.
    #[test]
    fn a_silent_client_is_forgotten() {
        let server = socket();
        let limits = Limits { idle: Duration::from_millis(30), conversations: 1 };
        relayed(server.local_addr().expect("address"), &limits, |relay, told| {
            let client = socket();
            for letter in ["A", "B"] {
                client.send_to(b"ahoy", relay).expect("send");
                receive(&server);
                let lines: Vec<String> = told.iter().take(2).collect();
                assert_eq!(lines, [format!("{letter} Client 4"), format!("{letter} end")]);
            }
        });
    }

    /// One more than may be: what it sends is dropped, and the others do not notice.
    #[test]
    fn there_is_room_for_so_many() {
        let server = socket();
        let limits = Limits { idle: PATIENCE, conversations: 1 };
        relayed(server.local_addr().expect("address"), &limits, |relay, _| {
            let (first, second) = (socket(), socket());
            first.send_to(b"first", relay).expect("send");
            second.send_to(b"second", relay).expect("send");
            first.send_to(b"third", relay).expect("send");
            assert_eq!(receive(&server).0, b"first");
            assert_eq!(receive(&server).0, b"third");
        });
    }
}
