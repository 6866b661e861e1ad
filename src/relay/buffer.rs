//! Octets on the way, in this process's memory.

use std::io::{self, Read, Write};

/// Room for octets that came and have not gone on yet.
pub(super) struct Buffer {
    room: Box<[u8]>,
    /// What is on the way begins here,
    start: usize,
    /// and ends here.
    end: usize,
}

impl Buffer {
    pub(super) fn new(room: usize) -> Self {
        Self { room: vec![0; room].into_boxed_slice(), start: 0, end: 0 }
    }

    pub(super) fn room(&self) -> usize {
        self.room.len()
    }

    pub(super) fn held(&self) -> usize {
        self.end - self.start
    }

    /// Reads once. Nothing may be on the way.
    pub(super) fn fill(&mut self, mut source: impl Read) -> io::Result<&[u8]> {
        (self.start, self.end) = (0, 0);
        self.end = source.read(&mut self.room)?;
        Ok(&self.room[..self.end])
    }

    /// Writes once.
    pub(super) fn drain(&mut self, mut sink: impl Write) -> io::Result<()> {
        self.start += sink.write(&self.room[self.start..self.end])?;
        Ok(())
    }
}
