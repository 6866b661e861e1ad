//! What was written to a socket and waits still: `ioctl(SIOCOUTQ)`, tcp(7) and unix(7). Linux only.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Octets of memory that the socket's send queue takes. Of a Unix socket that is whatever its peer has not read; of a TCP
/// socket, what the peer's kernel has not acknowledged. Zero means none; the unit differs.
///
/// # Errors
/// As ioctl(2); `Unsupported` on other systems than Linux.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
pub fn waiting(socket: &impl AsFd) -> io::Result<usize> {
    let mut octets: libc::c_int = 0;
    // SAFETY: the caller holds the socket open; the kernel writes one `c_int`, which lives until the call is over.
    let result = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut octets) };
    if result == 0 { Ok(usize::try_from(octets).unwrap_or(0)) } else { Err(io::Error::last_os_error()) }
}

/// As on Linux.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn waiting(socket: &impl AsFd) -> io::Result<usize> {
    let _ = socket.as_fd().as_raw_fd();
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    /// Nothing waits, then something, and nothing again once it was read.
    #[test]
    fn until_it_is_read() {
        let (mut ours, mut theirs) = UnixStream::pair().expect("pair");
        assert_eq!(waiting(&ours).expect("ioctl"), 0);
        ours.write_all(b"ahoy").expect("write");
        assert!(waiting(&ours).expect("ioctl") > 0);
        theirs.read_exact(&mut [0; 4]).expect("read");
        assert_eq!(waiting(&ours).expect("ioctl"), 0);
    }
}
