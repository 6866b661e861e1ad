//! Connecting: every address of a name, one budget of time, and a cancel that is felt at once.
//!
//! `TcpStream::connect` waits as long as the kernel likes (two minutes and more), and cannot be interrupted.
//! `connect_timeout` takes one address. Here a socket connects without blocking, and poll(2) waits for the end of the
//! attempt and for the context together.

use crate::addr::{Network, resolve};
use crate::conn::Conn;
use crate::context::{Cause, Context, Ready};
use crate::endpoint::Endpoint;
use crate::error::{Attempt, NetError, Result};
use crate::unix::connect;
use crossbeam_channel::{bounded, select};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

/// Runs before each connect(2), with the socket and where it is about to go. An error ends the attempt.
pub type Control = dyn Fn(&Socket, SocketAddr) -> io::Result<()> + Send + Sync;

/// How to connect.
#[derive(Default)]
pub struct Dialer {
    /// Which addresses of a name may be used.
    pub network: Network,
    /// A hook before each connect(2): set a socket option, count, refuse. Its time counts against the deadline; it is
    /// not interrupted.
    pub control: Option<Box<Control>>,
}

/// Connects to `address` within the context's time.
///
/// # Errors
/// As [`Dialer::dial`].
pub fn dial(ctx: &Context, address: &str) -> Result<TcpStream> {
    Dialer::default().dial(ctx, address)
}

/// Connects to `address` within `timeout`.
///
/// # Errors
/// As [`Dialer::dial`].
pub fn dial_timeout(address: &str, timeout: Duration) -> Result<TcpStream> {
    dial(&Context::new().with_timeout(timeout), address)
}

/// Connects a stream to `endpoint`, TCP or Unix, within the context's time.
///
/// # Errors
/// As [`Dialer::dial`]. UDP has no streams, and is refused.
pub fn endpoint(ctx: &Context, endpoint: &Endpoint) -> Result<Conn> {
    match endpoint {
        Endpoint::Tcp(address) => return dial(ctx, address).map(Conn::Tcp),
        Endpoint::Udp(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "no streams over UDP")),
        Endpoint::Unix(name) => connect::stream(ctx, name).map(Conn::Unix),
    }
    .attempt("connect", endpoint)
}

impl Dialer {
    /// Looks the name up and tries its addresses in the resolver's order. What is left of the deadline is shared out
    /// evenly, so that a silent first address leaves time for the second.
    ///
    /// # Errors
    /// The last address's failure; `operation was canceled` or a timeout when the context ended first.
    pub fn dial(&self, ctx: &Context, address: &str) -> Result<TcpStream> {
        let peer = || format!("tcp://{address}");
        ctx.check().map_err(|cause| NetError::new("connect", peer(), cause.into()))?;
        let candidates = self.candidates(ctx, address)?;
        let mut failure = None;
        for (tried, &candidate) in candidates.iter().enumerate() {
            match self.dial_one(&share(ctx, candidates.len() - tried), candidate) {
                Ok(stream) => return Ok(stream),
                Err(e) => failure = Some(e),
            }
            ctx.check().map_err(|cause| NetError::new("connect", peer(), cause.into()))?;
        }
        Err(failure.unwrap_or_else(|| NetError::invalid("connect", peer(), "no address")))
    }

    /// The addresses of a name, in the resolver's order, which puts the likeliest to work first (RFC 6724).
    ///
    /// # Errors
    /// As [`resolve`], and the context's cause when it ends before the resolver has answered.
    pub fn candidates(&self, ctx: &Context, address: &str) -> Result<Vec<SocketAddr>> {
        resolve_within(ctx, self.network, address)
    }

    /// Connects to one address.
    ///
    /// # Errors
    /// `connect tcp://127.0.0.1:9: connection refused`, or the context's cause.
    pub fn dial_one(&self, ctx: &Context, address: SocketAddr) -> Result<TcpStream> {
        self.attempt(ctx, address).attempt("connect", format_args!("tcp://{address}"))
    }

    fn attempt(&self, ctx: &Context, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if let Some(control) = &self.control {
            control(&socket, address)?;
        }
        ctx.check()?;
        connect(ctx, &socket, &address.into())?;
        let stream = TcpStream::from(socket);
        if stream.local_addr()? == address {
            // The port we were given for our own end is the one we called, so the SYN met the socket that sent it: two
            // ends that open at once (RFC 9293 section 3.5). It proves that nobody listens there.
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(stream)
    }
}

/// connect(2) that the context can end.
fn connect(ctx: &Context, socket: &Socket, address: &SockAddr) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    match socket.connect(address) {
        Ok(()) => {}
        // The SYN is on its way. POLLOUT tells that the attempt is over; SO_ERROR tells how.
        Err(e) if e.raw_os_error() == Some(libc::EINPROGRESS) => {
            if let Ready::Ended(cause) = ctx.wait_writable(socket)? {
                return Err(cause.into());
            }
            if let Some(e) = socket.take_error()? {
                return Err(e);
            }
        }
        Err(e) => return Err(e),
    }
    socket.set_nonblocking(false)
}

/// An equal part of the time that is left, for one of `parts` addresses.
pub fn share(ctx: &Context, parts: usize) -> Context {
    match ctx.remaining() {
        Some(left) if parts > 1 => ctx.with_timeout(left / u32::try_from(parts).unwrap_or(u32::MAX)),
        _ => ctx.clone(),
    }
}

/// getaddrinfo(3) has no deadline, so it runs in a thread of its own, which is left behind when the context ends: the
/// resolver's own limits end it soon after.
fn resolve_within(ctx: &Context, network: Network, address: &str) -> Result<Vec<SocketAddr>> {
    // An address in digits needs no resolver and no thread.
    if let Ok(literal) = address.parse::<SocketAddr>()
        && literal.port() != 0
        && network.admits(literal.ip())
    {
        return Ok(vec![literal]);
    }
    let (send, receive) = bounded(1);
    let asked = address.to_string();
    thread::Builder::new()
        .name("resolver".into())
        .spawn(move || {
            let _ = send.send(resolve(network, &asked));
        })
        .attempt("resolve", address)?;
    let ended = |cause: Cause| Err(NetError::new("resolve", address, cause.into()));
    select! {
        recv(receive) -> found => found.unwrap_or_else(|_| ended(Cause::Canceled)),
        recv(ctx.done()) -> _ => ended(ctx.cause().unwrap_or(Cause::Canceled)),
        recv(ctx.expiry()) -> _ => ended(ctx.cause().unwrap_or(Cause::DeadlineExceeded)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::black_hole::BlackHole;
    use std::net::TcpListener;
    use std::time::Instant;

    #[test]
    fn refused_names_the_peer() {
        // Bound and not listened on: nobody else can take the port meanwhile.
        let bound = Socket::new(Domain::IPV4, Type::STREAM, None).expect("socket");
        bound.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("bind");
        let address = bound.local_addr().expect("address").as_socket().expect("inet");
        let e = dial(&Context::new(), &address.to_string()).expect_err("nobody listens");
        assert_eq!(e.to_string(), format!("connect tcp://{address}: connection refused"));
        assert!(!e.is_timeout());
    }

    /// The deadline ends a connect that is waiting, at the deadline.
    #[test]
    fn the_deadline_holds() {
        let hole = BlackHole::open().expect("open");
        let ctx = Context::new().with_timeout(Duration::from_millis(50));
        let start = Instant::now();
        let e = dial(&ctx, &hole.address().to_string()).expect_err("nobody answers");
        assert!(e.is_timeout(), "{e}");
        assert_eq!(ctx.cause(), Some(Cause::DeadlineExceeded));
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    /// A cancel from another thread ends a connect that is waiting.
    #[test]
    fn a_cancel_is_felt() {
        let hole = BlackHole::open().expect("open");
        let ctx = Context::new();
        thread::scope(|s| {
            let dialling = s.spawn(|| dial(&ctx, &hole.address().to_string()));
            ctx.cancel();
            let e = dialling.join().expect("join").expect_err("cancelled");
            assert!(e.to_string().ends_with("operation was canceled"), "{e}");
        });
        assert_eq!(ctx.cause(), Some(Cause::Canceled));
    }

    /// The hook runs before connect(2) and can refuse; what it takes counts against the deadline.
    #[test]
    fn the_hook_can_refuse_and_its_time_counts() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address").to_string();
        let refuse =
            Dialer { control: Some(Box::new(|_, _| Err(io::ErrorKind::TimedOut.into()))), ..Dialer::default() };
        assert!(refuse.dial(&Context::new(), &address).expect_err("refused").is_timeout());

        let ctx = Context::new().with_timeout(Duration::from_millis(5));
        let wait = ctx.clone();
        let slow = Dialer {
            control: Some(Box::new(move |_, _| {
                let _ = wait.sleep(Duration::from_secs(60));
                Ok(())
            })),
            ..Dialer::default()
        };
        assert!(slow.dial(&ctx, &address).expect_err("late").is_timeout());
        assert_eq!(ctx.cause(), Some(Cause::DeadlineExceeded));
    }

    /// A client that is given the very port it calls reaches itself, and must not take that for a server.
    #[test]
    fn a_client_does_not_connect_to_itself() {
        let port = TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address");
        let dialer = Dialer { control: Some(Box::new(|socket, to| socket.bind(&to.into()))), ..Dialer::default() };
        let e = dialer.dial_one(&Context::new(), port).expect_err("nobody listens");
        assert_eq!(e.to_string(), format!("connect tcp://{port}: connection refused"));
    }

    /// A silent first address leaves time for the second.
    #[test]
    fn the_budget_is_shared() {
        let ctx = Context::new().with_timeout(Duration::from_secs(10));
        let part = share(&ctx, 2).remaining().expect("deadline");
        assert!(part <= Duration::from_secs(5) && part > Duration::from_secs(4), "{part:?}");
    }
}
