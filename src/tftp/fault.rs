//! What can be wrong with a packet, and where.

use super::opcode::Opcode;
use crate::human::count;
use std::fmt;

/// A packet cannot be read, or may not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The packet, when that much is known.
    pub packet: Option<Opcode>,
    /// The octet that makes it wrong, or the first that is missing, counted from 0.
    pub offset: usize,
    /// What is wrong there.
    pub what: What,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The packet ends where this field should begin.
    Missing(&'static str),
    /// A number of two octets, and only the first is there.
    Half(&'static str),
    /// A text without the NUL that ends it.
    NoNul(&'static str),
    /// A text of no octets where one is needed.
    Empty(&'static str),
    /// A NUL inside a text that is to be sent: the reader would take it for the end.
    NulInside(&'static str),
    /// No packet has this opcode.
    UnknownOpcode(u16),
    /// Octets behind the end of the packet.
    TrailingOctets(usize),
    /// More octets than this packet may have.
    TooLong {
        /// It has so many.
        octets: usize,
        /// It may have so many.
        limit: usize,
    },
}

impl Fault {
    /// Whether a longer datagram might have been right: the packet was cut, or never finished.
    pub fn is_incomplete(&self) -> bool {
        matches!(self.what, What::Missing(_) | What::Half(_) | What::NoNul(_))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(packet) = self.packet {
            write!(f, "{packet}, ")?;
        }
        write!(f, "octet {}: ", self.offset)?;
        match self.what {
            What::Missing(field) => write!(f, "the {field} is missing"),
            What::Half(field) => write!(f, "half of the {field} is missing"),
            What::NoNul(field) => write!(f, "no NUL ends the {field}"),
            What::Empty(field) => write!(f, "the {field} is empty"),
            What::NulInside(field) => write!(f, "a NUL inside the {field}"),
            What::UnknownOpcode(code) => write!(f, "no packet has opcode {code}"),
            What::TrailingOctets(n) => write!(f, "{} behind the end", count(n, "octet")),
            What::TooLong { octets, limit } => write!(f, "{octets} octets, and no more than {limit} are allowed"),
        }
    }
}

impl std::error::Error for Fault {}
