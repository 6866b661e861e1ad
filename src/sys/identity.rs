//! Another user, for the time of one call.
//!
//! On Linux, credentials belong to a thread (credentials(7)); it is the C library that changes them in all threads of a process
//! at once (nptl(7)). The system calls themselves change the thread that makes them. What that thread connects, opens or starts
//! meanwhile is done as that user, and by nobody else in the process.

use std::io;

/// A user and groups, by number: they need not have names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user ID: real, effective and saved.
    pub uid: u32,
    /// The group ID: real, effective and saved.
    pub gid: u32,
    /// The supplementary groups. They need not hold `gid`.
    pub groups: Vec<u32>,
}

impl Identity {
    /// A user who is in one group alone.
    pub fn new(uid: u32, gid: u32) -> Self {
        Self { uid, gid, groups: Vec::new() }
    }

    /// The same user, in these groups as well.
    pub fn with_groups(mut self, groups: impl Into<Vec<u32>>) -> Self {
        self.groups = groups.into();
        self
    }

    /// Runs `work` as this user, in a thread of its own. There is no way back to root, so the thread ends with it.
    ///
    /// # Errors
    /// As setresuid(2): `PermissionDenied` for whoever may not be somebody else; `InvalidInput` for a user whom this user
    /// namespace does not have (user_namespaces(7)). `Unsupported` elsewhere than on Linux.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        let in_thread = || become_for_good(self).map(|()| work());
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().spawn_scoped(scope, in_thread)?;
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

/// Whether this process may be any user it likes. It needs to be root, and not the root of a user namespace that has nobody else.
pub fn is_ours_to_change() -> bool {
    /// Far from the numbers that systems give to people.
    const ANYBODY: u32 = 59_999;
    Identity::new(ANYBODY, ANYBODY).with_groups([ANYBODY]).run(|| ()).is_ok()
}

/// The groups come first: whoever is not root any more may not choose them.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn become_for_good(identity: &Identity) -> io::Result<()> {
    let Identity { uid, gid, groups } = identity;
    // SAFETY: the kernel reads `len` numbers at the pointer, and keeps neither. Not setgroups(3), which changes every thread.
    check(unsafe { libc::syscall(calls::SETGROUPS, groups.len(), groups.as_ptr()) })?;
    // SAFETY: three numbers and no pointers. Not setresgid(3), which changes every thread.
    check(unsafe { libc::syscall(calls::SETRESGID, *gid, *gid, *gid) })?;
    // SAFETY: as above.
    check(unsafe { libc::syscall(calls::SETRESUID, *uid, *uid, *uid) })
}

#[cfg(target_os = "linux")]
fn check(result: libc::c_long) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
fn become_for_good(_: &Identity) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "a thread that is another user is for Linux only"))
}

/// On the oldest machines, the calls of these names take numbers of 16 bits.
#[cfg(all(target_os = "linux", any(target_arch = "x86", target_arch = "arm")))]
mod calls {
    pub(super) use libc::{SYS_setgroups32 as SETGROUPS, SYS_setresgid32 as SETRESGID, SYS_setresuid32 as SETRESUID};
}

#[cfg(all(target_os = "linux", not(any(target_arch = "x86", target_arch = "arm"))))]
mod calls {
    pub(super) use libc::{SYS_setgroups as SETGROUPS, SYS_setresgid as SETRESGID, SYS_setresuid as SETRESUID};
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use nix::unistd::{getegid, geteuid, getgroups};

    fn who() -> (u32, u32, Vec<u32>) {
        let groups = getgroups().expect("getgroups").into_iter().map(|g| g.as_raw()).collect();
        (geteuid().as_raw(), getegid().as_raw(), groups)
    }

    /// The thread is somebody else, and we are who we were. Whoever may not is told so.
    #[test]
    fn one_thread_is_somebody_else() {
        let before = who();
        let skipper = Identity::new(31_007, 31_008).with_groups([31_009, 31_010]);
        let inside = skipper.run(who);
        if is_ours_to_change() {
            assert_eq!(inside.expect("as root"), (31_007, 31_008, vec![31_009, 31_010]));
        } else {
            inside.expect_err("not root");
        }
        assert_eq!(who(), before);
        assert_eq!(std::thread::spawn(who).join().expect("join"), before, "a new thread is ours");
    }
}
