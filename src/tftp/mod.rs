//! TFTP's packets, octet by octet (RFC 1350), with the option extension (RFC 2347) and the options `blksize` (RFC 2348),
//! `timeout` and `tsize` (RFC 2349) and `windowsize` (RFC 7440).
//!
//! ```text
//! RRQ, WRQ   00 01 | filename | 00 | mode | 00 [| option | 00 | value | 00]…       02 to write
//! DATA       00 03 | block    | octets of the file: as many as a block has, fewer in the last one
//! ACK        00 04 | block
//! ERROR      00 05 | code     | message | 00
//! OACK       00 06 | option | 00 | value | 00 …
//! ```
//!
//! A datagram is all that will ever come of a packet, so one that was cut short is as wrong as one with a wrong octet.
//! [`Fault::is_incomplete`] still tells the two apart: the first points at a buffer that was too short.
//!
//! The sending side of a transfer is here as well: the other side's port ([`Peer`]), a file below a folder ([`Root`]), its blocks
//! ([`Content`]), one at a time ([`lockstep`]) or several ([`window`]). How long either side waits, [`Rto`] knows.

mod block;
mod content;
mod end;
mod error_code;
mod fault;
mod grant;
pub mod lockstep;
mod opcode;
mod options;
mod packet;
mod peer;
mod refusal;
mod request;
mod root;
mod rto;
mod segments;
mod shown;
pub mod window;

pub use block::Block;
pub use content::Content;
pub use end::End;
pub use error_code::ErrorCode;
pub use fault::{Fault, What};
pub use grant::Grants;
pub use opcode::Opcode;
pub use options::{BLKSIZE, Misuse, Options, Pair, TIMEOUT, WINDOWSIZE, pairs};
pub use packet::Packet;
pub use peer::{Ender, Patience, Peer};
pub use request::{LONGEST_REQUEST, Mode, Request};
pub use root::{Refusal, Root};
pub use rto::Rto;

/// The port that requests go to. The transfer itself runs between two ports that both sides pick (RFC 1350, section 4).
pub const PORT: u16 = 69;
/// Octets in a block unless `blksize` was agreed on (RFC 1350, section 2).
pub const BLOCK_SIZE: usize = 512;
/// Octets before the file's own in a DATA packet: opcode and block number.
pub const DATA_HEADER: usize = 4;

/// Where things are in a packet: octets, counted from its first.
pub mod field {
    use std::ops::{Range, RangeFrom};

    /// What the packet is; most significant octet first, as all numbers here.
    pub const OPCODE: Range<usize> = 0..2;
    /// RRQ, WRQ, OACK: texts, each ended by a NUL.
    pub const TEXTS: RangeFrom<usize> = 2..;
    /// DATA, ACK: the block's number.
    pub const BLOCK: Range<usize> = 2..4;
    /// DATA: octets of the file.
    pub const PAYLOAD: RangeFrom<usize> = 4..;
    /// ERROR: what went wrong, as a number.
    pub const CODE: Range<usize> = 2..4;
    /// ERROR: what went wrong, in words, ended by a NUL.
    pub const MESSAGE: RangeFrom<usize> = 4..;
}
