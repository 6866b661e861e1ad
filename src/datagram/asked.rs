//! Answers that come from the address that was asked.
//!
//! A machine has several addresses, and a socket on the wildcard has them all. To a TCP client it answers from the one that
//! was called: that is part of the connection. To a UDP client the kernel answers from the address that the route back
//! would take, and that may be another. A client that is connected to the first does not let the second in.
//!
//! So the kernel must be asked to tell with each datagram which address it came to (`IP_PKTINFO` of ip(7),
//! `IPV6_RECVPKTINFO` of ipv6(7); RFC 3542, section 6.2), and to be told with the answer.

use super::Received;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, sendmsg, setsockopt, sockopt};
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};

/// Room for what the kernel tells of an address, for either version of IP, aligned as cmsg(3) wants it.
#[repr(align(8))]
pub(super) struct Room(pub [u8; 128]);

/// Asks the kernel to tell which address a datagram came to. A socket that is bound to one address knows.
pub(crate) fn ask(socket: &impl AsFd, bound: SocketAddr) -> io::Result<()> {
    if !bound.ip().is_unspecified() {
        return Ok(());
    }
    match bound {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?,
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?,
    }
    Ok(())
}

/// The address in what the kernel told. A multicast group is no address to answer from, and a broadcast none either: for
/// those, `ipi_spec_dst` is the interface's own. It is not there for what came before the kernel was asked.
pub(super) fn told(message: ControlMessageOwned) -> Option<IpAddr> {
    let v4 = |address: libc::in_addr| Ipv4Addr::from(address.s_addr.to_ne_bytes());
    match message {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            let plain = |ip: &Ipv4Addr| !(ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast());
            [v4(info.ipi_spec_dst), v4(info.ipi_addr)].into_iter().find(plain).map(IpAddr::V4)
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
            (!address.is_multicast()).then_some(IpAddr::V6(address))
        }
        _ => None,
    }
}

/// Sends an answer to who sent `question`, from the address that it was sent to.
///
/// # Errors
/// As sendmsg(2). None of them says anything about the next answer: a sender may be out of reach (`ENETUNREACH`), forbidden
/// (`EPERM`), or false (port 0), and an answer may be too long (`EMSGSIZE`).
pub fn reply(socket: &UdpSocket, octets: &[u8], question: &Received) -> io::Result<()> {
    send_from(socket, octets, question.from, question.to)
}

/// Sends a datagram, from this address of ours if there is a choice.
///
/// # Errors
/// As [`reply`].
pub fn send_from(socket: &UdpSocket, octets: &[u8], to: SocketAddr, from: Option<IpAddr>) -> io::Result<()> {
    let Some(from) = from else {
        return socket.send_to(octets, to).map(drop);
    };
    let (parts, to) = ([IoSlice::new(octets)], SockaddrStorage::from(to));
    let send = |control| sendmsg(socket.as_raw_fd(), &parts, &[control], MsgFlags::empty(), Some(&to));
    // The interface is left to the route.
    match from {
        IpAddr::V4(ip) => {
            let own = libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) };
            let any = libc::in_addr { s_addr: libc::INADDR_ANY };
            send(ControlMessage::Ipv4PacketInfo(&libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: own,
                ipi_addr: any,
            }))?
        }
        IpAddr::V6(ip) => {
            let own = libc::in6_addr { s6_addr: ip.octets() };
            send(ControlMessage::Ipv6PacketInfo(&libc::in6_pktinfo { ipi6_addr: own, ipi6_ifindex: 0 }))?
        }
    };
    Ok(())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::super::{bind, connect, receive};
    use super::*;
    use crate::addr::Network;
    use std::time::Duration;

    /// Asks `address` for an answer through a connected socket, which lets nobody else's in.
    fn asked(address: SocketAddr, quay: &UdpSocket) -> Option<IpAddr> {
        let ship = connect(Network::Udp, &address.to_string()).expect("connect");
        ship.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
        ship.send(b"berth?").expect("send");
        let mut buffer = [0; 16];
        let question = receive(quay, &mut buffer).expect("receive");
        assert_eq!(question.from.port(), ship.local_addr().expect("address").port());
        reply(quay, b"berth 4", &question).expect("reply");
        let got = receive(&ship, &mut buffer).expect("an answer from the address that was asked");
        assert_eq!(&buffer[..got.len], b"berth 4");
        question.to
    }

    /// On the wildcard, each of the machine's addresses answers for itself.
    #[test]
    fn the_address_that_was_asked_answers() {
        for (network, wildcard) in [(Network::Udp, "0.0.0.0:0"), (Network::Udp, "[::]:0"), (Network::Udp4, ":0")] {
            let quay = bind(network, wildcard).expect("bind");
            quay.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
            let port = quay.local_addr().expect("address").port();
            for ip in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 9, 9, 9)] {
                let to = asked((ip, port).into(), &quay).expect("the kernel tells");
                assert_eq!(to.to_canonical(), IpAddr::V4(ip), "{wildcard}");
            }
            if wildcard.starts_with('[') {
                let ip = Ipv6Addr::LOCALHOST;
                assert_eq!(asked((ip, port).into(), &quay), Some(IpAddr::V6(ip)));
            }
        }
    }

    /// A socket on one address needs not be told.
    #[test]
    fn one_address_is_no_question() {
        let quay = bind(Network::Udp, "127.0.0.2:0").expect("bind");
        assert_eq!(asked(quay.local_addr().expect("address"), &quay), None);
    }

    /// A broadcast comes to all, and one address answers: the interface's own.
    #[test]
    fn a_broadcast_is_no_sender() {
        let quay = bind(Network::Udp, "0.0.0.0:0").expect("bind");
        quay.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
        let ship = bind(Network::Udp, "127.0.0.1:0").expect("bind");
        ship.set_broadcast(true).expect("broadcast");
        let everybody = Ipv4Addr::new(127, 255, 255, 255);
        ship.send_to(b"fog", (everybody, quay.local_addr().expect("address").port())).expect("send");
        let question = receive(&quay, &mut [0; 16]).expect("receive");
        assert_eq!(question.to, Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        reply(&quay, b"understood", &question).expect("reply");
    }

    /// An answer to a false sender fails, and the socket goes on.
    #[test]
    fn a_sender_without_a_port_is_an_error_of_its_own() {
        let quay = bind(Network::Udp, "0.0.0.0:0").expect("bind");
        quay.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
        let port = quay.local_addr().expect("address").port();
        let nobody = Received { len: 0, whole: 0, from: "127.0.0.1:0".parse().expect("address"), to: None };
        assert!(reply(&quay, b"berth 4", &nobody).is_err());
        asked((Ipv4Addr::LOCALHOST, port).into(), &quay).expect("an answer");
    }
}
