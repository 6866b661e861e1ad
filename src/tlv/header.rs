//! The first five octets of a frame.

use super::error::Fault;
use super::kind::{Kind, Kinds};

/// Where things are in a frame: octets, counted from its first.
pub mod field {
    use std::ops::{Range, RangeFrom};

    /// What the value is.
    pub const KIND: usize = 0;
    /// How many octets the value has, most significant octet first. The header is not counted.
    pub const LENGTH: Range<usize> = 1..5;
    /// The value itself.
    pub const VALUE: RangeFrom<usize> = 5..;
}

/// What a frame says about itself. It is a claim: nothing is checked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The type's code.
    pub code: u8,
    /// Octets in the value.
    pub length: u32,
}

impl Header {
    /// Octets in a header.
    pub const LEN: usize = field::VALUE.start;

    /// Reads the fields.
    pub fn parse(octets: &[u8; Self::LEN]) -> Self {
        let mut length = [0; 4];
        length.copy_from_slice(&octets[field::LENGTH]);
        Self { code: octets[field::KIND], length: u32::from_be_bytes(length) }
    }

    /// Writes the fields.
    pub fn emit(&self) -> [u8; Self::LEN] {
        let mut octets = [0; Self::LEN];
        octets[field::KIND] = self.code;
        octets[field::LENGTH].copy_from_slice(&self.length.to_be_bytes());
        octets
    }

    // [check]
    /// All that can be said of a frame before its value is there: whether its type is known, and its length allowed.
    ///
    /// # Errors
    /// [`Fault::UnknownType`] or [`Fault::TooLong`].
    pub fn check(&self, kinds: Kinds) -> Result<Kind, Fault> {
        let kind = kinds.iter().find(|kind| kind.code == self.code);
        let kind = *kind.ok_or(Fault::UnknownType { code: self.code, known: kinds })?;
        if self.length > kind.limit {
            return Err(Fault::TooLong { kind, length: self.length.into() });
        }
        Ok(kind)
    }
    // [/check]

    /// The header of a value that is to be sent.
    ///
    /// # Errors
    /// [`Fault::TooLong`].
    pub fn of(kind: Kind, value: &[u8]) -> Result<Self, Fault> {
        match u32::try_from(value.len()) {
            Ok(length) if length <= kind.limit => Ok(Self { code: kind.code, length }),
            _ => Err(Fault::TooLong { kind, length: value.len() as u64 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tlv::{BINARY, LIMIT, VALUES};

    #[test]
    fn most_significant_octet_first() {
        let header = Header { code: 2, length: 0x0001_0203 };
        assert_eq!(header.emit(), [2, 0, 1, 2, 3]);
        assert_eq!(Header::parse(&[2, 0, 1, 2, 3]), header);
    }

    /// The limit is allowed; one more is not, and neither is the most that the field can say.
    #[test]
    fn the_limit_is_inclusive() {
        let header = |length| Header { code: 1, length };
        for length in [0, 1, LIMIT - 1, LIMIT] {
            assert_eq!(header(length).check(VALUES), Ok(BINARY));
        }
        for length in [LIMIT + 1, 1 << 30, u32::MAX] {
            let fault = Fault::TooLong { kind: BINARY, length: length.into() };
            assert_eq!(header(length).check(VALUES), Err(fault));
        }
        let unknown = Fault::UnknownType { code: 3, known: VALUES };
        assert_eq!(Header { code: 3, length: u32::MAX }.check(VALUES), Err(unknown), "the type comes first");
    }

    #[test]
    fn what_is_too_long_gets_no_header() {
        let kind = Kind { limit: 3, ..BINARY };
        assert_eq!(Header::of(kind, b"ebb"), Ok(Header { code: 1, length: 3 }));
        assert_eq!(Header::of(kind, b"tide"), Err(Fault::TooLong { kind, length: 4 }));
    }
}
