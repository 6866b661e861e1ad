//! The descriptors that this process was started with.

/// Keeps every open descriptor above standard error from the programs that this process will start, whoever opened it.
///
/// Rust opens all of its own with `O_CLOEXEC`. What a shell, an editor or a build server left open when it started this
/// process has no such flag: it would be passed on, take numbers below a child's limit, and keep connections open that
/// their owner has closed. Linux 5.11 and later; elsewhere nothing is changed.
pub fn keep_from_children() {
    #[cfg(target_os = "linux")]
    close_on_exec();
}

/// An older kernel refuses the flag, and the descriptors are passed on as before: there is no error to act upon.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn close_on_exec() {
    const FIRST: libc::c_uint = 3;
    // SAFETY: the call takes three numbers and no pointers. It closes nothing: it sets a flag that only execve(2) reads.
    unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs::File;
    use std::process::Command;

    /// A child does not find a descriptor that was passed on before.
    #[test]
    fn a_child_gets_three() {
        let file = File::open("/dev/null").expect("open");
        let inherited = nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_DUPFD(50)).expect("dup");
        let found = |fd: i32| {
            let status = Command::new("test").arg("-e").arg(format!("/proc/self/fd/{fd}")).status();
            status.expect("test(1)").success()
        };
        assert!(found(inherited), "dup(2) leaves the flag out");
        super::keep_from_children();
        assert!(!found(inherited));
    }
}
