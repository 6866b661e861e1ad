//! "Port unreachable": what ICMP says about datagrams that were sent, for a socket that is not connected.
//!
//! RFC 1122, section 4.1.3.3, wants UDP to pass ICMP errors up. Linux does so for a connected socket by itself; for another one
//! it must be asked (ip(7), `IP_RECVERR`), and its error queue says whose refusal it was. Elsewhere the refusal is never
//! seen, and a timeout must do.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;

/// Asks for refusals.
#[cfg(target_os = "linux")]
pub(super) fn ask(socket: &impl AsFd, local: SocketAddr) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt};
    match local {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &true)?,
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &true)?,
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn ask(_: &impl AsFd, _: SocketAddr) -> io::Result<()> {
    Ok(())
}

/// Empties the error queue; says whether a refusal of `peer`'s was in it.
#[cfg(target_os = "linux")]
pub(super) fn is_about(socket: &UdpSocket, peer: SocketAddr) -> bool {
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
    use std::io::IoSliceMut;
    use std::os::fd::AsRawFd;
    let mut refused = false;
    let mut octets = [0; 4];
    let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
    loop {
        let mut parts = [IoSliceMut::new(&mut octets)];
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let Ok(entry) = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags) else {
            return refused;
        };
        // The address is the one that the refused datagram was for.
        let sent_to = entry.address.as_ref().and_then(crate::datagram::socket_address);
        let to_peer = sent_to.is_some_and(|to| (to.ip(), to.port()) == (peer.ip(), peer.port()));
        let is_refusal = |message| match message {
            ControlMessageOwned::Ipv4RecvErr(e, _) | ControlMessageOwned::Ipv6RecvErr(e, _) => {
                i32::try_from(e.ee_errno) == Ok(libc::ECONNREFUSED)
            }
            _ => false,
        };
        refused |= to_peer && entry.cmsgs().is_ok_and(|mut messages| messages.any(is_refusal));
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_about(_: &UdpSocket, _: SocketAddr) -> bool {
    false
}

/// Whether an error is the network's view of one moment (RFC 1122, section 4.2.3.9, calls them soft), or about another
/// datagram: what was sent may be lost, and is sent again in its time.
pub(super) fn is_soft(e: &io::Error) -> bool {
    use io::ErrorKind as K;
    crate::error::is_shortage(e)
        || matches!(
            e.kind(),
            K::ConnectionRefused | K::HostUnreachable | K::NetworkUnreachable | K::Interrupted | K::WouldBlock
        )
        || matches!(e.raw_os_error(), Some(libc::EMSGSIZE | libc::EPROTO | libc::EHOSTDOWN | libc::ENETDOWN))
}
