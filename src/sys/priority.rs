//! The scheduling priority of a thread.

/// Lets other threads go first where there are fewer processors than work (nice(2)). A thread that records is worth less
/// than the one whose traffic it records.
///
/// On Linux each thread has a nice value of its own (setpriority(2), "C library/kernel differences"). Elsewhere it belongs
/// to the process, and nothing is changed.
pub fn yield_to_others() {
    #[cfg(target_os = "linux")]
    lower();
}

/// To be nicer is always allowed, so there is no error to report.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn lower() {
    const NICE: libc::c_int = 10;
    // SAFETY: the call takes three numbers and no pointers. Zero is the thread that calls.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    /// The thread that asked for it, and no other.
    #[test]
    fn one_thread_is_nicer() {
        let nice = || {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("proc");
            let fields: Vec<&str> = stat.rsplit(')').next().expect("name").split_whitespace().collect();
            fields[16].parse::<i32>().expect("nice")
        };
        let before = nice();
        let lowered = std::thread::spawn(move || {
            super::yield_to_others();
            nice()
        });
        assert!(lowered.join().expect("join") >= 10);
        assert_eq!(nice(), before);
    }
}
