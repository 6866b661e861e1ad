//! Messages with descriptors: sendmsg(2) and recvmsg(2) with `SCM_RIGHTS` (cmsg(3)).
//!
//! A wrapper that refuses a message whose control part was cut (`MSG_CTRUNC`) loses the descriptors that did arrive: they are
//! open, and nobody knows their numbers. So they are taken over here before anything is said about the message.

use crate::unix::pass::MOST;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Octets that are aligned as a `cmsghdr` must be. There is room for 512 descriptors: macOS lets a peer send twice as many as
/// Linux does, and where the room is too small, it loses those that are left over.
type Control = [u64; ROOM];
const ROOM: usize = 260;

/// Sends octets and descriptors in one message.
///
/// # Errors
/// As sendmsg(2).
#[allow(unsafe_code)]
pub fn send(socket: BorrowedFd<'_>, octets: &[u8], handed: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let numbers: Vec<RawFd> = handed.iter().take(MOST).map(AsRawFd::as_raw_fd).collect();
    let mut control: Control = [0; ROOM];
    let mut part = libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() };
    // SAFETY: all fields of a `msghdr` are numbers and pointers, for which zero is a value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    if !numbers.is_empty() {
        let size = size_of_val(numbers.as_slice());
        message.msg_control = control.as_mut_ptr().cast();
        // SAFETY: `control` has room for the header and `MOST` numbers (checked by a test), so `CMSG_FIRSTHDR` gives its start, and
        // `size` octets fit behind the header.
        unsafe {
            message.msg_controllen = libc::CMSG_SPACE(size as u32) as _;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(size as u32) as _;
            std::ptr::copy_nonoverlapping(numbers.as_ptr().cast::<u8>(), libc::CMSG_DATA(header), size);
        }
    }
    // SAFETY: `message` points to `part` and `control`, which live until the call is over; the kernel only reads them.
    uninterrupted(|| unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, NO_SIGNAL) })
}

/// Reads octets and takes over every descriptor that came along. `true`: some are missing.
///
/// # Errors
/// As recvmsg(2).
#[allow(unsafe_code)]
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>, bool)> {
    let mut control: Control = [0; ROOM];
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: as in `send`.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of::<Control>() as _;
    // SAFETY: the kernel writes at most `buffer.len()` octets into `buffer` and `size_of::<Control>()` into `control`.
    let came = uninterrupted(|| unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, CLOSE_ON_EXEC) })?;
    // SAFETY: the kernel has just filled `message` and `control`.
    let descriptors = unsafe { adopt(&message) };
    descriptors.iter().for_each(close_on_exec);
    Ok((came, descriptors, message.msg_flags & libc::MSG_CTRUNC != 0))
}

/// A signal ends a call on a socket that has a timeout, whatever the handler asked for (signal(7)): it is made again.
fn uninterrupted(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    loop {
        match call() {
            result if result >= 0 => return Ok(result.cast_unsigned()),
            _ => match io::Error::last_os_error() {
                e if e.kind() == io::ErrorKind::Interrupted => {}
                e => return Err(e),
            },
        }
    }
}

/// Takes over the descriptors of a message.
///
/// # Safety
/// `message` must come from recvmsg(2), with its control part still there, and be asked once: each number has one owner.
#[allow(unsafe_code)]
unsafe fn adopt(message: &libc::msghdr) -> Vec<OwnedFd> {
    let mut found = Vec::new();
    // SAFETY: the headers lie in the control part (the caller's word), each is as long as it says, and behind an
    // `SCM_RIGHTS` stand numbers of descriptors that the kernel opened for this process and nobody else knows.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            if ((*header).cmsg_level, (*header).cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
                let octets = (*header).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                let numbers = libc::CMSG_DATA(header).cast::<RawFd>();
                for i in 0..octets / size_of::<RawFd>() {
                    found.push(OwnedFd::from_raw_fd(numbers.add(i).read_unaligned()));
                }
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    found
}

#[cfg(target_os = "linux")]
const NO_SIGNAL: libc::c_int = libc::MSG_NOSIGNAL;
/// Rust programs ignore SIGPIPE from their first line on.
#[cfg(not(target_os = "linux"))]
const NO_SIGNAL: libc::c_int = 0;

#[cfg(target_os = "linux")]
const CLOSE_ON_EXEC: libc::c_int = libc::MSG_CMSG_CLOEXEC;
#[cfg(not(target_os = "linux"))]
const CLOSE_ON_EXEC: libc::c_int = 0;

/// Where recvmsg(2) cannot set the flag. Another thread may start a program in between.
#[cfg(not(target_os = "linux"))]
fn close_on_exec(fd: &OwnedFd) {
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    let _ = fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
}
#[cfg(target_os = "linux")]
fn close_on_exec(_: &OwnedFd) {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The room that the safety of `send` and `receive` rests on.
    #[test]
    #[allow(unsafe_code)]
    fn there_is_room_for_all() {
        for most in [MOST, 512] {
            let size = (most * size_of::<RawFd>()) as u32;
            // SAFETY: CMSG_SPACE only computes.
            assert!(unsafe { libc::CMSG_SPACE(size) } as usize <= size_of::<Control>());
        }
        assert_eq!(align_of::<Control>() % align_of::<libc::cmsghdr>(), 0);
    }

    /// An interrupted call is made again; another error is not.
    #[test]
    fn a_signal_is_no_answer() {
        use nix::errno::Errno;
        let mut answers = vec![7, -1, -1];
        let interrupted = || {
            Errno::EINTR.set();
            answers.pop().expect("asked too often")
        };
        assert_eq!(uninterrupted(interrupted).expect("the third"), 7);
        let refused = || {
            Errno::ECONNREFUSED.set();
            -1
        };
        assert_eq!(uninterrupted(refused).expect_err("no").kind(), io::ErrorKind::ConnectionRefused);
    }
}
