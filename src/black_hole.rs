//! A port on which a connect neither succeeds nor fails: what deadlines and cancels are for, without a network.
//!
//! An "unroutable" address would not do. Whether 10.0.0.1 answers is up to the network one sits in, and some networks
//! answer for every address. Here a listener never accepts and has room for one. The kernel drops each further SYN, as
//! it does for a server that is overrun; the client sends it again after 1 s, 3 s, 7 s … and hears nothing (listen(2)).

use crate::context::{Context, Ready};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// A connect on loopback that took longer than this was not answered.
const SILENCE: Duration = Duration::from_millis(50);
/// Linux has room for one when asked for none. Other systems round a queue of zero up, to 128 and more.
const MOST: usize = 1024;

/// A listener on 127.0.0.1 with a full queue. Dropping it closes the port, and pending connects are then refused.
#[derive(Debug)]
pub struct BlackHole {
    address: SocketAddr,
    _listener: Socket,
    _parked: Vec<Socket>,
}

impl BlackHole {
    /// Opens the port and fills its queue.
    ///
    /// # Errors
    /// When no socket is left, or the queue does not fill.
    pub fn open() -> io::Result<Self> {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        listener.listen(0)?;
        let unknown = || io::Error::other("a listener without an address");
        let address = listener.local_addr()?.as_socket().ok_or_else(unknown)?;
        let mut parked = Vec::new();
        while parked.len() < MOST {
            let (socket, answered) = knock(address)?;
            parked.push(socket);
            // The first is always let in. If it was not seen to be, this machine is slow, and silence proves nothing.
            if !answered && parked.len() > 1 {
                return Ok(Self { address, _listener: listener, _parked: parked });
            }
        }
        Err(io::Error::other("the queue of a listener did not fill"))
    }

    /// Where not to expect an answer.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Starts a connect; says whether it was over within [`SILENCE`].
fn knock(address: SocketAddr) -> io::Result<(Socket, bool)> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Ok(()) => Ok((socket, true)),
        Err(e) if e.raw_os_error() == Some(libc::EINPROGRESS) => {
            let over = Context::new().with_timeout(SILENCE).wait_writable(&socket)? == Ready::Socket;
            Ok((socket, over))
        }
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    /// Neither accepted nor refused, however often one knocks.
    #[test]
    fn nobody_answers() {
        let hole = BlackHole::open().expect("open");
        for _ in 0..3 {
            let e = TcpStream::connect_timeout(&hole.address(), Duration::from_millis(20)).expect_err("silence");
            assert_eq!(e.kind(), io::ErrorKind::TimedOut);
        }
    }
}
