//! Users and groups as the log names them.

use netkata::unix::accounts::{group_name, user_name};
use netkata::unix::credentials::Peer;

/// So many of a client's groups are shown. A process may be in 65,536.
const SHOWN: usize = 8;

/// How they are shown.
pub struct Names {
    /// By number alone: a directory of users may be slow to answer, and a number has no two meanings.
    pub numeric: bool,
}

impl Names {
    /// `pid 812, user alma (1000), group users (100)`
    pub fn peer(&self, peer: Peer) -> String {
        let pid = peer.pid.map_or("unknown".into(), |pid| pid.to_string());
        format!("pid {pid}, user {}, group {}", self.one(peer.uid, user_name), self.one(peer.gid, group_name))
    }

    /// `users (100), staff (50)`
    pub fn groups(&self, groups: &[u32]) -> String {
        let mut shown: Vec<String> = groups.iter().take(SHOWN).map(|gid| self.one(*gid, group_name)).collect();
        match groups.len() {
            0 => return "no group".into(),
            n if n > SHOWN => shown.push(format!("{} more", n - SHOWN)),
            _ => {}
        }
        shown.join(", ")
    }

    /// Not every number has a name.
    fn one(&self, number: u32, name_of: fn(u32) -> String) -> String {
        let name = if self.numeric { String::new() } else { name_of(number) };
        if name.is_empty() || name == number.to_string() { number.to_string() } else { format!("{name} ({number})") }
    }
}
