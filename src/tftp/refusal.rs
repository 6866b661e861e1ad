//! What the network says about a transfer's other side.

use crate::datagram::refusal;
use crate::error::is_shortage;
use std::io::{self, ErrorKind as K};
use std::net::{SocketAddr, UdpSocket};

/// Empties the error queue; says whether a refusal of `peer`'s was in it.
pub(super) fn is_about(socket: &UdpSocket, peer: SocketAddr) -> bool {
    let mut refused = false;
    while let Some((e, about)) = refusal::next(socket) {
        refused |= e.kind() == K::ConnectionRefused && (about.ip(), about.port()) == (peer.ip(), peer.port());
    }
    refused
}

/// Whether an error is the network's view of one moment (RFC 1122, section 4.2.3.9, calls them soft), or about another
/// datagram: what was sent may be lost, and is sent again in its time.
pub(super) fn is_soft(e: &io::Error) -> bool {
    is_shortage(e)
        || matches!(
            e.kind(),
            K::ConnectionRefused | K::HostUnreachable | K::NetworkUnreachable | K::Interrupted | K::WouldBlock
        )
        || matches!(e.raw_os_error(), Some(libc::EMSGSIZE | libc::EPROTO | libc::EHOSTDOWN | libc::ENETDOWN))
}
