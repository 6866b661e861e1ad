//! A file that has no name until it is whole.

use crate::cleanup::Cleanup;
use nix::sys::statvfs::fstatvfs;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

/// Octets that are kept until they are worth a system call.
const BUFFER: usize = 64 << 10;
/// A name has 255 octets at most (NAME_MAX), and some are needed for what is put around it.
const NAME: usize = 200;

/// `.NAME.part-…` beside the name that it is to get: rename(2) works within one file system, and there it is all or nothing.
pub struct PartFile {
    pub file: BufWriter<File>,
    place: PathBuf,
    replace: bool,
    cleanup: Cleanup,
}

impl PartFile {
    pub fn create(path: &Path, replace: bool, cleanup: &Cleanup) -> io::Result<Self> {
        // A symbolic link stays one: what it points to is replaced.
        let place = fs::canonicalize(path).unwrap_or_else(|_| path.into());
        let before = place.metadata().ok();
        match &before {
            Some(what) if what.is_dir() => return Err(io::Error::from_raw_os_error(libc::EISDIR)),
            Some(_) if !replace => return Err(io::Error::from_raw_os_error(libc::EEXIST)),
            _ => {}
        }
        let name = place.file_name().ok_or_else(|| io::Error::from_raw_os_error(libc::EISDIR))?.to_string_lossy();
        let (part, file) = loop {
            let chance: String = std::iter::repeat_with(fastrand::alphanumeric).take(6).collect();
            let short: String = name.chars().take(NAME / 4).collect();
            let part = place.with_file_name(OsString::from(format!(".{short}.part-{chance}")));
            match cleanup.create(&part) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                other => break (part, other?),
            }
        };
        let created = Self { file: BufWriter::with_capacity(BUFFER, file), place, replace, cleanup: cleanup.clone() };
        if let Some(before) = before {
            fs::set_permissions(&part, before.permissions())?;
        }
        Ok(created)
    }

    /// Octets that the file system has left for it.
    pub fn room(&self) -> u64 {
        fstatvfs(self.file.get_ref()).map_or(u64::MAX, |fs| fs.blocks_available().saturating_mul(fs.fragment_size()))
    }

    /// Gives it its name. The octets are on the disk before, or a power failure could leave an empty file with a good name.
    pub fn publish(self) -> io::Result<()> {
        self.file.get_ref().sync_all()?;
        self.cleanup.publish(&self.place, self.replace)
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        self.cleanup.remove_part();
    }
}
