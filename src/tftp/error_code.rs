//! What an ERROR packet's number means (RFC 1350, appendix; RFC 2347 for 8).

use std::fmt;

/// The number in an ERROR packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u16);

impl ErrorCode {
    /// Not defined: the message says more, if anything does.
    pub const NOT_DEFINED: Self = Self(0);
    /// File not found.
    pub const FILE_NOT_FOUND: Self = Self(1);
    /// Access violation.
    pub const ACCESS_VIOLATION: Self = Self(2);
    /// Disk full or allocation exceeded.
    pub const DISK_FULL: Self = Self(3);
    /// Illegal TFTP operation.
    pub const ILLEGAL_OPERATION: Self = Self(4);
    /// Unknown transfer ID: a packet from a port that has no part in the transfer. The only ERROR that ends nothing
    /// (RFC 1350, sections 2 and 4).
    pub const UNKNOWN_TRANSFER_ID: Self = Self(5);
    /// File already exists.
    pub const FILE_EXISTS: Self = Self(6);
    /// No such user.
    pub const NO_SUCH_USER: Self = Self(7);
    /// Terminate a transfer because of the options (RFC 2347).
    pub const OPTION_NEGOTIATION: Self = Self(8);

    /// What the RFCs call it.
    pub fn meaning(self) -> &'static str {
        match self.0 {
            0 => "not defined",
            1 => "file not found",
            2 => "access violation",
            3 => "disk full or allocation exceeded",
            4 => "illegal TFTP operation",
            5 => "unknown transfer ID",
            6 => "file already exists",
            7 => "no such user",
            8 => "option negotiation failed",
            _ => "a code that no RFC defines",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0, self.meaning())
    }
}
