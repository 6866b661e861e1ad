//! Datagrams: a socket that waits for them, one that talks to a single peer, and a receive that notices a cut.
//!
//! A UDP socket has no accept(2): every datagram brings its sender's address along. And what does not fit the buffer is
//! thrown away by the kernel, without a word unless it is asked (recv(2), `MSG_TRUNC`).

pub(crate) mod asked;
pub mod refusal;

pub use asked::{reply, send_from};

use crate::addr::{Network, resolve, resolve_listen};
use crate::context::{Context, Ready};
use crate::error::{self, Attempt, NetError, Result};
use crate::listen;
use nix::sys::socket::{MsgFlags, SockaddrStorage, recvmsg};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;

/// No datagram is longer: the length field has sixteen bits (RFC 768). Over IPv4 a payload is [`LONGEST_PAYLOAD`] at most.
pub const LONGEST: usize = 65_535;
/// The longest payload over IPv4: 65,535 octets less 20 for the IP header (RFC 791) and 8 for UDP's.
pub const LONGEST_PAYLOAD: usize = 65_507;

/// Binds a UDP socket. See [`resolve_listen`] for what `address` may be; port 0 asks for any free port.
///
/// # Errors
/// `listen udp://127.0.0.1:53: permission denied`, for the last address tried.
pub fn bind(network: Network, address: &str) -> Result<UdpSocket> {
    let mut failure = None;
    for candidate in resolve_listen(network, address)? {
        match bind_one(network, candidate).attempt("listen", format_args!("udp://{candidate}")) {
            Ok(socket) => return Ok(socket),
            Err(e) => failure = Some(e),
        }
    }
    Err(failure.unwrap_or_else(|| NetError::invalid("listen", address, "no address")))
}

fn bind_one(network: Network, address: SocketAddr) -> io::Result<UdpSocket> {
    // No SO_REUSEADDR here: on Linux it would let a second server take the port of a living one (socket(7)).
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(network == Network::Udp6)?;
    }
    asked::ask(&socket, address)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Binds a UDP socket and announces it: the first two lines of most datagram servers here.
///
/// # Errors
/// As [`bind`] and [`listen::announce`].
pub fn announced(network: Network, address: &str) -> Result<UdpSocket> {
    let socket = bind(network, address)?;
    listen::announce("udp", socket.local_addr().attempt("listen", address)?)?;
    Ok(socket)
}

/// A UDP socket for one peer: connect(2) sends nothing, it only tells the kernel whose datagrams to let through, and
/// whose refusals to report.
///
/// std binds first and connects then, and in between the socket takes datagrams from anybody. Here connect(2) picks the
/// port itself, so there is no such moment.
///
/// # Errors
/// As [`resolve`], and for the last address of a name that has no route.
pub fn connect(network: Network, address: &str) -> Result<UdpSocket> {
    let mut failure = None;
    for candidate in resolve(network, address)? {
        match connect_one(candidate).attempt("connect", format_args!("udp://{candidate}")) {
            Ok(socket) => return Ok(socket),
            Err(e) => failure = Some(e),
        }
    }
    Err(failure.unwrap_or_else(|| NetError::invalid("connect", address, "no address")))
}

/// As [`connect`], to one address.
///
/// # Errors
/// As socket(2) and connect(2).
pub fn connect_one(peer: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(peer), Type::DGRAM, Some(Protocol::UDP))?;
    socket.connect(&peer.into())?;
    Ok(socket.into())
}

/// The largest packet that the way to `peer` takes in one piece, in octets, headers included, as far as this machine knows
/// (ip(7), `IP_MTU`). `None` where the kernel does not tell. Nothing is sent.
#[cfg(target_os = "linux")]
pub fn route_mtu(peer: SocketAddr) -> Option<u32> {
    use nix::sys::socket::{getsockopt, sockopt};
    let socket = connect_one(peer).ok()?;
    // The option has IPv4 in its name, and Linux answers it for both versions.
    u32::try_from(getsockopt(&socket, sockopt::IpMtu).ok()?).ok()
}

/// As on Linux, where the kernel tells.
#[cfg(not(target_os = "linux"))]
pub fn route_mtu(_: SocketAddr) -> Option<u32> {
    None
}

/// A datagram that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Octets in the buffer.
    pub len: usize,
    /// Octets that the datagram had. More than [`Received::len`] when the buffer was too short; the rest is gone.
    /// Elsewhere than on Linux, the kernel does not say how many there were: then this is one more.
    pub whole: usize,
    /// Who sent it.
    pub from: SocketAddr,
    /// Which of this machine's addresses it was sent to, when the socket is bound to all of them. [`reply`] answers from there;
    /// a socket of its own for the answer is bound there.
    pub to: Option<IpAddr>,
}

impl Received {
    /// Whether a part was cut off.
    pub fn is_truncated(&self) -> bool {
        self.whole > self.len
    }
}

/// Takes the next datagram and says whether it fitted. Waits as long as the socket's read timeout says.
///
/// # Errors
/// As recvmsg(2). `ConnectionRefused` on a connected socket is about a datagram sent before: the peer's host said over
/// ICMP that nobody has the port (RFC 1122, section 4.1.3.3).
pub fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Received> {
    let room = buffer.len();
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = if cfg!(target_os = "linux") { MsgFlags::MSG_TRUNC } else { MsgFlags::empty() };
    let mut told = asked::Room([0; 128]);
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut told.0), flags)?;
    let len = message.bytes.min(room);
    let cut = message.flags.contains(MsgFlags::MSG_TRUNC);
    let from = message.address.as_ref().and_then(socket_address);
    // A connected socket may leave the sender out; it has only one.
    let from = from.map_or_else(|| socket.peer_addr(), Ok)?;
    let to = message.cmsgs()?.find_map(asked::told);
    Ok(Received { len, whole: if cut { message.bytes.max(room + 1) } else { len }, from, to })
}

/// The address in what the kernel fills in, if it is one of IP's.
pub fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|a| SocketAddr::V4(SocketAddrV4::new(a.ip(), a.port())));
    v4.or_else(|| {
        let a = storage.as_sockaddr_in6()?;
        Some(SocketAddr::V6(SocketAddrV6::new(a.ip(), a.port(), a.flowinfo(), a.scope_id())))
    })
}

/// Hands every datagram to `handle` until `stop` ends. What `handle` does is done before the next datagram is taken;
/// meanwhile others wait in the socket's receive buffer, and are lost when it is full.
///
/// # Errors
/// When the socket fails for good. A shortage of memory, or a refusal that came back, is no such failure.
pub fn serve(
    stop: &Context,
    socket: &UdpSocket,
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

/// Whether an error of a receive says nothing about the socket's health: readable(7) is not a promise (a datagram with a
/// wrong checksum is dropped when it is read), and a refusal is about a datagram that was sent before.
pub fn passes(e: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, Interrupted};
    error::is_timeout(e) || error::is_shortage(e) || matches!(e.kind(), ConnectionRefused | Interrupted)
}

/// A socket for both versions of IP shows IPv4 addresses in IPv6 clothes (RFC 4291, section 2.5.5.2).
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn loopback() -> UdpSocket {
        let socket = bind(Network::Udp, "127.0.0.1:0").expect("bind");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
        socket
    }

    /// A buffer that is too short loses the rest, and the receive says so. An empty datagram is a datagram.
    #[test]
    fn a_cut_is_noticed() {
        let (ship, quay) = (loopback(), loopback());
        let to = quay.local_addr().expect("address");
        let mut buffer = [0; 4];
        for (sent, len, whole) in [("tide", 4, 4), ("tides", 4, 5), ("", 0, 0), ("high water", 4, 10)] {
            ship.send_to(sent.as_bytes(), to).expect("send");
            let got = receive(&quay, &mut buffer).expect("receive");
            let whole = if cfg!(target_os = "linux") { whole } else { whole.min(5) };
            assert_eq!(got, Received { len, whole, from: ship.local_addr().expect("address"), to: None });
            assert_eq!(got.is_truncated(), whole > 4);
            assert_eq!(&buffer[..got.len], &sent.as_bytes()[..len]);
        }
    }

    /// Two servers cannot have one port, and a connected socket hears its peer alone.
    #[test]
    fn a_port_is_exclusive_and_a_peer_is_too() {
        let quay = loopback();
        let address = quay.local_addr().expect("address");
        let e = bind(Network::Udp, &address.to_string()).expect_err("in use");
        assert_eq!(e.to_string(), format!("listen udp://{address}: address already in use"));

        let ship = connect(Network::Udp, &address.to_string()).expect("connect");
        ship.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
        let to = ship.local_addr().expect("address");
        loopback().send_to(b"pardon me", to).expect("send");
        quay.send_to(b"tide", to).expect("send");
        let mut buffer = [0; 16];
        let got = receive(&ship, &mut buffer).expect("receive");
        assert_eq!((&buffer[..got.len], got.from), (b"tide".as_slice(), address));
    }

    /// A refusal is no reason to stop serving; the end of the context is.
    #[test]
    fn serving_ends_with_the_context() {
        let (ship, quay, stop) = (loopback(), loopback(), Context::new());
        for text in ["tide", "low water"] {
            ship.send_to(text.as_bytes(), quay.local_addr().expect("address")).expect("send");
        }
        let mut seen = Vec::new();
        serve(&stop, &quay, &mut [0; 64], |octets, _| {
            seen.push(octets.to_vec());
            if seen.len() == 2 {
                stop.cancel();
            }
        })
        .expect("serve");
        assert_eq!(seen, [b"tide".to_vec(), b"low water".to_vec()]);
    }
}
