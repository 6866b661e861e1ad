//! Whom a connection is handed to, or accepted from.

use netkata::unix::accounts;
use netkata::unix::credentials::{self, Peer};
use nix::unistd::geteuid;
use std::io;
use std::os::fd::AsFd;

/// The file's permissions say who may connect; an abstract name has none, and anybody may have taken it first. So both ends
/// ask the kernel who the other is, as of connect(2) or listen(2). Root may do anything anyhow.
///
/// # Errors
/// `PermissionDenied` for another user's process; as getsockopt(2).
pub fn check(peer: &impl AsFd, any_user: bool) -> io::Result<Peer> {
    let found = credentials::of(peer)?;
    if any_user || found.uid == geteuid().as_raw() || found.uid == 0 {
        return Ok(found);
    }
    let why = format!("a process of user {} is not trusted without --any-user", accounts::user_name(found.uid));
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}
