//! Keeping this process and the servers on one core, with taskset(1).

use super::memory::family;
use super::peers::Peer;
use std::process::{Command, Stdio};

/// Gives all of them their cores back when it is dropped.
pub(crate) struct Pinned {
    pids: Vec<u32>,
    before: String,
}

/// Says so when it cannot.
pub(crate) fn to_one_core(peers: &[&Peer]) -> Pinned {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let before =
        status.lines().find_map(|l| l.strip_prefix("Cpus_allowed_list:")).unwrap_or_default().trim().to_string();
    let core: String = before.chars().take_while(char::is_ascii_digit).collect();
    // A server's workers do the work.
    let servers = peers.iter().filter(|p| p.pid() != 0).flat_map(|p| family(p.pid()));
    let pids = servers.chain([std::process::id()]).collect();
    let pinned = Pinned { pids, before };
    if !pinned.set(&core) {
        println!("\nnot on one core (taskset failed): the figures for one connection mean little");
    }
    pinned
}

impl Pinned {
    /// New threads and processes inherit it.
    fn set(&self, cores: &str) -> bool {
        let pin = |pid: &&u32| {
            let mut taskset = Command::new("taskset");
            taskset.args(["--all-tasks", "--cpu-list", "--pid", cores, &pid.to_string()]);
            taskset.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
        };
        // All of them, even when one fails.
        self.pids.iter().filter(pin).count() == self.pids.len()
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.set(&self.before);
    }
}
