//! Packets as people read them: `RRQ tides.txt octet blksize=1428`, `DATA 3, 512 octets`.

use super::options::Pair;
use super::packet::Packet;
use super::request::Request;
use crate::hexdump;
use crate::human::count;
use std::fmt;

/// Octets of a text that are shown: a request may have 512 of them.
const SHOWN: usize = 60;
/// Options that are shown.
const PAIRS: usize = 8;

/// On one line, whatever came: texts are escaped and cut, the file's own octets are counted.
impl fmt::Display for Packet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.opcode().fmt(f)?;
        match self {
            Self::Rrq(Request { filename, mode, options }) | Self::Wrq(Request { filename, mode, options }) => {
                write!(f, " {} {}", text(filename), text(mode))?;
                write_pairs(options, f)
            }
            Self::Data { block, payload } => write!(f, " {block}, {}", count(payload.len(), "octet")),
            Self::Ack { block } => write!(f, " {block}"),
            Self::Error { code, message: b"" } => write!(f, " {} {}", code.0, code.meaning()),
            Self::Error { code, message } => write!(f, " {} {} \"{}\"", code.0, code.meaning(), text(message)),
            Self::Oack(options) => write_pairs(options, f),
        }
    }
}

fn write_pairs(pairs: &[Pair<'_>], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for pair in pairs.iter().take(PAIRS) {
        write!(f, " {}={}", text(pair.name), text(pair.value))?;
    }
    match pairs.len().saturating_sub(PAIRS) {
        0 => Ok(()),
        more => write!(f, " … ({more} more)"),
    }
}

fn text(octets: &[u8]) -> String {
    hexdump::text(octets, SHOWN)
}

#[cfg(test)]
mod tests {
    use crate::tftp::{Block, ErrorCode, Packet};

    #[test]
    fn one_line_each() {
        for (octets, shown) in [
            (&b"\0\x01tides.txt\0octet\0blksize\x001428\0tsize\x000\0"[..], "RRQ tides.txt octet blksize=1428 tsize=0"),
            (b"\0\x02log/alma\0NetASCII\0", "WRQ log/alma NetASCII"),
            (b"\0\x03\0\x03ebb", "DATA 3, 3 octets"),
            (b"\0\x03\xff\xff", "DATA 65535, 0 octets"),
            (b"\0\x04\x01\x02", "ACK 258"),
            (b"\0\x05\0\x01no tides today\0", "ERROR 1 file not found \"no tides today\""),
            (b"\0\x05\0\x08\0", "ERROR 8 option negotiation failed"),
            (b"\0\x06blksize\x001428\0", "OACK blksize=1428"),
            (b"\0\x06", "OACK"),
        ] {
            assert_eq!(Packet::parse(octets).expect("a packet").to_string(), shown);
        }
    }

    /// What a terminal would obey is escaped, and what would fill it is cut.
    #[test]
    fn nothing_leaves_the_line() {
        let message = [b"\x1b[2J\r\n".as_slice(), &[b'~'; 400]].concat();
        let shown = Packet::Error { code: ErrorCode(9), message: &message }.to_string();
        assert!(shown.starts_with("ERROR 9 a code that no RFC defines \"\\x1b[2J\\r\\n~~~"), "{shown}");
        assert!(shown.len() < 130 && !shown.contains(char::is_control), "{shown}");
        let many = "a\x001\0".repeat(11);
        let octets = [b"\0\x06", many.as_bytes()].concat();
        let shown = Packet::parse(&octets).expect("an OACK").to_string();
        assert_eq!(shown, format!("OACK{} … (3 more)", " a=1".repeat(8)));
        assert_eq!(Packet::Data { block: Block(1), payload: &[0; 1428] }.to_string(), "DATA 1, 1,428 octets");
    }
}
