//! recvmsg(2) for datagrams of Unix sockets: how long the datagram was, and who sent it, if that socket has a name.
//!
//! std's `recv_from` does not say whether a datagram was cut, and a wrapper that expects an address panics at a sender that has
//! none: for such a one, the kernel gives an address of no length.

use socket2::SockAddr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Takes one datagram; gives the octets in the buffer, those that the datagram had (or one more than the buffer, where the system
/// does not say), and the sender's address.
///
/// # Errors
/// As recvmsg(2).
#[allow(unsafe_code)]
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, usize, SockAddr)> {
    let room = buffer.len();
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: room };
    let mut cut = false;
    // SAFETY: `try_init` gives room for any address, and asks for its family and length to be written there, which is what the
    // kernel does. All fields of a `msghdr` are numbers and pointers, for which zero is a value. The kernel writes at most
    // `room` octets into `buffer`.
    let (came, from) = unsafe {
        SockAddr::try_init(|storage, length| {
            let mut message: libc::msghdr = std::mem::zeroed();
            message.msg_name = storage.cast();
            message.msg_namelen = *length;
            message.msg_iov = &raw mut part;
            message.msg_iovlen = 1;
            let came = libc::recvmsg(socket.as_raw_fd(), &raw mut message, WHOLE_LENGTH);
            if came < 0 {
                return Err(io::Error::last_os_error());
            }
            if message.msg_namelen == 0 {
                (*storage.cast::<libc::sockaddr>()).sa_family = libc::AF_UNIX as libc::sa_family_t;
                message.msg_namelen = size_of::<libc::sa_family_t>() as libc::socklen_t;
            }
            *length = message.msg_namelen;
            cut = message.msg_flags & libc::MSG_TRUNC != 0;
            Ok(came.cast_unsigned())
        })?
    };
    let len = came.min(room);
    Ok((len, if cut { came.max(room + 1) } else { len }, from))
}

/// With this flag, Linux says how long the datagram was, and not how much of it is in the buffer (recv(2)).
#[cfg(target_os = "linux")]
const WHOLE_LENGTH: libc::c_int = libc::MSG_TRUNC;
#[cfg(not(target_os = "linux"))]
const WHOLE_LENGTH: libc::c_int = 0;
