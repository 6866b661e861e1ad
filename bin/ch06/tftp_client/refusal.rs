//! Who refused: on a socket that sends to several addresses, a refusal says nothing until one asks whom it is from.

use std::io;
use std::net::{SocketAddr, UdpSocket};

/// Lets ICMP's answers through to a socket that is not connected, where the system can tell whom they are about.
#[cfg(target_os = "linux")]
pub fn report(socket: &UdpSocket, server: SocketAddr) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt};
    // ip(7), IP_RECVERR: otherwise only a connected socket hears of them, and this one cannot be: the answer to the request
    // comes from a port that nobody knows yet.
    Ok(if server.is_ipv4() {
        setsockopt(socket, sockopt::Ipv4RecvErr, &true)
    } else {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)
    }?)
}

/// The next answer of ICMP: what it says, and to whom the datagram had been sent. `None`: no more of them.
#[cfg(target_os = "linux")]
pub fn next(socket: &UdpSocket) -> Option<(io::Error, SocketAddr)> {
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
    use std::io::IoSliceMut;
    use std::os::fd::AsRawFd;
    // Room for the error and for the address of the router that told it.
    let mut room = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
    let mut octets = [0; 8];
    let mut parts = [IoSliceMut::new(&mut octets)];
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut room), flags).ok()?;
    let code = message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4RecvErr(e, _) | ControlMessageOwned::Ipv6RecvErr(e, _) => Some(e.ee_errno),
        _ => None,
    })?;
    let about = message.address?;
    let about = about
        .as_sockaddr_in()
        .map(|a| SocketAddr::from((a.ip(), a.port())))
        .or_else(|| about.as_sockaddr_in6().map(|a| SocketAddr::from((a.ip(), a.port()))))?;
    Some((io::Error::from_raw_os_error(i32::try_from(code).ok()?), about))
}

#[cfg(not(target_os = "linux"))]
pub fn report(_: &UdpSocket, _: SocketAddr) -> io::Result<()> {
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub fn next(_: &UdpSocket) -> Option<(io::Error, SocketAddr)> {
    None
}
