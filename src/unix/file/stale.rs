//! Whether anybody still has a socket file.

use super::super::Name;
use crate::error::cause_text;
use socket2::{Domain, Socket, Type};
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// Whether the path is a socket file, not a link to one.
pub(super) fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket())
}

// [stale]
/// Whether a socket file has lost its socket: then a connect is refused.
///
/// The probe is a datagram socket, whatever the file was for. A live listener answers it with *wrong protocol type*
/// (`EPROTOTYPE`), and its owner sees nothing; a stream would have been a client. For a live datagram socket, a connect
/// is nothing that its owner sees either.
pub(in crate::unix) fn is_stale(path: &Path) -> io::Result<bool> {
    if !is_socket(path) {
        return Ok(false);
    }
    let probe = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    let refused = |e: io::Error| e.kind() == io::ErrorKind::ConnectionRefused;
    Ok(probe.connect(&Name::Path(path.into()).address()?).is_err_and(refused))
}
// [/stale]

/// Removes a stale file. In a folder with the sticky bit, as /tmp has it, only the file's owner may (unlink(2)).
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        // Somebody else has done it.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(|e| {
            let why = format!("address already in use: the file is stale, and may not be removed: {}", cause_text(&e));
            io::Error::new(io::ErrorKind::AddrInUse, why)
        }),
    }
}
