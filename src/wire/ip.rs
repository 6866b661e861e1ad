//! The headers of IPv4 (RFC 791) and IPv6 (RFC 8200), as far as it takes to carry a segment and to find one.

use super::checksum::{self, as_ipv6};
use std::fmt;
use std::net::IpAddr;

pub use super::ip_decode::{Packet, decode};

/// The IPv4 header without options (RFC 791, section 3.1).
pub mod ipv4 {
    use std::ops::Range;

    /// The version in the upper four bits; below them, the words of four octets in the header.
    pub const VERSION_AND_LENGTH: usize = 0;
    /// Octets in the packet, the header included.
    pub const TOTAL_LENGTH: Range<usize> = 2..4;
    /// Three bits of flags; the rest, and the next octet, are the fragment's offset.
    pub const FLAGS: usize = 6;
    /// Thirteen bits, counted in units of eight octets.
    pub const FRAGMENT: Range<usize> = 6..8;
    /// Routers that may still handle the packet.
    pub const TIME_TO_LIVE: usize = 8;
    /// What is inside: 6 TCP, 17 UDP.
    pub const PROTOCOL: usize = 9;
    /// Of the header alone.
    pub const CHECKSUM: Range<usize> = 10..12;
    /// Where from.
    pub const SOURCE: Range<usize> = 12..16;
    /// Where to.
    pub const DESTINATION: Range<usize> = 16..20;
    /// Octets in a header without options.
    pub const HEADER: usize = 20;
    /// Version 4, and a header of five words of four octets.
    pub const PLAIN: u8 = 0x45;
    /// A router that would have to split the packet drops it, and says so (RFC 1191).
    pub const DONT_FRAGMENT: u8 = 0x40;
    /// Every packet that is no fragment has these bits clear: "more fragments", and the offset.
    pub const FRAGMENTED: u16 = 0x3fff;
}

/// The IPv6 header (RFC 8200, section 3).
pub mod ipv6 {
    use std::ops::Range;

    /// The version in the upper four bits.
    pub const VERSION: usize = 0;
    /// Octets after this header.
    pub const PAYLOAD_LENGTH: Range<usize> = 4..6;
    /// What comes next: 6 TCP, 17 UDP, or an extension header.
    pub const NEXT_HEADER: usize = 6;
    /// Routers that may still handle the packet.
    pub const HOP_LIMIT: usize = 7;
    /// Where from.
    pub const SOURCE: Range<usize> = 8..24;
    /// Where to.
    pub const DESTINATION: Range<usize> = 24..40;
    /// Octets in the header.
    pub const HEADER: usize = 40;
    /// Version 6 in the upper four bits.
    pub const PLAIN: u8 = 0x60;
    /// Extension headers that say how long they are and hide nothing of what follows (RFC 8200, sections 4.3 and 4.6).
    pub const OPTIONS: [u8; 2] = [0, 60];
    /// The extension header of a fragment (RFC 8200, section 4.5).
    pub const FRAGMENT: u8 = 44;
}

/// The usual first value of "time to live" and "hop limit".
const HOPS: u8 = 64;
/// The most that the length fields can say.
pub const LONGEST: usize = u16::MAX as usize;

/// A packet between these addresses. When the families differ, the IPv4 side is written as an IPv4-mapped IPv6 address.
/// `payload` is at most 65,515 octets; over IPv6, 65,535.
pub fn encode(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header = [0; ipv4::HEADER];
            header[ipv4::VERSION_AND_LENGTH] = ipv4::PLAIN;
            header[ipv4::TOTAL_LENGTH].copy_from_slice(&length(ipv4::HEADER + payload.len()));
            // A packet that is never split needs no identification (RFC 6864, section 4.1).
            header[ipv4::FLAGS] = ipv4::DONT_FRAGMENT;
            header[ipv4::TIME_TO_LIVE] = HOPS;
            header[ipv4::PROTOCOL] = protocol;
            header[ipv4::SOURCE].copy_from_slice(&from.octets());
            header[ipv4::DESTINATION].copy_from_slice(&to.octets());
            let sum = checksum::of(&header);
            header[ipv4::CHECKSUM].copy_from_slice(&sum.to_be_bytes());
            [&header, payload].concat()
        }
        (from, to) => {
            let mut header = [0; ipv6::HEADER];
            header[ipv6::VERSION] = ipv6::PLAIN;
            header[ipv6::PAYLOAD_LENGTH].copy_from_slice(&length(payload.len()));
            header[ipv6::NEXT_HEADER] = protocol;
            header[ipv6::HOP_LIMIT] = HOPS;
            header[ipv6::SOURCE].copy_from_slice(&as_ipv6(from).octets());
            header[ipv6::DESTINATION].copy_from_slice(&as_ipv6(to).octets());
            [&header, payload].concat()
        }
    }
}

fn length(n: usize) -> [u8; 2] {
    (n.min(LONGEST) as u16).to_be_bytes()
}

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Neither 4 nor 6.
    UnknownVersion(u8),
    /// The packet ends inside a header.
    TruncatedHeader {
        /// So many octets came.
        got: usize,
        /// So many it takes.
        want: usize,
    },
    /// IPv4: a header of less than five words.
    HeaderTooShort(u8),
    /// IPv4: a total length that does not cover the header.
    LengthTooShort {
        /// What the field says.
        length: u16,
        /// Octets in the header.
        header: usize,
    },
    /// The length says more than there is.
    Truncated {
        /// Where the length field is.
        at: usize,
        /// Octets that the packet should have, all headers included.
        length: usize,
        /// Octets that came.
        got: usize,
    },
    /// IPv4: the header's checksum.
    WrongChecksum {
        /// What the field says.
        found: u16,
        /// What it should say.
        right: u16,
    },
    /// A part of a packet. What it carries can only be checked when all parts are together.
    Fragment {
        /// The octet that says so.
        at: usize,
    },
    /// IPv6: an extension header that is not skipped here.
    Extension {
        /// The octet that names it.
        at: usize,
        /// Its number.
        number: u8,
    },
}

impl Fault {
    /// The octet that makes it wrong, counted from the packet's first.
    pub fn offset(&self) -> usize {
        match *self {
            Fault::UnknownVersion(_) | Fault::HeaderTooShort(_) => ipv4::VERSION_AND_LENGTH,
            Fault::TruncatedHeader { got, .. } => got,
            Fault::LengthTooShort { .. } => ipv4::TOTAL_LENGTH.start,
            Fault::WrongChecksum { .. } => ipv4::CHECKSUM.start,
            Fault::Truncated { at, .. } | Fault::Fragment { at } | Fault::Extension { at, .. } => at,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {}: ", self.offset())?;
        match self {
            Fault::UnknownVersion(version) => write!(f, "IP version {version}: it takes 4 or 6"),
            Fault::TruncatedHeader { got, want } => {
                write!(f, "truncated IP header: {got} of {want} octets, then the end")
            }
            Fault::HeaderTooShort(words) => {
                write!(f, "an IP header of {words} words of four octets: five is the least")
            }
            Fault::LengthTooShort { length, header } => {
                write!(f, "total length {length} does not cover the IP header, which has {header} octets")
            }
            Fault::Truncated { length, got, .. } => {
                write!(f, "truncated packet: {got} of {length} octets, then the end")
            }
            Fault::WrongChecksum { found, right } => {
                write!(f, "wrong IP header checksum {found:04x}: it should be {right:04x}")
            }
            Fault::Fragment { .. } => {
                f.write_str("a fragment: without the others, nothing can be said of what it carries")
            }
            Fault::Extension { number, .. } => {
                write!(f, "extension header {number}: what follows it is not looked for here")
            }
        }
    }
}

impl std::error::Error for Fault {}
