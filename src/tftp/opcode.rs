//! What a packet is: the table of opcodes.

use std::fmt;

/// The first sixteen bits of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// Read request.
    Rrq = 1,
    /// Write request.
    Wrq = 2,
    /// A block of the file.
    Data = 3,
    /// Acknowledgment of a block.
    Ack = 4,
    /// The end of the transfer.
    Error = 5,
    /// Acknowledgment of options (RFC 2347).
    Oack = 6,
}

impl Opcode {
    /// All of them, by number.
    pub const ALL: [Self; 6] = [Self::Rrq, Self::Wrq, Self::Data, Self::Ack, Self::Error, Self::Oack];

    /// The opcode with this number, if there is one.
    pub fn of(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|opcode| *opcode as u16 == code)
    }

    /// Whether `datagram` says that it is this packet. Nothing else is looked at.
    pub fn leads(self, datagram: &[u8]) -> bool {
        datagram.starts_with(&(self as u16).to_be_bytes())
    }

    /// As the RFCs write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rrq => "RRQ",
            Self::Wrq => "WRQ",
            Self::Data => "DATA",
            Self::Ack => "ACK",
            Self::Error => "ERROR",
            Self::Oack => "OACK",
        }
    }
}

impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
