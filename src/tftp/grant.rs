//! What a server makes of the options that a client asks for.
//!
//! RFC 2347 leaves much to the server: an option that it does not know, or that has a value it cannot use, is left out of the
//! OACK, and the client must do without. That is done here, rather than to end the transfer by ERROR 8: what was asked for
//! in vain is no reason to get no file. A number beyond the limit becomes the limit, where the option's RFC allows it.

use super::{BLKSIZE, BLOCK_SIZE, DATA_HEADER, Options, Packet, Pair, TIMEOUT, WINDOWSIZE, pairs};

/// Octets of a window that may wait for their ACK. A receiver's socket buffer holds little more, and would drop the rest; and
/// each transfer needs as much memory.
const WINDOW_OCTETS: usize = 256 * 1024;

/// What is granted at most.
#[derive(Clone, Copy, Debug)]
pub struct Grants {
    /// Octets in a block.
    pub blksize: u16,
    /// Blocks in a window.
    pub windowsize: u16,
}

impl Grants {
    /// What of `asked` is granted, for a file of `size` octets. `route` tells how large a block may be so that its datagram goes
    /// out in one piece; it is asked only if that matters.
    pub fn of(self, asked: &[Pair<'_>], size: u64, route: impl FnOnce() -> Option<u16>) -> Options {
        let number = |name, allowed| first_number(asked, name).filter(|n| *n >= allowed);
        let largest = |blksize: u64| {
            let limit = if blksize > BLOCK_SIZE as u64 { route().unwrap_or(self.blksize) } else { self.blksize };
            clamp(blksize, self.blksize.min(limit))
        };
        let blksize = number("blksize", *BLKSIZE.start()).map(largest);
        let stride = DATA_HEADER + blksize.map_or(BLOCK_SIZE, usize::from);
        let fits = u16::try_from(WINDOW_OCTETS / stride).unwrap_or(u16::MAX);
        Options {
            blksize,
            timeout: first_number(asked, "timeout").filter(|n| TIMEOUT.contains(n)).map(|n| clamp(n, u8::MAX)),
            tsize: first_number(asked, "tsize").map(|_| size),
            windowsize: number("windowsize", *WINDOWSIZE.start()).map(|n| clamp(n, self.windowsize.min(fits).max(1))),
        }
    }
}

impl Options {
    /// The OACK that grants them, if there are any.
    pub fn oack(&self) -> Option<Vec<u8>> {
        let texts = self.texts();
        Packet::Oack(pairs(&texts)).emit().ok().filter(|_| !self.is_empty())
    }
}

/// The option's value, if it is a number. Of an option that is there twice, the first counts: RFC 2347 allows one.
fn first_number(asked: &[Pair<'_>], name: &str) -> Option<u64> {
    let pair = asked.iter().find(|pair| pair.name.eq_ignore_ascii_case(name.as_bytes()))?;
    let digits = str::from_utf8(pair.value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    // Too many digits are a number, too: a very large one.
    if digits.is_empty() { None } else { Some(digits.parse().unwrap_or(u64::MAX)) }
}

fn clamp<T: TryFrom<u64> + Ord + Copy>(n: u64, limit: T) -> T {
    T::try_from(n).map_or(limit, |n| n.min(limit))
}
