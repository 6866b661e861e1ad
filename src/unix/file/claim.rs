//! Our own socket files: taken in turn, known by their inode, and removed on every way out that a program can notice.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::folder_of;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, open};
use nix::sys::stat::Mode;

/// Every socket file of this process.
static FILES: Mutex<Vec<Mine>> = Mutex::new(Vec::new());

fn files() -> MutexGuard<'static, Vec<Mine>> {
    FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file, and how to tell whether it is still the same one: a path can be given to another file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mine {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Mine {
    fn remove(&self) {
        // Another server may have put its own socket there meanwhile.
        if fs::symlink_metadata(&self.path).is_ok_and(|m| (m.dev(), m.ino()) == (self.device, self.inode)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A socket file of ours. Dropping it removes the file.
#[derive(Debug)]
pub(super) struct Claim(Mine);

impl Claim {
    /// Of the file that bind(2) has just made.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        // Absolute, for the process may change its folder before it ends.
        let folder = fs::canonicalize(folder_of(path))?;
        let path = path.file_name().map_or(folder.clone(), |name| folder.join(name));
        let mine = Mine { path, device: found.dev(), inode: found.ino() };
        files().push(mine.clone());
        Ok(Self(mine))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Locked until the file is gone: whoever ends the process meanwhile must not find the list empty and the file there.
        let mut files = files();
        self.0.remove();
        files.retain(|mine| *mine != self.0);
    }
}

/// Removes every socket file of this process: for an end that runs no destructors.
pub(crate) fn remove_all() {
    for mine in files().drain(..) {
        mine.remove();
    }
}

/// How long to wait for another server that is just taking a name in the same folder.
const TURN: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(2);

/// The right to test, remove and make socket files in a folder, as long as all who do that ask for it.
pub(super) struct Turn(#[expect(dead_code, reason = "held, for its drop ends the lock")] Option<Flock<File>>);

impl Turn {
    /// Locks the folder itself (flock(2)): a lock file would be one more thing to leave behind. A folder that this process may
    /// not read cannot be locked; then nothing is, and bind(2) alone decides.
    pub(super) fn take(folder: &Path) -> io::Result<Self> {
        // Whatever else has that name: opening a pipe could wait for ever.
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let Ok(mut file) = open(folder, flags, Mode::empty()).map(File::from) else { return Ok(Self(None)) };
        let until = Instant::now() + TURN;
        loop {
            file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(Self(Some(lock))),
                Err((file, Errno::EAGAIN | Errno::EINTR)) if Instant::now() < until => file,
                Err((_, Errno::EAGAIN)) => {
                    let why = format!("the folder {} is locked by another program", folder.display());
                    return Err(io::Error::new(io::ErrorKind::ResourceBusy, why));
                }
                // Some network file systems have no locks.
                Err(_) => return Ok(Self(None)),
            };
            // flock(2) has no deadline.
            std::thread::sleep(PAUSE);
        }
    }
}
