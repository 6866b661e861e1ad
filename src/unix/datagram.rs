//! Datagrams between Unix sockets: a receive that notices a cut and names the sender, and a send that never waits.
//!
//! Nothing is lost, repeated or reordered on the way. But the receiver's queue is short (`net.unix.max_dgram_qlen`: 10 datagrams,
//! or 512 where systemd has set it), and where UDP would drop, a Unix socket lets the sender wait.
//!
//! What waits to be read lies in the *sender's* send buffer, whoever it is for. On Linux, the queue's limit does not hold for a
//! receiver that has itself connected to the sender: only that buffer limits what it leaves unread.

use super::Name;
use crate::context::{Context, Ready};
use crate::datagram::passes;
use crate::sys;
use socket2::{Domain, SockRef, Socket, Type};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;

/// A datagram that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Octets in the buffer.
    pub len: usize,
    /// Octets that the datagram had. More than [`Received::len`] when the buffer was too short; the rest is gone. Elsewhere
    /// than on Linux, the kernel does not say how many there were: then this is one more.
    pub whole: usize,
    /// Who sent it; `None` when that socket is not bound, so that nobody can answer it.
    pub from: Option<Name>,
}

impl Received {
    /// Whether a part was cut off.
    pub fn is_truncated(&self) -> bool {
        self.whole > self.len
    }
}

/// A datagram socket without a name, for one peer. Whoever wants answers needs a name: see [`super::file::datagrams`].
///
/// # Errors
/// As connect(2): `ConnectionRefused` when nobody has the file, `PermissionDenied` when it may not be written to.
pub fn connect(to: &Name) -> io::Result<UnixDatagram> {
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    socket.connect(&to.address()?)?;
    Ok(socket.into())
}

/// Takes the next datagram and says whether it fitted. Waits as long as the socket's read timeout says.
///
/// # Errors
/// As recvmsg(2).
pub fn receive(socket: &UnixDatagram, buffer: &mut [u8]) -> io::Result<Received> {
    let (len, whole, from) = sys::datagram::receive(socket.as_fd(), buffer)?;
    Ok(Received { len, whole, from: Name::of(&from) })
}

/// Sends one datagram, or none: when the receiver's queue or our send buffer is full, this fails with `WouldBlock` at once. A server that waited
/// there could be stopped by any client that asks and does not read.
///
/// # Errors
/// As sendto(2): `ConnectionRefused` when nobody has the file any more, `PermissionDenied` when it may not be written to,
/// `EMSGSIZE` when the datagram is longer than the socket's send buffer.
pub fn send_to(socket: &UnixDatagram, octets: &[u8], to: &Name) -> io::Result<usize> {
    SockRef::from(socket).send_to_with_flags(octets, &to.address()?, libc::MSG_DONTWAIT)
}

/// Hands every datagram to `handle` until `stop` ends.
///
/// # Errors
/// When the socket fails for good.
pub fn serve(
    stop: &Context,
    socket: &UnixDatagram,
    buffer: &mut [u8],
    mut handle: impl FnMut(&[u8], Received),
) -> io::Result<()> {
    while stop.wait_readable(socket)? == Ready::Socket {
        match receive(socket, buffer) {
            Ok(received) => handle(&buffer[..received.len], received),
            Err(e) if passes(&e) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Access;
    use super::super::file::datagrams;
    use super::*;

    fn pair() -> (tempfile::TempDir, super::super::Bound<UnixDatagram>, super::super::Bound<UnixDatagram>) {
        let folder = tempfile::tempdir().expect("folder");
        let bind = |file: &str| {
            let name = Name::Path(folder.path().join(file));
            datagrams(&name, &Access::default()).expect("bind")
        };
        let (server, client) = (bind("server.sock"), bind("client.sock"));
        (folder, server, client)
    }

    /// Empty ones, cut ones, and the name of who sent them.
    #[test]
    fn one_by_one() {
        let (_folder, server, client) = pair();
        for octets in [&b"ahoy"[..], b"", b"longer than the buffer"] {
            send_to(&client.socket, octets, &server.name).expect("send");
            let mut buffer = [0; 8];
            let got = receive(&server.socket, &mut buffer).expect("receive");
            assert_eq!((got.len, got.is_truncated()), (octets.len().min(8), octets.len() > 8));
            assert_eq!(got.from.as_ref(), Some(&client.name));
            #[cfg(target_os = "linux")]
            assert_eq!(got.whole, octets.len());
        }
        #[cfg(target_os = "linux")]
        {
            let name = Name::Abstract(format!("netkata-datagram-{}", std::process::id()).into_bytes());
            let bound = datagrams(&name, &Access::default()).expect("bind");
            send_to(&bound.socket, b"ahoy", &server.name).expect("send");
            assert_eq!(receive(&server.socket, &mut [0; 8]).expect("receive").from, Some(name));
        }
        let stranger = connect(&server.name).expect("connect");
        stranger.send(b"ahoy").expect("send");
        assert_eq!(receive(&server.socket, &mut [0; 8]).expect("receive").from, None);
    }

    /// A peer that does not read stops nobody; one that has gone is told of.
    #[test]
    fn a_send_never_waits() {
        let (_folder, server, client) = pair();
        let sent = (0..100_000).map_while(|_| send_to(&server.socket, b"tide", &client.name).ok()).count();
        assert!(sent > 0);
        let e = send_to(&server.socket, b"tide", &client.name).expect_err("full");
        assert!(crate::error::is_timeout(&e) || crate::error::is_shortage(&e), "{e}");
        let name = client.name.clone();
        drop(client);
        assert!(send_to(&server.socket, b"tide", &name).is_err());
    }
}
