//! Which groups a client is in: three answers to one question.

use clap::ValueEnum;
use netkata::unix::accounts;
use netkata::unix::credentials::{self, Peer};
use std::fmt;
use std::io;
use std::os::unix::net::UnixStream;

/// Where a client's groups are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// The effective group of its process
    Gid,
    /// The groups of its user in passwd(5) and group(5)
    DbGroups,
    /// The effective and the supplementary groups of its process
    ProcessGroups,
}

impl Policy {
    // [groups]
    /// The groups that count. The kernel's word is of the process, as it was at connect(2): it may have been started with
    /// `sudo -g`, or before its user was put into a group. The database's word is of the user, as it is now.
    pub fn groups_of(self, client: &UnixStream, peer: Peer) -> io::Result<Vec<u32>> {
        match self {
            Policy::Gid => Ok(vec![peer.gid]),
            Policy::DbGroups => accounts::groups_of_user(peer.uid),
            Policy::ProcessGroups => credentials::groups_of(client),
        }
    }
    // [/groups]
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Policy::Gid => "gid",
            Policy::DbGroups => "db-groups",
            Policy::ProcessGroups => "process-groups",
        })
    }
}
