//! "Port unreachable": what ICMP says about datagrams that were sent, for a socket that is not connected.
//!
//! RFC 1122, section 4.1.3.3, wants UDP to pass ICMP errors up. Linux does so for a connected socket by itself; another one
//! must ask (ip(7), `IP_RECVERR`), and finds in its error queue what was said, and about whom. Elsewhere a refusal is never
//! seen, and a timeout must do.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;

/// Asks for what ICMP says. `address` is an own one, or a peer's: it tells the version of IP.
///
/// # Errors
/// As setsockopt(2).
#[cfg(target_os = "linux")]
pub fn ask(socket: &impl AsFd, address: SocketAddr) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt};
    if address.is_ipv6() {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)?;
    }
    match setsockopt(socket, sockopt::Ipv4RecvErr, &true) {
        // A socket for both versions hears of both, where the kernel lets it.
        Err(e) if address.is_ipv4() => Err(e.into()),
        _ => Ok(()),
    }
}

/// The next thing that was said, and to whom the datagram had been sent that it is about. `None`: no more of them. A call
/// on the socket that fails, or `POLLERR`, says that there is something.
#[cfg(target_os = "linux")]
pub fn next(socket: &UdpSocket) -> Option<(io::Error, SocketAddr)> {
    use super::asked::Room;
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
    use std::io::IoSliceMut;
    use std::os::fd::AsRawFd;
    loop {
        // The datagram itself comes back, too, and is of no use.
        let (mut parts, mut room) = ([IoSliceMut::new(&mut [])], Room([0; 128]));
        // Not the queue of datagrams, but that of errors (recv(2)).
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let entry = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut room.0), flags).ok()?;
        let code = entry.cmsgs().ok()?.find_map(|told| match told {
            ControlMessageOwned::Ipv4RecvErr(e, _) | ControlMessageOwned::Ipv6RecvErr(e, _) => Some(e.ee_errno),
            _ => None,
        });
        let about = entry.address.as_ref().and_then(super::socket_address);
        if let (Some(code), Some(about)) = (code, about) {
            return Some((io::Error::from_raw_os_error(code.cast_signed()), about));
        }
    }
}

/// Nobody tells.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn ask(_: &impl AsFd, _: SocketAddr) -> io::Result<()> {
    Ok(())
}

/// Nobody tells.
#[cfg(not(target_os = "linux"))]
pub fn next(_: &UdpSocket) -> Option<(io::Error, SocketAddr)> {
    None
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::addr::Network;
    use crate::datagram::bind;
    use std::io::ErrorKind;
    use std::time::Duration;

    /// A socket that is not connected learns who refused, and from whom nothing is known.
    #[test]
    fn a_refusal_has_a_name() {
        let socket = bind(Network::Udp, "127.0.0.1:0").expect("bind");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
        ask(&socket, socket.local_addr().expect("address")).expect("ask");
        assert!(next(&socket).is_none());
        // The port stays taken, and lets nobody in but itself: it refuses.
        let nobody = bind(Network::Udp, "127.0.0.1:0").expect("bind");
        let address = nobody.local_addr().expect("address");
        nobody.connect(address).expect("connect");
        socket.send_to(b"ahoy", address).expect("send");
        let e = socket.recv_from(&mut [0; 8]).expect_err("refused");
        assert_eq!(e.kind(), ErrorKind::ConnectionRefused);
        let (e, about) = next(&socket).expect("told");
        assert_eq!((e.kind(), about), (ErrorKind::ConnectionRefused, address));
        assert!(next(&socket).is_none());
    }
}
