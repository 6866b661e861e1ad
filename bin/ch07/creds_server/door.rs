//! Who is let in: the groups that were named, and the judgement.

use crate::names::Names;
use crate::policy::Policy;
use netkata::error::cause_text;
use netkata::exit::log;
use netkata::unix::accounts::group_id;
use netkata::unix::credentials::{self, Peer};
use std::os::unix::net::UnixStream;

/// The groups that are let in, and how a client's are found.
pub struct Door {
    allowed: Vec<u32>,
    policy: Policy,
    names: Names,
}

/// Whether a client is let in, and the line about it for the log.
pub struct Judgement {
    pub allowed: bool,
    pub line: String,
}

impl Door {
    /// Looks the groups up. What cannot be found lets nobody in, and is named.
    pub fn for_groups(groups: &[String], policy: Policy, numeric: bool) -> Self {
        let names = Names { numeric };
        let allowed: Vec<u32> = groups.iter().filter_map(|name| find(name)).collect();
        match allowed.is_empty() {
            true => log("no group is left: nobody is allowed"),
            false => log(format_args!("allowed by {policy}: {}", names.groups(&allowed))),
        }
        Self { allowed, policy, names }
    }

    /// Asks the kernel who the client is, and judges. Where there is no answer, nobody gets in.
    pub fn judge(&self, client: &UnixStream) -> Judgement {
        match credentials::of(client) {
            Ok(peer) => {
                let (allowed, why) = self.decide(client, peer);
                Judgement { allowed, line: format!("{}: {why}", self.names.peer(peer)) }
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
            Some(group) => (true, format!("allowed by {policy}: {}", self.names.groups(&[*group]))),
            None => (false, format!("denied by {policy}: {}", self.names.groups(&groups))),
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
