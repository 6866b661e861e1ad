//! The groups of the process at the other end of a Unix socket: `SO_PEERGROUPS` (unix(7) does not name it yet; Linux 4.13).

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// The supplementary groups that the peer had when it connected. The kernel knows 65,536 of them at most.
///
/// # Errors
/// As getsockopt(2).
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
pub fn of(socket: &impl AsFd) -> io::Result<Vec<u32>> {
    let fd = socket.as_fd().as_raw_fd();
    let mut groups: Vec<libc::gid_t> = vec![0; 32];
    loop {
        let room = size_of::<libc::gid_t>() * groups.len();
        let mut size = room as libc::socklen_t;
        // SAFETY: the caller holds the socket open; the kernel writes at most `size` octets into `groups`, which has as many,
        // and then says in `size` how many they are, or would have been.
        let result = unsafe {
            libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERGROUPS, groups.as_mut_ptr().cast(), &raw mut size)
        };
        let found = size as usize / size_of::<libc::gid_t>();
        match result {
            0 => {
                groups.truncate(found);
                return Ok(groups);
            }
            // Too small: it has told how many there are.
            _ => match io::Error::last_os_error() {
                e if e.raw_os_error() == Some(libc::ERANGE) && found > groups.len() => groups.resize(found, 0),
                e if e.kind() == io::ErrorKind::Interrupted => {}
                e => return Err(e),
            },
        }
    }
}
