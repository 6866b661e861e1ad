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

#[cfg(test)]
mod tests {
    use super::*;

    const GRANTS: Grants = Grants { blksize: 9000, windowsize: 64 };

    fn granted(asked: &[(&str, &str)], route: Option<u16>) -> Vec<(&'static str, String)> {
        let asked: Vec<Pair<'_>> =
            asked.iter().map(|(name, value)| Pair { name: name.as_bytes(), value: value.as_bytes() }).collect();
        GRANTS.of(&asked, 75_352, || route).texts()
    }

    /// The smallest of what is asked for, what is allowed, and what the route takes.
    #[test]
    fn the_smallest_counts() {
        for (asked, route, is) in [
            ("1428", None, Some("1428")),
            ("1428", Some(1468), Some("1428")),
            ("8192", Some(1468), Some("1468")),
            ("65464", None, Some("9000")),
            ("65464", Some(65_464), Some("9000")),
            ("70000", Some(1468), Some("1468")),
            ("8", Some(4), Some("8")),
            ("7", None, None),
            ("+512", None, None),
        ] {
            let wanted: Vec<_> = is.map(|is| ("blksize", is.to_string())).into_iter().collect();
            assert_eq!(granted(&[("blksize", asked)], route), wanted, "{asked} over {route:?}");
        }
    }

    /// A window of large blocks has fewer of them: 256 KiB is all that waits for an ACK.
    #[test]
    fn a_window_is_no_larger_than_its_octets() {
        for (blksize, asked, is) in
            [("512", "16", "16"), ("512", "65535", "64"), ("9000", "64", "29"), ("8", "70000", "64")]
        {
            let got = granted(&[("windowsize", asked), ("blksize", blksize)], None);
            assert_eq!(got, [("blksize", blksize.to_string()), ("windowsize", is.to_string())]);
        }
    }

    #[test]
    fn what_is_not_granted_is_not_mentioned() {
        assert_eq!(
            granted(&[("tsize", "0"), ("moonphase", "full"), ("timeout", "256")], None),
            [("tsize", "75352".into())]
        );
        assert!(granted(&[("timeout", ""), ("tsize", "-1"), ("windowsize", "0")], None).is_empty());
        assert_eq!(Options::default().oack(), None);
    }
}
