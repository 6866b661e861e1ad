//! Who is let in: the groups that were named, and the judgement.

use crate::policy::Policy;
use netkata::error::cause_text;
use netkata::exit::log;
use netkata::unix::accounts::{group_id, group_name, user_name};
use netkata::unix::credentials::{self, Peer};
use std::os::unix::net::UnixStream;

/// So many of a denied client's groups are logged. A process may be in 65,536.
const LOGGED: usize = 8;

/// The groups that are let in, and how a client's are found.
pub struct Door {
    allowed: Vec<u32>,
    policy: Policy,
}

/// Whether a client is let in, and the line about it for the log.
pub struct Judgement {
    pub allowed: bool,
    pub line: String,
}

impl Door {
    /// Looks the groups up. What cannot be found lets nobody in, and is named.
    pub fn for_groups(names: &[String], policy: Policy) -> Self {
        let allowed: Vec<u32> = names.iter().filter_map(|name| find(name)).collect();
        match allowed.is_empty() {
            true => log("no group is left: nobody is allowed"),
            false => log(format_args!("allowed by {policy}: {}", list(&allowed))),
        }
        Self { allowed, policy }
    }

    /// Asks the kernel who the client is, and judges. Where there is no answer, nobody gets in.
    pub fn judge(&self, client: &UnixStream) -> Judgement {
        match credentials::of(client) {
            Ok(peer) => {
                let (allowed, why) = self.decide(client, peer);
                Judgement { allowed, line: format!("{}: {why}", describe(peer)) }
            }
            Err(e) => Judgement { allowed: false, line: format!("denied: no credentials: {}", cause_text(&e)) },
        }
    }

    // [decide]
    /// One group in common is enough. Every way that is not a yes is a no, the failed lookup included.
    fn decide(&self, client: &UnixStream, peer: Peer) -> (bool, String) {
        let policy = self.policy;
        let groups = match policy.groups_of(client, peer) {
            Ok(groups) => groups,
            Err(e) => return (false, format!("denied: {policy} cannot be asked: {}", cause_text(&e))),
        };
        match groups.iter().find(|group| self.allowed.contains(group)) {
            Some(group) => (true, format!("allowed by {policy}: {}", list(&[*group]))),
            None => (false, format!("denied by {policy}: {}", list(&groups))),
        }
    }
    // [/decide]
}

fn find(name: &str) -> Option<u32> {
    let why = match group_id(name) {
        Ok(Some(gid)) => return Some(gid),
        Ok(None) => "no such group".into(),
        Err(e) => cause_text(&e),
    };
    log(format_args!("group {name:?}: {why}; skipped"));
    None
}

/// `pid 812, user alma (1000), group users (100)`
fn describe(peer: Peer) -> String {
    let pid = peer.pid.map_or("unknown".into(), |pid| pid.to_string());
    format!("pid {pid}, user {}, group {}", with_name(peer.uid, user_name(peer.uid)), list(&[peer.gid]))
}

/// `users (100), staff (50)`
fn list(groups: &[u32]) -> String {
    let mut shown: Vec<String> = groups.iter().take(LOGGED).map(|gid| with_name(*gid, group_name(*gid))).collect();
    match groups.len() {
        0 => return "no group".into(),
        n if n > LOGGED => shown.push(format!("{} more", n - LOGGED)),
        _ => {}
    }
    shown.join(", ")
}

/// Not every number has a name.
fn with_name(number: u32, name: String) -> String {
    if name == number.to_string() { name } else { format!("{name} ({number})") }
}
