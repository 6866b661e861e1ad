//! What can be wrong with a frame, and where.

use super::header::Header;
use super::kind::{self, Kind, Kinds};
use crate::error::cause_text;
use crate::human::{count, thousands};
use std::fmt;
use std::io;

/// A frame could not be read or written. After that, nobody knows where the next one begins: close the stream.
#[derive(Debug)]
pub enum Error {
    /// The stream ended inside a frame. More octets would have helped.
    Incomplete(Incomplete),
    /// No octet that may still come can make it right.
    Invalid(Invalid),
    /// The stream itself failed (a reset, a deadline), `offset` octets from its beginning.
    Io {
        /// Octets read so far, or written of this frame.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
}

/// Where the stream ended, and what was still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// The octets that the stream had.
    pub offset: u64,
    /// Of the header (`None`), or of a value of this kind.
    pub value_of: Option<Kind>,
    /// So many came of it.
    pub got: u32,
    /// So many it has.
    pub want: u32,
}

/// What is wrong, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The octet that makes it wrong, counted from the beginning of the stream.
    pub offset: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What makes a frame invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A type that is not in the table.
    UnknownType {
        /// On the wire.
        code: u8,
        /// The table.
        known: Kinds,
    },
    /// A length beyond the limit of its type.
    TooLong {
        /// Has the limit.
        kind: Kind,
        /// What the header says, or what was to be sent.
        length: u64,
    },
    /// A String with octets that are no UTF-8 (RFC 3629).
    NotUtf8 {
        /// The type of the value.
        kind: Kind,
        /// Octets in the value.
        length: usize,
        /// The first that does not fit, counted from 0.
        at: usize,
        /// What it is.
        octet: u8,
    },
}

impl Fault {
    /// Where in its frame the octet is that makes it wrong.
    pub fn place(&self) -> usize {
        match self {
            Fault::UnknownType { .. } => super::field::KIND,
            Fault::TooLong { .. } => super::field::LENGTH.start,
            Fault::NotUtf8 { at, .. } => Header::LEN + at,
        }
    }

    /// The error, for a frame that begins `start` octets into the stream.
    pub fn in_frame_at(self, start: u64) -> Invalid {
        Invalid { offset: start + self.place() as u64, fault: self }
    }
}

impl Incomplete {
    /// `there` is what came of a header, or of the value that follows one.
    pub(super) fn here(value_of: Option<Kind>, there: &[u8], want: usize) -> Self {
        let before = if value_of.is_some() { Header::LEN } else { 0 };
        Self { offset: (before + there.len()) as u64, value_of, got: there.len() as u32, want: want as u32 }
    }

    /// At least so many octets must come before there is more to say.
    pub fn missing(&self) -> usize {
        (self.want - self.got) as usize
    }

    /// The same, where what was decoded begins `start` octets into the stream.
    pub fn after(self, start: u64) -> Self {
        Self { offset: start + self.offset, ..self }
    }
}

impl Invalid {
    /// The same, where what was decoded begins `start` octets into the stream.
    pub fn after(self, start: u64) -> Self {
        Self { offset: start + self.offset, ..self }
    }
}

impl From<Incomplete> for Error {
    fn from(incomplete: Incomplete) -> Self {
        Error::Incomplete(incomplete)
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Error::Invalid(invalid)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::UnknownType { code, known } => write!(f, "unknown type {code} (known: {})", kind::list(known)),
            Fault::TooLong { kind, length } => write!(
                f,
                "too long: a {} of {} octets (limit {})",
                kind.name,
                thousands(usize::try_from(*length).unwrap_or(usize::MAX)),
                thousands(kind.limit as usize)
            ),
            Fault::NotUtf8 { kind, length, at, octet } => {
                write!(f, "not UTF-8: octet {at} of a {} of {} is {octet:02x}", kind.name, count(*length, "octet"))
            }
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {}: {}", self.offset, self.fault)
    }
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (got, want) = (thousands(self.got as usize), thousands(self.want as usize));
        match self.value_of {
            None => write!(f, "offset {}: truncated header: {got} of {want} octets, then the end", self.offset),
            Some(kind) => write!(
                f,
                "offset {}: truncated value: {got} of {want} octets of a {} (limit {}), then the end",
                self.offset,
                kind.name,
                thousands(kind.limit as usize)
            ),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Incomplete(e) => e.fmt(f),
            Error::Invalid(e) => e.fmt(f),
            Error::Io { offset, source } => write!(f, "offset {offset}: {}", cause_text(source)),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            Error::Incomplete(_) | Error::Invalid(_) => None,
        }
    }
}

/// So that a program can say `.attempt("read", peer)?`, with the offset in the text.
impl From<Error> for io::Error {
    fn from(e: Error) -> Self {
        let kind = match &e {
            Error::Incomplete(_) => io::ErrorKind::UnexpectedEof,
            Error::Invalid(_) => io::ErrorKind::InvalidData,
            Error::Io { source, .. } => source.kind(),
        };
        io::Error::new(kind, e.to_string())
    }
}
