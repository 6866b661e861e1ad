//! Octets on the way, in the kernel: splice(2) moves them from a socket into a pipe and from the pipe into the other
//! socket. They are never copied into this process; what moves is the ownership of the pages they lie in.

use nix::fcntl::{FcntlArg, SpliceFFlags, fcntl, splice};
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsFd;

/// Octets that a pipe holds. More does not make a stream faster.
const ROOM: i32 = 256 * 1024;

/// A pipe that octets pass through.
pub(super) struct Pipe {
    out: PipeReader,
    into: PipeWriter,
    room: usize,
    held: usize,
}

impl Pipe {
    /// # Errors
    /// When no descriptors are left: it takes two. And when this user's pipes have 64 MiB together already
    /// (`pipe-user-pages-soft`, pipe(7)): a further one would be a few pages small, and slower than a buffer.
    pub(super) fn open() -> io::Result<Self> {
        let (out, into) = io::pipe()?;
        let room = fcntl(&into, FcntlArg::F_SETPIPE_SZ(ROOM))?;
        Ok(Self { out, into, room: usize::try_from(room).unwrap_or_default(), held: 0 })
    }

    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Moves what is there, without waiting, and says how much. Nothing may be on the way: a full pipe would look like
    /// a socket with nothing to read.
    pub(super) fn fill(&mut self, source: impl AsFd) -> io::Result<usize> {
        self.held = splice(source, None, &self.into, None, self.room, SpliceFFlags::SPLICE_F_NONBLOCK)?;
        Ok(self.held)
    }

    /// Moves on what the other side takes. To ask for more than the pipe holds would promise TCP that more is about to
    /// come, and it would hold the last segment back.
    pub(super) fn drain(&mut self, sink: impl AsFd) -> io::Result<()> {
        self.held -= splice(&self.out, None, sink, None, self.held, SpliceFFlags::SPLICE_F_NONBLOCK)?;
        Ok(())
    }
}
