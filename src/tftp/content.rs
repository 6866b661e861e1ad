//! What is sent: octets in memory, or a file that must stay as it is until its last block is on its way.

use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::time::SystemTime;

/// A file is read in pieces of so many octets, however small a block is.
const READ_AHEAD: usize = 64 * 1024;

/// The octets of one transfer, block by block.
#[derive(Debug)]
pub struct Content {
    from: From,
    size: u64,
    left: u64,
}

#[derive(Debug)]
enum From {
    Memory(Arc<[u8]>, usize),
    File(BufReader<File>, Option<SystemTime>),
}

impl Content {
    /// The same octets for everyone.
    pub fn memory(octets: Arc<[u8]>) -> Self {
        let size = octets.len() as u64;
        Self { from: From::Memory(octets, 0), size, left: size }
    }

    /// A file, from its start.
    ///
    /// # Errors
    /// As fstat(2).
    pub fn file(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let size = metadata.len();
        let ahead = BufReader::with_capacity(READ_AHEAD, file);
        Ok(Self { from: From::File(ahead, metadata.modified().ok()), size, left: size })
    }

    /// Octets in all.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Fills `block` with the next octets; returns how many. Fewer than it has room for are the last, and so are none.
    ///
    /// # Errors
    /// When the file has become shorter, or has been written to. The receiver cannot know; a part of the old file and a part of
    /// the new one would look whole to it.
    pub fn next_block(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let len = usize::try_from(self.left).unwrap_or(usize::MAX).min(block.len());
        match &mut self.from {
            From::Memory(octets, at) => {
                block[..len].copy_from_slice(&octets[*at..*at + len]);
                *at += len;
            }
            From::File(file, modified) => {
                file.read_exact(&mut block[..len]).map_err(|e| if is_end(&e) { changed("shorter") } else { e })?;
                if len < block.len() {
                    same(&file.get_ref().metadata()?, self.size, *modified)?;
                }
            }
        }
        self.left -= len as u64;
        Ok(len)
    }
}

fn same(now: &Metadata, size: u64, modified: Option<SystemTime>) -> io::Result<()> {
    match now.len() == size && now.modified().ok() == modified {
        true => Ok(()),
        false => Err(changed("another")),
    }
}

fn is_end(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::UnexpectedEof
}

fn changed(how: &str) -> io::Error {
    io::Error::other(format!("the file became {how} while it was sent"))
}
