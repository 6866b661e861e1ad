//! Unix domain sockets (unix(7)): conversations between two programs of one machine.
//!
//! Their addresses are names in the file system, so that permissions guard them. The kernel knows who is at the other end,
//! and carries open descriptors from one process to the other.

pub mod accounts;
pub mod connect;
pub mod credentials;
pub mod datagram;
pub mod file;
pub mod name;
pub mod options;
pub mod pass;
pub mod seqpacket;
pub mod stream;

pub use file::{Access, Bound};
pub use name::Name;

use socket2::Type;

/// What a Unix socket keeps of the writes that went in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `SOCK_STREAM`: a connection that carries octets. Where one write ended is lost.
    Stream,
    /// `SOCK_DGRAM`: no connection; a read gives what one write sent.
    Datagram,
    /// `SOCK_SEQPACKET`: a connection that carries packets. Linux has it, macOS has not.
    Seqpacket,
}

impl Kind {
    /// `unix`, `unixgram` or `unixpacket`: the scheme of its addresses here.
    pub fn scheme(self) -> &'static str {
        match self {
            Kind::Stream => "unix",
            Kind::Datagram => "unixgram",
            Kind::Seqpacket => "unixpacket",
        }
    }

    /// As people call it: `stream`, `datagram`, `seqpacket`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Stream => "stream",
            Kind::Datagram => "datagram",
            Kind::Seqpacket => "seqpacket",
        }
    }

    /// As socket(2) takes it.
    pub fn socket_type(self) -> Type {
        match self {
            Kind::Stream => Type::STREAM,
            Kind::Datagram => Type::DGRAM,
            Kind::Seqpacket => Type::SEQPACKET,
        }
    }
}
