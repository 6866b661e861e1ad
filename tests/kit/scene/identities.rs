//! Other users and groups: clients that are somebody else, and a subject that is.
//!
//! Only root may play them. A check that needs them says so with [`crate::Program::as_root`], and is skipped elsewhere.

use super::{Scene, refused, server};
use crate::failure::{Failure, Outcome};
use crate::stream::Stream;
use crate::talk::Talk;
use netkata::human;
use netkata::sys::identity::Identity;
use netkata::tap::From;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// What a check that plays users needs, where the grader may not.
pub const NOT_ROOT: &str = "needs root: clients and programs of other users";

impl Scene {
    /// Somebody whom nothing on this machine belongs to: a user and a group without names, by chance. No supplementary groups.
    pub fn stranger(&mut self) -> Identity {
        Identity::new(self.number(), self.number())
    }

    /// The number of a user or group that nothing on this machine belongs to; another one each time.
    pub fn number(&mut self) -> u32 {
        loop {
            // Above those of people, and of five digits each: the messages on file are made of them.
            let number = self.rng.u32(61_000..65_000);
            if !self.numbers.contains(&number) {
                self.numbers.push(number);
                return number;
            }
        }
    }

    /// A new connection from this user's process to the subject's socket file or abstract name. The subject is started first if
    /// need be.
    ///
    /// It is this process that connects, in a thread which has become that user: the process ID is the grader's.
    pub fn connect_as(&mut self, who: &Identity) -> Outcome<Talk> {
        let dialled = self.dial_as(who)?;
        let stream = dialled.map_err(|e| refused(&self.address, &e))?;
        Ok(self.scribe("grader").talk(Stream::Unix(stream), From::Client))
    }

    /// This user's process may not connect: the kernel says *permission denied*.
    pub fn expect_no_permission_for(&mut self, who: &Identity) -> Outcome {
        match self.dial_as(who)? {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                self.journal.note("permission denied");
                Ok(())
            }
            Err(e) => Err(Failure::new("permission denied", netkata::error::cause_text(&e))),
            Ok(_) => Err(Failure::new("permission denied", "a connection")),
        }
    }

    fn dial_as(&mut self, who: &Identity) -> Outcome<io::Result<UnixStream>> {
        let place = self.place()?;
        self.let_others_in()?;
        self.journal.note(format!("a client: {}", describe(who)));
        let dialled = who.run(|| server::dial_unix(&place)).map_err(|e| not_root(&e))?;
        dialled.ok_or_else(|| Failure::new("a socket file or an abstract name", place))
    }

    /// From now on the subject is started as this user.
    pub fn run_subject_as(&mut self, who: &Identity) -> Outcome {
        self.let_others_in()?;
        self.journal.note(format!("the program is {}", describe(who)));
        let readable = |path: &Path| {
            who.run(|| faccessat(AT_FDCWD, path, AccessFlags::X_OK, AtFlags::AT_EACCESS).is_ok())
                .map_err(|e| not_root(&e))
        };
        let file = PathBuf::from(&self.launch.command[0]);
        // A command without a slash is looked for in PATH, where everybody may look.
        if file.components().count() > 1 && !readable(&file)? {
            // Root's home, for one, is closed to others.
            let copy = self.folder()?.join(file.file_name().unwrap_or_default());
            fs::copy(&file, &copy)
                .and_then(|_| fs::set_permissions(&copy, Permissions::from_mode(0o755)))
                .map_err(|e| refused("a copy of the program", &e))?;
            self.launch.command[0] = copy.to_string_lossy().into_owned();
        }
        self.launch.identity = Some(who.clone());
        Ok(())
    }

    /// The scene's folder can be entered by everybody, though not listed: whoever connects to a socket file needs to get there.
    /// Where the temporary folder itself is closed to others, the check is skipped.
    pub fn let_others_in(&mut self) -> Outcome {
        let folder = self.folder()?;
        fs::set_permissions(&folder, Permissions::from_mode(0o711)).map_err(|e| refused("the scene's folder", &e))?;
        let closed = folder.ancestors().find(|f| fs::metadata(f).is_ok_and(|m| m.mode() & 0o001 == 0));
        closed.map_or(Ok(()), |_| Err(Failure::skipped("needs a temporary folder that others may enter")))
    }
}

/// In a note: `a process of user 61007, in group 61008 and 2 more`.
fn describe(who: &Identity) -> String {
    let named: Vec<String> = [who.gid].iter().chain(&who.groups).map(u32::to_string).collect();
    let more = human::count(who.groups.len(), "supplementary group");
    let groups = if who.groups.len() < 4 { named.join(", ") } else { format!("{} and {more}", who.gid) };
    format!("a process of user {}, in group {groups}", who.uid)
}

fn not_root(e: &io::Error) -> Failure {
    match e.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => {
            Failure::skipped(NOT_ROOT)
        }
        _ => Failure::new("a thread of another user", e.to_string()),
    }
}
