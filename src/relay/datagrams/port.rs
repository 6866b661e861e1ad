//! A UDP socket that never blocks, that tells which of our addresses a datagram was sent to, and whose port is closed.

use crate::datagram::{self, asked, refusal};
use nix::errno::Errno;
use nix::poll::PollFd;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// Datagrams wait here while this process is busy elsewhere; what does not fit is lost. The kernel cuts it to
/// `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 4 << 20;
pub(super) struct Port {
    socket: UdpSocket,
}

/// A datagram that came.
#[derive(Clone, Copy)]
pub(super) struct Came {
    pub(super) len: usize,
    pub(super) from: SocketAddr,
    /// Which address of ours it was sent to, where that is not plain.
    pub(super) here: Option<IpAddr>,
}

impl Port {
    pub(super) fn new(socket: UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER)?;
        let address = socket.local_addr()?;
        // A socket for all addresses answers from whichever the route prefers, and the client may have asked another.
        asked::ask(&socket, address)?;
        refusal::ask(&socket, address)?;
        Ok(Self { socket })
    }

    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// A socket of the same kind at another address.
    pub(super) fn another_at(&self, address: SocketAddr) -> io::Result<UdpSocket> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(SockRef::from(&self.socket).only_v6()?)?;
        }
        socket.bind(&address.into())?;
        Ok(socket.into())
    }

    /// The next datagram, if one is waiting.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Came>> {
        match datagram::receive(&self.socket, buffer) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            came => came.map(|came| Some(Came { len: came.len, from: came.from, here: came.to })),
        }
    }

    /// Sends it, from this address of ours if there are several. A full buffer drops it, as a full queue on the way does.
    pub(super) fn send(&self, octets: &[u8], to: SocketAddr, here: Option<IpAddr>) -> io::Result<()> {
        datagram::send_from(&self.socket, octets, to, here)
    }

    /// Who has said that nobody has the port that something of ours was sent to.
    pub(super) fn refusal(&self) -> Option<SocketAddr> {
        loop {
            match refusal::next(&self.socket)? {
                (e, to) if e.kind() == io::ErrorKind::ConnectionRefused => return Some(to),
                _ => {}
            }
        }
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// poll(2) until one of them is ready or the time is over, to the microsecond where the system can.
#[cfg(target_os = "linux")]
pub(super) fn wait(fds: &mut [PollFd<'_>], time: Option<Duration>) -> io::Result<()> {
    match nix::poll::ppoll(fds, time.map(Into::into), None) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn wait(fds: &mut [PollFd<'_>], time: Option<Duration>) -> io::Result<()> {
    use nix::poll::{PollTimeout, poll};
    // Rounded up, so that it never wakes just before and spins.
    let millis = time.map(|time| i32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX));
    let timeout = millis.map_or(PollTimeout::NONE, |ms| PollTimeout::try_from(ms).unwrap_or(PollTimeout::MAX));
    match poll(fds, timeout) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(e) => Err(e.into()),
    }
}
