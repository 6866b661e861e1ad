//! Connections to one target, and an end to all of them at once.

use crate::addr::Network;
use crate::context::Context;
use crate::dial::Dialer;
use crate::endpoint::Endpoint;
use crate::error::{Attempt, NetError, Result};
use socket2::{Domain, SockAddr, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// With [`Target::spread`]: over so many addresses of this machine.
const SPREAD: usize = 16;

/// A server, its name looked up once: a resolver is no part of what is measured.
#[derive(Debug)]
pub struct Target {
    endpoint: Endpoint,
    addresses: Vec<SockAddr>,
    /// The address that answered last; the others are tried when it does not.
    chosen: AtomicUsize,
    spread: bool,
}

impl Target {
    /// Looks the name up within the context's time.
    ///
    /// # Errors
    /// As [`Dialer::candidates`], and for a path that fits no socket address.
    pub fn resolve(ctx: &Context, endpoint: &Endpoint) -> Result<Self> {
        let look_up = |network, text: &str| -> Result<Vec<SockAddr>> {
            let found = Dialer { network, ..Dialer::default() }.candidates(ctx, text)?;
            Ok(found.into_iter().map(SockAddr::from).collect())
        };
        let addresses = match endpoint {
            Endpoint::Tcp(text) => look_up(Network::Tcp, text)?,
            Endpoint::Udp(text) => look_up(Network::Udp, text)?,
            Endpoint::Unix(name) => vec![name.address().attempt("connect", endpoint)?],
        };
        Ok(Self { endpoint: endpoint.clone(), addresses, chosen: AtomicUsize::new(0), spread: false })
    }

    /// Connections go to several addresses of 127/8, each of which is this machine, when the target is one of them: short
    /// connections would use up the ports of one pair of addresses. The server must listen on all of them.
    #[must_use]
    pub fn spread(mut self) -> Self {
        let is_loopback = |a: &SockAddr| a.as_socket_ipv4().is_some_and(|a| a.ip().is_loopback());
        self.spread = self.addresses.first().is_some_and(is_loopback);
        self
    }

    /// The addresses to try for this connection, the likeliest first.
    fn candidates(&self, connection: u32) -> impl Iterator<Item = (usize, SockAddr)> {
        let first = self.chosen.load(Ordering::Relaxed);
        let around = (first..self.addresses.len()).chain(0..first);
        around.map(move |at| {
            let address = self.addresses[at].clone();
            match address.as_socket_ipv4() {
                Some(v4) if self.spread => {
                    let ip = Ipv4Addr::new(127, 0, 0, 1 + (connection as usize % SPREAD) as u8);
                    (at, SocketAddr::new(IpAddr::V4(ip), v4.port()).into())
                }
                _ => (at, address),
            }
        })
    }

    /// Where datagrams go.
    fn first(&self) -> io::Result<SocketAddr> {
        let first = self.addresses.first().and_then(SockAddr::as_socket);
        first.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no address"))
    }
}

/// The sockets of all connections, so that one call ends whatever they wait for.
#[derive(Debug)]
pub struct Links {
    open: Vec<Mutex<Option<Arc<Socket>>>>,
    cut: AtomicBool,
}

impl Links {
    /// Room for so many connections.
    pub fn new(connections: usize) -> Self {
        Self { open: (0..connections).map(|_| Mutex::default()).collect(), cut: AtomicBool::new(false) }
    }

    /// Whether [`Links::cut`] was called: what fails from then on is no fault of the server.
    pub fn is_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst)
    }

    /// Shuts all sockets down. Reads, writes and connects that are blocked return at once, and later ones fail.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        for link in &self.open {
            if let Some(socket) = &*link.lock().unwrap_or_else(PoisonError::into_inner) {
                // A socket that is not connected says so, and wakes its readers all the same.
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
    }

    fn keep(&self, connection: u32, socket: Option<Arc<Socket>>) {
        if let Some(place) = self.open.get(connection as usize) {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = socket;
        }
    }

    /// Closes a connection, as soon as its lane has let go of it as well.
    pub fn close(&self, connection: u32) {
        self.keep(connection, None);
    }

    /// Connects a stream, within `timeout` for each address. Reads and writes of the socket have the same limit.
    ///
    /// # Errors
    /// `connect tcp://127.0.0.1:9: connection refused`, of the last address.
    pub fn stream(&self, target: &Target, connection: u32, timeout: Duration) -> Result<Arc<Socket>> {
        let mut failure = NetError::invalid("connect", target.endpoint.to_string(), "no address");
        for (at, address) in target.candidates(connection) {
            let name = address.as_socket().map_or_else(|| target.endpoint.to_string(), |a| format!("tcp://{a}"));
            match self.stream_to(&address, connection, timeout).attempt("connect", name) {
                Ok(socket) => {
                    target.chosen.store(at, Ordering::Relaxed);
                    return Ok(socket);
                }
                Err(e) => failure = e,
            }
        }
        self.close(connection);
        Err(failure)
    }

    fn stream_to(&self, address: &SockAddr, connection: u32, timeout: Duration) -> io::Result<Arc<Socket>> {
        let socket = Arc::new(Socket::new(address.domain(), Type::STREAM, None)?);
        if address.domain() != Domain::UNIX {
            // A request that is one small write must not wait for an acknowledgement (Nagle, RFC 896).
            socket.set_tcp_nodelay(true)?;
        }
        socket.set_read_timeout(Some(timeout))?;
        // socket(7): SO_SNDTIMEO limits connect(2), too.
        socket.set_write_timeout(Some(timeout))?;
        self.keep(connection, Some(socket.clone()));
        if self.is_cut() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        match socket.connect(address) {
            Err(e) if e.raw_os_error() == Some(libc::EINPROGRESS) => return Err(io::ErrorKind::TimedOut.into()),
            other => other?,
        }
        let itself = address.as_socket_ipv4().is_some_and(|a| a.ip().is_loopback())
            && socket.local_addr()?.as_socket() == address.as_socket();
        if itself {
            // Both ends are this one socket (RFC 9293 section 3.5, simultaneous open): nobody listens there.
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(socket)
    }

    /// A UDP socket of its own for a connection, and where its datagrams go. It is not connected, so that datagrams of
    /// others are seen, and told from answers.
    ///
    /// # Errors
    /// When descriptors or ports have run out.
    pub fn datagrams(&self, target: &Target, connection: u32, timeout: Duration) -> Result<(UdpSocket, SocketAddr)> {
        let open = || {
            let peer = target.first()?;
            let socket = Socket::new(Domain::for_address(peer), Type::DGRAM, None)?;
            report_errors(&socket, peer)?;
            socket.set_read_timeout(Some(timeout))?;
            let any: SocketAddr = if peer.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
            socket.bind(&any.into())?;
            self.keep(connection, Some(Arc::new(socket.try_clone()?)));
            Ok((socket.into(), peer))
        };
        open().attempt("open", &target.endpoint)
    }
}

/// Linux tells a socket that is not connected about ICMP's "port unreachable" only when asked to (ip(7), IP_RECVERR).
#[cfg(target_os = "linux")]
fn report_errors(socket: &Socket, peer: SocketAddr) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt};
    match peer {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &true)?,
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &true)?,
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn report_errors(_: &Socket, _: SocketAddr) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::black_hole::BlackHole;
    use std::io::Read;
    use std::net::TcpListener;
    use std::thread;

    fn target(address: impl ToString) -> Target {
        let endpoint = address.to_string().parse().expect("endpoint");
        Target::resolve(&Context::new(), &endpoint).expect("resolve")
    }

    /// Whatever the lanes wait for, a connect or an answer, a cut ends.
    #[test]
    fn a_cut_ends_all_of_them() {
        let hole = BlackHole::open().expect("open");
        let silent = TcpListener::bind("127.0.0.1:0").expect("bind");
        let links = Links::new(3);
        let (nobody, quiet) = (target(hole.address()), target(silent.local_addr().expect("address")));
        let patience = Duration::from_secs(60);
        let connected = links.stream(&quiet, 1, patience).expect("connect");
        let udp = target(format!("udp://{}", silent.local_addr().expect("address")));
        let (datagrams, _) = links.datagrams(&udp, 2, patience).expect("open");
        thread::scope(|s| {
            let connecting = s.spawn(|| links.stream(&nobody, 0, patience).map(drop));
            let reading = s.spawn(|| (&*connected).read(&mut [0]));
            let receiving = s.spawn(|| datagrams.recv(&mut [0]).is_ok_and(|n| n > 0));
            while links.open[0].lock().expect("lock").is_none() {
                thread::yield_now();
            }
            while !(connecting.is_finished() && reading.is_finished() && receiving.is_finished()) {
                links.cut();
                thread::yield_now();
            }
            assert!(connecting.join().expect("join").is_err());
            assert_eq!(reading.join().expect("join").expect("read"), 0);
            assert!(!receiving.join().expect("join"));
        });
        assert!(links.stream(&quiet, 1, patience).is_err(), "and nothing begins afterwards");
    }

    /// Nobody answers: the timeout ends it.
    #[test]
    fn a_connect_has_a_limit() {
        let hole = BlackHole::open().expect("open");
        let e = Links::new(1).stream(&target(hole.address()), 0, Duration::from_millis(20)).expect_err("nobody");
        assert!(e.is_timeout(), "{e}");
    }
}
