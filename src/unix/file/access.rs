//! Who may connect to a socket file: its mode and its group, with no moment in between at which others could.

use nix::fcntl::{AtFlags, OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, fchownat};
use socket2::Socket;
use std::io;
use std::path::Path;

/// The permissions of a socket file. To connect, or to send a datagram, a process needs to be allowed to *write* to the
/// file (unix(7), "Pathname socket ownership and permissions").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The permission bits. `None`: 0660 where a group is given, and what the umask leaves of 0777 else.
    pub mode: Option<u32>,
    /// The file's group, by its number. `None`: as every new file's.
    pub group: Option<u32>,
}

impl Access {
    /// Whether a mode or a group was asked for.
    pub fn is_given(&self) -> bool {
        self.mode.is_some() || self.group.is_some()
    }

    /// Runs `bind`, and sees to it that bind(2) makes a file that is its owner's alone.
    pub(super) fn guarded(&self, socket: &Socket, bind: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        if self.is_given() { for_the_owner_alone(socket, bind) } else { bind() }
    }

    /// Gives the file its group, then its mode: in the other order, the old group could connect for a moment.
    pub(super) fn grant(&self, path: &Path) -> io::Result<()> {
        if !self.is_given() {
            return Ok(());
        }
        let (handle, name) = hold(path)?;
        if let Some(group) = self.group {
            let whose = |e: nix::Error| match e {
                nix::Error::EPERM => io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    format!("permission denied: only a member of group {group}, or root, may give a file to it"),
                ),
                e => e.into(),
            };
            let flags = if name.is_empty() { AtFlags::AT_EMPTY_PATH } else { AtFlags::AT_SYMLINK_NOFOLLOW };
            fchownat(&handle, name.as_str(), None, Some(Gid::from_raw(group)), flags).map_err(whose)?;
        }
        set_mode(&handle, path, self.mode.unwrap_or(0o660))
    }
}

#[cfg(target_os = "linux")]
use linux::{for_the_owner_alone, hold, set_mode};
#[cfg(not(target_os = "linux"))]
use other::{for_the_owner_alone, hold, set_mode};

const OWNER_ALONE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);

#[cfg(target_os = "linux")]
mod linux {
    use super::*;
    use std::fs::{Permissions, set_permissions};
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::os::unix::fs::PermissionsExt;

    /// Linux takes the new file's mode from the socket itself, less the umask. (The umask alone would do as well; but it is the
    /// whole process's, and other threads make files too.)
    pub(super) fn for_the_owner_alone(socket: &Socket, bind: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        nix::sys::stat::fchmod(socket, OWNER_ALONE)?;
        bind()
    }

    /// A handle of the file itself: whoever may write to the folder could put another in its place, or a symbolic link.
    pub(super) fn hold(path: &Path) -> io::Result<(OwnedFd, String)> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok((open(path, flags, Mode::empty())?, String::new()))
    }

    /// fchmod(2) takes no such handle; its name below /proc does.
    pub(super) fn set_mode(handle: &OwnedFd, _: &Path, mode: u32) -> io::Result<()> {
        set_permissions(format!("/proc/self/fd/{}", handle.as_raw_fd()), Permissions::from_mode(mode))
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use super::*;
    use nix::sys::stat::{FchmodatFlags, fchmodat, umask};
    use std::os::fd::OwnedFd;

    /// By the umask, which is the whole process's: other threads make files with it meanwhile.
    pub(super) fn for_the_owner_alone(_: &Socket, bind: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let before = umask(Mode::from_bits_truncate(0o777) - OWNER_ALONE);
        let result = bind();
        umask(before);
        result
    }

    /// The folder, and the file's name in it.
    pub(super) fn hold(path: &Path) -> io::Result<(OwnedFd, String)> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok((open(super::super::folder_of(path), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?, name))
    }

    pub(super) fn set_mode(folder: &OwnedFd, path: &Path, mode: u32) -> io::Result<()> {
        let name = path.file_name().unwrap_or_default();
        let mode = Mode::from_bits_truncate(mode as nix::libc::mode_t);
        Ok(fchmodat(folder, name, mode, FchmodatFlags::NoFollowSymlink)?)
    }
}

/// Permission bits as chmod(1) takes them: octal, `660` or `0660`.
///
/// # Errors
/// Says what is wrong with it.
pub fn parse_mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 && !text.starts_with('+') => Ok(mode),
        _ => Err(format!("{text:?}: a mode is octal, from 000 to 777")),
    }
}
