//! Streams that behave as networks and peers do.

use std::io::{self, Read};

/// Gives pieces of these sizes, round and round, with an interrupted call before each.
pub(crate) struct Cut<'a> {
    octets: &'a [u8],
    sizes: Vec<usize>,
    calls: usize,
}

impl<'a> Cut<'a> {
    pub(crate) fn new(octets: &'a [u8], sizes: Vec<usize>) -> Self {
        Self { octets, sizes, calls: 0 }
    }
}

impl Read for Cut<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.calls += 1;
        if self.calls % 2 == 1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let size = self.sizes[self.calls / 2 % self.sizes.len()];
        self.octets.by_ref().take(size as u64).read(buf)
    }
}

/// Counts what was taken from the stream below.
pub(crate) struct Counted<R> {
    stream: R,
    pub(crate) octets: u64,
}

impl<R> Counted<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self { stream, octets: 0 }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.stream.read(buf)?;
        self.octets += n as u64;
        Ok(n)
    }
}

/// The same octet for ever.
pub(crate) struct Endless;

impl Read for Endless {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        buf.fill(b'~');
        Ok(buf.len())
    }
}

/// Fails each time.
pub(crate) struct Fails(pub(crate) io::ErrorKind);

impl Read for Fails {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
}
