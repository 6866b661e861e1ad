//! A UDP socket that never blocks, that tells which of our addresses a datagram was sent to, and whose port is closed.

use crate::datagram;
use nix::errno::Errno;
use nix::poll::PollFd;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

/// Datagrams wait here while this process is busy elsewhere; what does not fit is lost. The kernel cuts it to
/// `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Room for what recvmsg(2) tells besides the octets: an address of ours, or an error and who reported it (cmsg(3)).
#[repr(align(16))]
struct Control([u8; 256]);

pub(super) struct Port {
    socket: UdpSocket,
    /// It takes what is sent to any address of ours, so that its answers must say which.
    anywhere: bool,
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
        let anywhere = address.ip().is_unspecified();
        if anywhere {
            tell_our_address(&socket, address.is_ipv6())?;
        }
        tell_refusals(&socket, address.is_ipv6())?;
        Ok(Self { socket, anywhere })
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
        let mut parts = [IoSliceMut::new(buffer)];
        let mut control = Control([0; 256]);
        let room = self.anywhere.then_some(control.0.as_mut_slice());
        let message = match recvmsg::<SockaddrStorage>(self.socket.as_raw_fd(), &mut parts, room, MsgFlags::empty()) {
            Err(Errno::EAGAIN) => return Ok(None),
            other => other?,
        };
        let from = message.address.as_ref().and_then(datagram::socket_address);
        let from = from.ok_or_else(|| io::Error::other("a datagram without a sender"))?;
        let here = if self.anywhere { message.cmsgs()?.find_map(|told| our_address(&told)) } else { None };
        Ok(Some(Came { len: message.bytes, from, here }))
    }

    /// Sends it, from this address of ours if there are several. A full buffer drops it, as a full queue on the way does.
    pub(super) fn send(&self, octets: &[u8], to: SocketAddr, here: Option<IpAddr>) -> io::Result<()> {
        let Some(here) = here else { return self.socket.send_to(octets, to).map(drop) };
        let (parts, to) = ([IoSlice::new(octets)], SockaddrStorage::from(to));
        let fd = self.socket.as_raw_fd();
        let sent = match here {
            IpAddr::V4(ip) => {
                let source = libc::in_addr { s_addr: u32::from(ip).to_be() };
                let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: source };
                sendmsg(fd, &parts, &[ControlMessage::Ipv4PacketInfo(&info)], MsgFlags::empty(), Some(&to))
            }
            IpAddr::V6(ip) => {
                let source = libc::in6_addr { s6_addr: ip.octets() };
                let info = libc::in6_pktinfo { ipi6_addr: source, ipi6_ifindex: 0 };
                sendmsg(fd, &parts, &[ControlMessage::Ipv6PacketInfo(&info)], MsgFlags::empty(), Some(&to))
            }
        };
        Ok(sent.map(drop)?)
    }

    /// Who has said that nobody has the port that something of ours was sent to.
    #[cfg(target_os = "linux")]
    pub(super) fn refusal(&self) -> Option<SocketAddr> {
        loop {
            let mut parts = [IoSliceMut::new(&mut [])];
            let mut control = Control([0; 256]);
            // Not the queue of datagrams, but that of errors (recv(2), ip(7)).
            let message = recvmsg::<SockaddrStorage>(
                self.socket.as_raw_fd(),
                &mut parts,
                Some(&mut control.0),
                MsgFlags::MSG_ERRQUEUE,
            );
            let message = message.ok()?;
            let refused = message.cmsgs().ok()?.any(|told| match told {
                ControlMessageOwned::Ipv4RecvErr(e, _) | ControlMessageOwned::Ipv6RecvErr(e, _) => {
                    e.ee_errno.cast_signed() == libc::ECONNREFUSED
                }
                _ => false,
            });
            // The address is where the datagram was sent to.
            match message.address.as_ref().and_then(datagram::socket_address) {
                Some(to) if refused => return Some(to),
                _ => {}
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn refusal(&self) -> Option<SocketAddr> {
        None
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A socket for all addresses answers from whichever the route prefers, and the client may have asked another (ip(7),
/// `IP_PKTINFO`; RFC 3542, section 6).
fn tell_our_address(socket: &UdpSocket, v6: bool) -> io::Result<()> {
    Ok(if v6 {
        setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)
    } else {
        setsockopt(socket, sockopt::Ipv4PacketInfo, &true)
    }?)
}

/// A socket that is not connected hears of no refusal, unless it asks (ip(7), `IP_RECVERR`).
#[cfg(target_os = "linux")]
fn tell_refusals(socket: &UdpSocket, v6: bool) -> io::Result<()> {
    if v6 {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)?;
    }
    match setsockopt(socket, sockopt::Ipv4RecvErr, &true) {
        // A socket for both versions hears of both, where the kernel lets it.
        Err(e) if !v6 => Err(e.into()),
        _ => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn tell_refusals(_: &UdpSocket, _: bool) -> io::Result<()> {
    Ok(())
}

fn our_address(told: &ControlMessageOwned) -> Option<IpAddr> {
    let v4 = |address: libc::in_addr| Ipv4Addr::from(u32::from_be(address.s_addr));
    match told {
        // The first is not there for what came before it was asked for. The second may be a broadcast's.
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            let plain = |ip: &Ipv4Addr| !(ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast());
            [v4(info.ipi_spec_dst), v4(info.ipi_addr)].into_iter().find(plain).map(IpAddr::V4)
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            Some(IpAddr::from(info.ipi6_addr.s6_addr)).filter(|ip| !ip.is_multicast())
        }
        _ => None,
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
