//! Block numbers: sixteen bits, and what happens after 65,535.

use std::fmt;

/// The number of a block. The first block of a file is 1, and 0 stands for the request: an ACK of block 0 answers an
/// OACK, or lets a writer begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Block(pub u16);

impl Block {
    /// The block after this one. After 65,535 comes 0: RFC 1350 does not say so, but it is what nearly everybody does,
    /// and a file of 33,553,920 octets and more needs it.
    #[must_use]
    pub fn next(self) -> Self {
        self + 1
    }

    /// How many blocks after `earlier` this one is, counted around the wrap. A block that is *before* `earlier` gives a
    /// number near 65,535: compare with the size of the window.
    pub fn since(self, earlier: Self) -> u16 {
        self.0.wrapping_sub(earlier.0)
    }
}

impl std::ops::Add<u16> for Block {
    type Output = Self;

    fn add(self, blocks: u16) -> Self {
        Self(self.0.wrapping_add(blocks))
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
