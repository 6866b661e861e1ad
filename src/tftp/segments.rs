//! Many datagrams in one system call.
//!
//! Linux cuts one long message into datagrams of equal length by itself (udp(7), `UDP_SEGMENT`): it is looked at, routed and
//! filtered once, and not once for each block of a window. Where that is not to be had, they go one by one.

use std::io;
use std::net::{SocketAddr, UdpSocket};

/// The kernel cuts a message into so many datagrams at most.
const MOST: usize = 64;

/// Sends `octets` as datagrams of `stride` octets each; the last may be shorter.
///
/// # Errors
/// When the kernel does not do that, or not for datagrams of this length on this route. Then some may have gone.
#[cfg(target_os = "linux")]
pub(super) fn send(socket: &UdpSocket, octets: &[u8], stride: usize, to: SocketAddr) -> io::Result<()> {
    use crate::datagram::LONGEST_PAYLOAD;
    use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};
    use std::io::IoSlice;
    use std::os::fd::AsRawFd;
    let (segment, to) = (u16::try_from(stride).unwrap_or(u16::MAX), SockaddrStorage::from(to));
    let cut = [ControlMessage::UdpGsoSegments(&segment)];
    for message in octets.chunks(stride * MOST.min(LONGEST_PAYLOAD / stride).max(1)) {
        sendmsg(socket.as_raw_fd(), &[IoSlice::new(message)], &cut, MsgFlags::empty(), Some(&to))?;
    }
    Ok(())
}

/// As on Linux, where it can be done.
#[cfg(not(target_os = "linux"))]
pub(super) fn send(_: &UdpSocket, _: &[u8], _: usize, _: SocketAddr) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
