//! Listening on an address, and saying so on the first line of standard output.

use crate::addr::{Network, resolve_listen};
use crate::conn::{Conn, Peer};
use crate::endpoint::Endpoint;
use crate::error::{Attempt, NetError, Result};
use crate::unix::{Access, stream};
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt::Display;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

/// Connections that have finished their handshake wait here for accept(2). The kernel cuts this to
/// `net.core.somaxconn`. std asks for 128, which a burst of a few hundred clients overruns.
pub const BACKLOG: i32 = 4096;

/// Listens on TCP. See [`resolve_listen`] for what `address` may be; port 0 asks for any free port.
///
/// # Errors
/// `listen tcp://127.0.0.1:80: permission denied`, for the last address tried.
pub fn tcp(network: Network, address: &str) -> Result<TcpListener> {
    let candidates = resolve_listen(network, address)?;
    let mut failure = None;
    for candidate in candidates {
        match bind(network, candidate).attempt("listen", format_args!("tcp://{candidate}")) {
            Ok(listener) => return Ok(listener),
            Err(e) => failure = Some(e),
        }
    }
    Err(failure.unwrap_or_else(|| NetError::invalid("listen", address, "no address")))
}

fn bind(network: Network, address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Without it, the TIME_WAIT of yesterday's connections would keep a restarted server off its own port.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(network == Network::Tcp6)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Prints `listening on tcp://127.0.0.1:7007` and flushes, so that whoever started the program (a person, a script,
/// the grader) knows that it is ready and where, port 0 included.
///
/// # Errors
/// When standard output is closed.
pub fn announce(scheme: &str, address: impl Display) -> Result<()> {
    say_where(format_args!("{scheme}://{address}"))
}

/// Listens on TCP and announces it: the first two lines of most servers here.
///
/// # Errors
/// As [`tcp()`] and [`announce`].
pub fn tcp_announced(network: Network, address: &str) -> Result<TcpListener> {
    let listener = tcp(network, address)?;
    announce("tcp", listener.local_addr().attempt("listen", address)?)?;
    Ok(listener)
}

/// What an accept loop needs of a listener.
pub trait Accept: AsFd {
    /// A connection.
    type Stream: Send + 'static;
    /// Who it is from.
    type Peer: Display + Send + 'static;
    /// Takes the next connection.
    ///
    /// # Errors
    /// As accept(2).
    fn accept_one(&self) -> io::Result<(Self::Stream, Self::Peer)>;
    /// Whether [`Accept::accept_one`] returns at once when there is none.
    ///
    /// # Errors
    /// As fcntl(2).
    fn set_nonblocking(&self, on: bool) -> io::Result<()>;
}

impl Accept for TcpListener {
    type Stream = TcpStream;
    type Peer = SocketAddr;

    fn accept_one(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.accept()?;
        // Some systems let an accepted socket inherit the listener's non-blocking mode.
        stream.set_nonblocking(false)?;
        Ok((stream, peer))
    }

    fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        TcpListener::set_nonblocking(self, on)
    }
}

/// A listener for streams, TCP or Unix. Dropping it removes its socket file.
#[derive(Debug)]
pub enum Listener {
    /// On a TCP port.
    Tcp(TcpListener),
    /// On a socket file or an abstract name.
    Unix(stream::Listener),
}

/// Listens on `endpoint` and announces it.
///
/// # Errors
/// As [`tcp()`], and as bind(2) for socket files. UDP has no connections to accept, and is refused.
pub fn announced(endpoint: &Endpoint) -> Result<Listener> {
    announced_for(endpoint, &Access::default())
}

/// As [`announced`], with a socket file that has this mode and group.
///
/// # Errors
/// As [`announced`]; a TCP port has neither, and is refused when either is asked for.
pub fn announced_for(endpoint: &Endpoint, access: &Access) -> Result<Listener> {
    let invalid = |why: &str| Err(NetError::invalid("listen", endpoint.to_string(), why));
    match endpoint {
        Endpoint::Tcp(_) if access.is_given() => invalid("only a socket file has a mode and a group"),
        Endpoint::Tcp(address) => return tcp_announced(Network::Tcp, address).map(Listener::Tcp),
        Endpoint::Udp(_) => invalid("no streams over UDP"),
        Endpoint::Unix(name) => stream::listen(name, access).attempt("listen", endpoint).map(Listener::Unix),
    }
    .and_then(|listener| say_where(endpoint).map(|()| listener))
}

/// As [`announce`], for an address that is a URL already.
///
/// # Errors
/// As [`announce`].
pub fn say_where(endpoint: impl Display) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "listening on {endpoint}").and_then(|()| out.flush()).attempt("write", "standard output")
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Tcp(l) => l.as_fd(),
            Listener::Unix(l) => l.as_fd(),
        }
    }
}

impl Accept for Listener {
    type Stream = Conn;
    type Peer = Peer;

    fn accept_one(&self) -> io::Result<(Conn, Peer)> {
        match self {
            Listener::Tcp(l) => l.accept_one().map(|(stream, peer)| (Conn::Tcp(stream), Peer::Tcp(peer))),
            Listener::Unix(l) => l.accept_one().map(|(stream, client)| (Conn::Unix(stream), Peer::Unix(client.0))),
        }
    }

    fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        match self {
            Listener::Tcp(l) => TcpListener::set_nonblocking(l, on),
            Listener::Unix(l) => l.set_nonblocking(on),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A port has one listener: the second is told so.
    #[test]
    fn a_port_is_exclusive() {
        let first = tcp(Network::Tcp, "127.0.0.1:0").expect("bind");
        let address = first.local_addr().expect("address");
        assert_ne!(address.port(), 0);
        let e = tcp(Network::Tcp, &address.to_string()).expect_err("in use");
        assert_eq!(e.to_string(), format!("listen tcp://{address}: address already in use"));
    }

    /// `:0` answers on IPv4 and IPv6 where the machine has both.
    #[test]
    fn the_wildcard_takes_both_families() {
        let listener = tcp(Network::Tcp, ":0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        std::net::TcpStream::connect(("127.0.0.1", port)).expect("IPv4");
    }
}
