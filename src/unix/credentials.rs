//! Who is at the other end of a Unix connection, by the kernel's word and not by the peer's.
//!
//! They are those of connect(2), not of now: a process that changes its user afterwards, or hands its socket to another, is
//! still the one that connected.

use nix::errno::Errno;
use std::io;
use std::os::fd::AsFd;

/// The process that connected (unix(7), `SO_PEERCRED`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The process ID. `None` where the kernel does not say: on macOS, or when the process cannot be seen from here (in another
    /// PID namespace).
    pub pid: Option<i32>,
    /// The effective user ID.
    pub uid: u32,
    /// The effective group ID.
    pub gid: u32,
}

/// Asks the kernel who connected.
///
/// # Errors
/// As getsockopt(2); of a socket that is not connected, Linux gives the numbers of nobody.
#[cfg(target_os = "linux")]
pub fn of(socket: &impl AsFd) -> io::Result<Peer> {
    use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
    let found = retry(|| getsockopt(socket, PeerCredentials))?;
    Ok(Peer { pid: Some(found.pid()).filter(|pid| *pid > 0), uid: found.uid(), gid: found.gid() })
}

/// The groups that the process was a member of when it connected, its effective group first: what the kernel would ask when the
/// process opened a file. `SO_PEERGROUPS`, Linux 4.13.
///
/// # Errors
/// As getsockopt(2).
#[cfg(target_os = "linux")]
pub fn groups_of(socket: &impl AsFd) -> io::Result<Vec<u32>> {
    let mut groups = vec![of(socket)?.gid];
    groups.extend(crate::sys::peer_groups::of(socket)?);
    Ok(groups)
}

/// As on Linux, with `LOCAL_PEERCRED`.
///
/// # Errors
/// As getsockopt(2).
#[cfg(target_vendor = "apple")]
pub fn of(socket: &impl AsFd) -> io::Result<Peer> {
    use nix::sys::socket::{getsockopt, sockopt};
    let found = retry(|| getsockopt(socket, sockopt::LocalPeerCred))?;
    let pid = retry(|| getsockopt(socket, sockopt::LocalPeerPid)).ok().filter(|pid| *pid > 0);
    Ok(Peer { pid, uid: found.uid(), gid: found.groups()[0] })
}

/// As on Linux; sixteen groups at most.
///
/// # Errors
/// As getsockopt(2).
#[cfg(target_vendor = "apple")]
pub fn groups_of(socket: &impl AsFd) -> io::Result<Vec<u32>> {
    use nix::sys::socket::{getsockopt, sockopt};
    Ok(retry(|| getsockopt(socket, sockopt::LocalPeerCred))?.groups().to_vec())
}

/// POSIX lets a signal interrupt nearly every call.
fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return Ok(other?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::{getegid, geteuid, getgroups};
    use std::os::unix::net::UnixStream;

    /// Both ends of a pair are ours.
    #[test]
    fn of_ourselves() {
        let (socket, _other) = UnixStream::pair().expect("pair");
        let peer = of(&socket).expect("credentials");
        assert_eq!((peer.uid, peer.gid), (geteuid().as_raw(), getegid().as_raw()));
        assert_eq!(peer.pid, Some(std::process::id().cast_signed()));
        let groups = groups_of(&socket).expect("groups");
        assert_eq!(groups[0], peer.gid);
        let ours: Vec<u32> = getgroups().expect("getgroups").into_iter().map(|g| g.as_raw()).collect();
        assert_eq!(groups[1..], ours);
    }

    /// An interrupted call is made again; another error is not.
    #[test]
    fn a_signal_is_no_answer() {
        let mut answers = vec![Ok(7), Err(Errno::EINTR), Err(Errno::EINTR)];
        assert_eq!(retry(|| answers.pop().expect("asked too often")).expect("the third"), 7);
        assert!(retry::<()>(|| Err(Errno::EBADF)).is_err());
    }
}
