//! Sequenced packets: a connection, as a stream has, whose reads give what one write sent, as a datagram's do (socket(2),
//! `SOCK_SEQPACKET`). std has no type for it. Linux has it, macOS has not. Other systems that have it do not tell an empty
//! packet from the end.

use super::stream::Client;
use super::{Access, Bound, Kind, Name, file};
use crate::deadline::Timeouts;
use crate::listen::Accept;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, RecvMsg, recvmsg};
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{self, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A connection that keeps packets apart. Reading it as a stream gives one packet a read: what does not fit is thrown away.
#[derive(Debug)]
pub struct Packets(Socket);

/// What a read of a [`Packets`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// One packet. It may be empty.
    Packet {
        /// Octets in the buffer.
        len: usize,
        /// Octets that the packet had; more than `len` when the buffer was too short, and the rest is gone.
        whole: usize,
    },
    /// The peer has closed, or shut its direction down.
    End,
}

impl Packets {
    /// Connects. The server's queue may be full; then this waits as long as `limit`.
    ///
    /// # Errors
    /// As connect(2): `ConnectionRefused` when nobody listens, `EPROTOTYPE` when the file is a socket of another kind.
    pub fn connect(to: &Name, limit: Duration) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).map_err(explain)?;
        // For a Unix socket, the send timeout is connect's as well (unix_stream_connect waits for it).
        socket.set_write_timeout(Some(limit))?;
        socket.connect(&to.address()?)?;
        socket.set_write_timeout(None)?;
        Self::new(socket)
    }

    /// Two ends of one connection, without a name.
    ///
    /// # Errors
    /// As socketpair(2).
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).map_err(explain)?;
        Ok((Self::new(a)?, Self::new(b)?))
    }

    /// A read of no octets is an empty packet or the end, and read(2) does not say which. The sender's credentials come with
    /// every packet, when they are asked for, and with no end.
    fn new(socket: Socket) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        socket.set_passcred(true)?;
        Ok(Self(socket))
    }

    /// Takes the next packet and says whether it fitted. Waits as long as the read timeout says; a signal does not end it.
    ///
    /// # Errors
    /// As recvmsg(2).
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        let room = buffer.len();
        #[cfg(target_os = "linux")]
        let mut credentials = nix::cmsg_space!(libc::ucred);
        #[cfg(not(target_os = "linux"))]
        let mut credentials = Vec::new();
        let mut parts = [IoSliceMut::new(buffer)];
        let fd = self.0.as_raw_fd();
        let (whole, is_from_somebody) = loop {
            match recvmsg::<()>(fd, &mut parts, Some(&mut credentials), MsgFlags::MSG_TRUNC) {
                // Also without a handler: of a program that was stopped and goes on (Ctrl-Z, then fg; signal(7)).
                Err(Errno::EINTR) => {}
                other => break other.map(|message| (message.bytes, is_from_somebody(&message)))?,
            }
        };
        match whole {
            0 if !is_from_somebody => Ok(Received::End),
            _ => Ok(Received::Packet { len: whole.min(room), whole }),
        }
    }

    /// Sends one packet: all of it, or nothing.
    ///
    /// # Errors
    /// As send(2): `BrokenPipe` when the peer has closed, `EMSGSIZE` when it is longer than the send buffer.
    pub fn send(&self, octets: &[u8]) -> io::Result<()> {
        loop {
            match self.0.send(octets) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map(drop),
            }
        }
    }

    /// Shuts a direction, or both, down.
    ///
    /// # Errors
    /// As shutdown(2).
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}

/// The system's own text, *protocol not supported*, does not say what it is about.
fn explain(e: io::Error) -> io::Error {
    match e.raw_os_error() {
        Some(libc::EPROTONOSUPPORT | libc::ESOCKTNOSUPPORT) => {
            io::Error::new(io::ErrorKind::Unsupported, "this system has no sequenced packets (SOCK_SEQPACKET)")
        }
        _ => e,
    }
}

#[cfg(target_os = "linux")]
fn is_from_somebody(message: &RecvMsg<()>) -> bool {
    use nix::sys::socket::ControlMessageOwned::ScmCredentials;
    // Where the room was too small, somebody passed descriptors along, and the kernel has closed them.
    message.cmsgs().map_or(true, |mut found| found.any(|control| matches!(control, ScmCredentials(_))))
}

#[cfg(not(target_os = "linux"))]
fn is_from_somebody(_: &RecvMsg<()>) -> bool {
    false
}

impl AsFd for Packets {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Timeouts for Packets {
    fn read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        self.0.set_read_timeout(limit)
    }
    fn write_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        self.0.set_write_timeout(limit)
    }
}

impl Read for &Packets {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buffer)
    }
}

impl Write for &Packets {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        (&self.0).write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits for connections that keep packets apart.
#[derive(Debug)]
pub struct Listener {
    bound: Bound<Socket>,
    clients: AtomicU64,
}

/// Listens; see [`file::bind`].
///
/// # Errors
/// As [`file::bind`]; `Unsupported` where the system has no such sockets.
pub fn listen(name: &Name, access: &Access) -> io::Result<Listener> {
    let bound = file::bind(Kind::Seqpacket, name, access).map_err(explain)?;
    Ok(bound.into())
}

impl From<Bound<Socket>> for Listener {
    fn from(bound: Bound<Socket>) -> Self {
        Self { bound, clients: AtomicU64::new(0) }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bound.as_fd()
    }
}

impl Accept for Listener {
    type Stream = Packets;
    type Peer = Client;

    fn accept_one(&self) -> io::Result<(Packets, Client)> {
        let (socket, _) = self.bound.socket.accept()?;
        socket.set_nonblocking(false)?;
        Ok((Packets::new(socket)?, Client(self.clients.fetch_add(1, Relaxed) + 1)))
    }

    fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        SockRef::from(&self.bound.socket).set_nonblocking(on)
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    /// Packets stay apart, empty ones and cut ones too, and the end is none of them.
    #[test]
    fn packets_and_the_end() {
        let (ours, theirs) = Packets::pair().expect("pair");
        for octets in [&b"ping"[..], b"", b"", b"longer than it"] {
            ours.send(octets).expect("send");
        }
        drop(ours);
        let mut buffer = [0; 6];
        let got: Vec<_> = (0..6).map(|_| theirs.receive(&mut buffer).expect("receive")).collect();
        let packet = |len, whole| Received::Packet { len, whole };
        assert_eq!(got, [packet(4, 4), packet(0, 0), packet(0, 0), packet(6, 14), Received::End, Received::End]);
        assert_eq!(theirs.send(b"late").expect_err("gone").kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_system_without_them_is_told_in_words() {
        let e = explain(io::Error::from_raw_os_error(libc::EPROTONOSUPPORT));
        assert_eq!((e.kind(), e.to_string().contains("no sequenced packets")), (io::ErrorKind::Unsupported, true));
        let other = explain(io::Error::from_raw_os_error(libc::EACCES));
        assert_eq!(other.kind(), io::ErrorKind::PermissionDenied);
    }

    /// What was sent before the server accepted is told from the end as well.
    #[test]
    fn over_a_name() {
        let folder = tempfile::tempdir().expect("folder");
        let name = Name::Path(folder.path().join("harbour.sock"));
        let listener = listen(&name, &Access::default()).expect("listen");
        let client = Packets::connect(&name, Duration::from_secs(10)).expect("connect");
        client.send(b"").expect("send");
        drop(client);
        let (server, who) = listener.accept_one().expect("accept");
        assert_eq!(who.to_string(), "unix client 1");
        assert_eq!(server.receive(&mut [0; 4]).expect("packet"), Received::Packet { len: 0, whole: 0 });
        assert_eq!(server.receive(&mut [0; 4]).expect("end"), Received::End);
    }
}
