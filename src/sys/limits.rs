//! Resource limits of this process (getrlimit(2)).

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io;

/// Raises the soft limit on open descriptors to the hard limit, as a server for many clients should, and returns it.
/// The soft limit is low (often 1,024) only for programs that still use select(2).
///
/// # Errors
/// When the limit cannot be read. One that cannot be raised is returned as it is.
pub fn raise_descriptors() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_or(soft, |()| hard))
}
