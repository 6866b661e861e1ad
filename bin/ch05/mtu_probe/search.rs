//! What this host takes, and what comes back of it.

use netkata::datagram;
use netkata::error::is_timeout;
use netkata::sys::path_mtu::never_split;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// What the datagrams carry, over and over: whoever sees one knows where it is from.
const FILLING: &[u8] = b"mtu_probe ";
/// Refusals of earlier datagrams that a send may report in place of its own result. Each probe causes one at the most.
const REFUSALS: usize = 64;

/// A socket for this peer alone, whose packets are never split.
pub fn socket_to(peer: SocketAddr) -> io::Result<UdpSocket> {
    let socket = datagram::connect_one(peer)?;
    never_split(&socket, peer.is_ipv6())?;
    Ok(socket)
}

/// Data of this length.
pub fn filling(len: usize) -> Vec<u8> {
    FILLING.iter().copied().cycle().take(len).collect()
}

// [search]
/// The longest data that this host sends to the peer unsplit: half of what is left, again and again, is tried.
pub fn longest(peer: SocketAddr, most: usize) -> io::Result<usize> {
    let (socket, data) = (socket_to(peer)?, filling(most));
    // A datagram of `fits` octets was taken, one of `fails` was not. Nothing at all always fits, and nothing is longer than `most`.
    let (mut fits, mut fails) = (0, most + 1);
    while fails - fits > 1 {
        let middle = fits + (fails - fits) / 2;
        match is_taken(&socket, &data[..middle])? {
            true => fits = middle,
            false => fails = middle,
        }
    }
    Ok(fits)
}
// [/search]

/// Whether this host takes a datagram. It fails with EMSGSIZE at once, before anything is sent.
fn is_taken(socket: &UdpSocket, data: &[u8]) -> io::Result<bool> {
    let mut refusals = 0;
    loop {
        match socket.send(data) {
            Ok(_) => return Ok(true),
            Err(e) if is_too_long(&e) => return Ok(false),
            // That is about an earlier datagram; this one was not sent.
            Err(e) if is_word_of_a_host(&e) && refusals < REFUSALS => refusals += 1,
            Err(e) => return Err(e),
        }
    }
}

/// EMSGSIZE: of a send, too long for the path as it is known; of a receive, a router has just made it known.
pub fn is_too_long(e: &io::Error) -> bool {
    e.raw_os_error() == Some(libc::EMSGSIZE)
}

/// The peer's host, or a router, answered a datagram over ICMP: nobody has the port, or nobody may.
fn is_word_of_a_host(e: &io::Error) -> bool {
    matches!(e.kind(), ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::PermissionDenied)
}

/// What came of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// The same octets.
    Echo,
    /// Others.
    Answer,
    /// Nobody has the port, says the peer's host.
    Refused,
    /// A router could not pass it on.
    TooLong,
    /// Nothing, in the time that was given.
    Nothing,
}

/// Sends one datagram of this length, and where nothing comes back, another: hosts may refuse no more than one in a second
/// (RFC 1812, section 4.3.2.8), and the search was fast.
pub fn send_again(peer: SocketAddr, len: usize, patience: Duration) -> io::Result<Reaction> {
    match send_once(peer, len, patience)? {
        Reaction::Nothing => send_once(peer, len, patience),
        reaction => Ok(reaction),
    }
}

/// From a port of its own, so that what comes back is about this one.
fn send_once(peer: SocketAddr, len: usize, patience: Duration) -> io::Result<Reaction> {
    let (socket, data) = (socket_to(peer)?, filling(len));
    if !is_taken(&socket, &data)? {
        // A router's word about an earlier datagram came before this one was sent.
        return Ok(Reaction::TooLong);
    }
    let until = Instant::now() + patience;
    let mut buffer = vec![0; len + 1];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Reaction::Nothing);
        }
        socket.set_read_timeout(Some(left))?;
        match socket.recv(&mut buffer) {
            Ok(n) if buffer[..n] == data => return Ok(Reaction::Echo),
            Ok(_) => return Ok(Reaction::Answer),
            Err(e) if is_too_long(&e) => return Ok(Reaction::TooLong),
            Err(e) if e.kind() == ErrorKind::ConnectionRefused => return Ok(Reaction::Refused),
            Err(e) if is_timeout(&e) || e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
