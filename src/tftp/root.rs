//! Files below a folder, by names that strangers send.
//!
//! Looking at a name and opening the file are two moments; in between, a folder can become a symbolic link to elsewhere. So
//! the kernel is asked to stay below the folder while it opens (openat2(2), `RESOLVE_BENEATH`, Linux 5.6). Where it cannot,
//! each part of the name is opened by itself and no link is followed.

use super::ErrorCode;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How every file is opened. A FIFO without a writer must not hold the thread up, and a terminal is not to become ours.
const READ: OFlag = OFlag::O_RDONLY.union(OFlag::O_CLOEXEC).union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY);

/// A folder, and what is below it.
#[derive(Debug)]
pub struct Root(OwnedFd);

/// Why a request gets no file: what the ERROR will say.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub why: String,
}

impl Refusal {
    /// With these words.
    pub fn new(code: ErrorCode, why: impl Into<String>) -> Self {
        Self { code, why: why.into() }
    }
}

impl Root {
    /// Opens the folder: what it is called later does not matter any more.
    ///
    /// # Errors
    /// As open(2).
    pub fn open(folder: &Path) -> io::Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Self(open(folder, flags, Mode::empty())?))
    }

    /// Opens a file. `/name` is below the folder, too, since many clients write it; and so is `dir\name`.
    ///
    /// # Errors
    /// ERROR 1 when there is no such file, ERROR 2 when it is not to be had.
    pub fn file(&self, name: &[u8]) -> Result<File, Refusal> {
        let path = below(name)?;
        let file = self.open_beneath(&path).map(File::from).map_err(refuse)?;
        match file.metadata() {
            Ok(metadata) if metadata.is_file() => Ok(file),
            Ok(metadata) if metadata.is_dir() => Err(Refusal::new(ErrorCode::ACCESS_VIOLATION, "a directory")),
            // What a device or a FIFO has to say may never end.
            Ok(_) => Err(Refusal::new(ErrorCode::ACCESS_VIOLATION, "not a regular file")),
            Err(e) => Err(refuse(Errno::from_raw(e.raw_os_error().unwrap_or_default()))),
        }
    }

    // [open]
    #[cfg(target_os = "linux")]
    fn open_beneath(&self, path: &Path) -> Result<OwnedFd, Errno> {
        use nix::fcntl::{OpenHow, ResolveFlag, openat2};
        let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let open = || openat2(&self.0, path, OpenHow::new().flags(READ).resolve(resolve));
        match open() {
            // An old kernel, or a sandbox that does not know the call.
            Err(Errno::ENOSYS | Errno::EPERM) => self.open_step_by_step(path),
            // Something was renamed on the way, and the kernel cannot say where that led (openat2(2)): once more.
            Err(Errno::EAGAIN) => open(),
            opened => opened,
        }
    }
    // [/open]

    #[cfg(not(target_os = "linux"))]
    fn open_beneath(&self, path: &Path) -> Result<OwnedFd, Errno> {
        self.open_step_by_step(path)
    }

    /// Opens one part after another. A symbolic link is refused, wherever it leads.
    fn open_step_by_step(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let mut place = self.0.try_clone().map_err(|_| Errno::EMFILE)?;
        let mut parts = path.iter().peekable();
        while let Some(part) = parts.next() {
            let folder = if parts.peek().is_some() { OFlag::O_DIRECTORY } else { OFlag::empty() };
            place = openat(&place, part, READ | OFlag::O_NOFOLLOW | folder, Mode::empty())?;
        }
        Ok(place)
    }
}

/// The path below the folder. `..` is refused even where it would stay inside: nobody needs it.
fn below(name: &[u8]) -> Result<PathBuf, Refusal> {
    let parts = name.split(|&octet| octet == b'/' || octet == b'\\');
    let parts: Vec<&[u8]> = parts.filter(|part| !part.is_empty() && *part != b".").collect();
    if parts.contains(&b"..".as_slice()) {
        return Err(Refusal::new(ErrorCode::ACCESS_VIOLATION, "no way leads upwards"));
    }
    if parts.is_empty() {
        return Err(Refusal::new(ErrorCode::ACCESS_VIOLATION, "a directory"));
    }
    Ok(parts.into_iter().map(OsStr::from_bytes).collect())
}

fn refuse(e: Errno) -> Refusal {
    match e {
        Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG => Refusal::new(ErrorCode::FILE_NOT_FOUND, "no such file"),
        Errno::EXDEV | Errno::ELOOP => Refusal::new(ErrorCode::ACCESS_VIOLATION, "a symbolic link leads elsewhere"),
        Errno::EACCES | Errno::EPERM => Refusal::new(ErrorCode::ACCESS_VIOLATION, "permission denied"),
        // What open(2) says of a socket's file, and of a device that nobody drives.
        Errno::ENXIO | Errno::ENODEV => Refusal::new(ErrorCode::ACCESS_VIOLATION, "not a regular file"),
        e => Refusal::new(ErrorCode::NOT_DEFINED, crate::error::cause_text(&e.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    /// A folder with a file, a folder with a file, and links; beside it, what nobody may see.
    fn harbour() -> (tempfile::TempDir, Root) {
        let place = tempfile::tempdir().expect("folder");
        let path = |name: &str| place.path().join(name);
        std::fs::create_dir_all(path("root/tides")).expect("folders");
        for (name, text) in [("secret", "plan"), ("root/log", "log"), ("root/tides/low", "low")] {
            std::fs::write(path(name), text).expect("file");
        }
        for (to, name) in [("../secret", "out"), ("..", "up"), ("tides", "today"), ("tides/low", "latest")] {
            symlink(to, path("root").join(name)).expect("link");
        }
        symlink(path("secret"), path("root/absolute")).expect("link");
        let root = Root::open(&path("root")).expect("root");
        (place, root)
    }

    fn text(file: OwnedFd) -> String {
        let mut text = String::new();
        File::from(file).read_to_string(&mut text).expect("read");
        text
    }

    /// Both ways to open stay below; the one without the kernel's help follows no link.
    #[test]
    fn nothing_leads_out() {
        let (_place, root) = harbour();
        let slow = |name: &str| root.open_step_by_step(Path::new(name)).map(text);
        let fast = |name: &str| root.open_beneath(Path::new(name)).map(text);
        for (name, found) in [("log", "log"), ("tides/low", "low")] {
            assert_eq!((slow(name), fast(name)), (Ok(found.into()), Ok(found.into())), "{name}");
        }
        for name in ["out", "up/secret", "absolute", "up/root/log"] {
            assert!(slow(name).is_err() && fast(name).is_err(), "{name}");
        }
        for name in ["today/low", "latest"] {
            assert!(slow(name).is_err(), "{name}");
            if cfg!(target_os = "linux") {
                assert_eq!(fast(name), Ok("low".into()), "{name}");
            }
        }
    }

    /// What a name becomes, and what is said of the others.
    #[test]
    fn names_are_paths_below() {
        for name in ["tides/low", "/tides/low", "//tides/./low", "tides\\low", "\\tides/low/"] {
            assert_eq!(below(name.as_bytes()), Ok("tides/low".into()), "{name}");
        }
        for name in ["..", "../secret", "tides/../../secret", "..\\secret", "tides\\..\\low", "/", ".", ""] {
            assert_eq!(below(name.as_bytes()).expect_err(name).code, ErrorCode::ACCESS_VIOLATION, "{name}");
        }
        let (_place, root) = harbour();
        for (name, code) in [("none", 1), ("log/none", 1), ("tides", 2), ("out", 2), ("absolute", 2), ("../secret", 2)]
        {
            assert_eq!(root.file(name.as_bytes()).expect_err(name).code.0, code, "{name}");
        }
        assert_eq!(refuse(Errno::EACCES).code, ErrorCode::ACCESS_VIOLATION);
        assert_eq!(refuse(Errno::EMFILE).code, ErrorCode::NOT_DEFINED);
    }

    /// A name that is swapped for a link again and again, while it is opened.
    #[test]
    fn no_moment_is_the_wrong_one() {
        let (place, root) = harbour();
        let name = |name: &str| place.path().join("root").join(name);
        std::fs::write(name("a"), "log").expect("file");
        symlink("../secret", name("b")).expect("link");
        let (a, b, c) = (name("a"), name("b"), name("c"));
        let swaps = std::thread::spawn(move || {
            for _ in 0..2000 {
                for (from, to) in [(&a, &c), (&b, &a), (&c, &b)] {
                    std::fs::rename(from, to).expect("rename");
                }
            }
        });
        while !swaps.is_finished() {
            for opened in [root.open_beneath(Path::new("a")), root.open_step_by_step(Path::new("a"))] {
                assert!(opened.is_err() || opened.map(text).as_deref() == Ok("log"));
            }
        }
        swaps.join().expect("swaps");
    }
}
