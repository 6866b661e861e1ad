//! What /proc tells of a server and its workers.

use std::io;

/// A number from /proc/PID/status; memory is in KiB there.
pub(crate) fn status(pid: u32, key: &str) -> io::Result<usize> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let value = text.lines().find_map(|l| l.strip_prefix(key)).and_then(|v| v.split_whitespace().next()?.parse().ok());
    value.ok_or_else(|| io::Error::other(format!("/proc/{pid}/status has no {key}")))
}

/// A process and those that it started, and those that they did.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let children = pids.filter(|child| status(*child, "PPid:").is_ok_and(|parent| parent == pid as usize));
    std::iter::once(pid).chain(children.flat_map(family)).collect()
}

/// Resident memory of a process and those it started, in octets. Kernel memory (socket buffers, kernel stacks) is not in
/// it; pages that they share count for each.
pub(crate) fn resident(pid: u32) -> io::Result<usize> {
    family(pid).into_iter().map(|pid| Ok(status(pid, "VmRSS:")? * 1024)).sum()
}
