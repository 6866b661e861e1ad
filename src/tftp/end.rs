//! How a transfer can end before its time.

use super::ErrorCode;
use crate::error::cause_text;
use crate::hexdump;
use crate::human::count;
use std::fmt;
use std::io;

/// Octets of an ERROR's text that are kept.
const SHOWN: usize = 100;

/// Why a transfer ended before its time.
#[derive(Debug)]
pub enum End {
    /// The other side sent an ERROR.
    Told(ErrorCode, String),
    /// No answer, however often it was sent.
    Silent(u32),
    /// The other side's host refuses what is sent to that port (ICMP).
    Gone,
    /// Another thread called [`super::Ender::end`].
    Called,
    /// The socket fails.
    Socket(io::Error),
    /// The file fails, or is no longer what it was.
    File(io::Error),
}

impl End {
    /// An ERROR came.
    pub fn told(code: ErrorCode, message: &[u8]) -> Self {
        Self::Told(code, hexdump::text(message, SHOWN))
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(code, message) if message.is_empty() => write!(f, "the client sent ERROR {code}"),
            Self::Told(code, message) => write!(f, "the client sent ERROR {code}: {message}"),
            Self::Silent(sends) => write!(f, "no answer to {}", count(*sends as usize, "packet")),
            Self::Gone => f.write_str("the client has gone: its port is closed"),
            Self::Called => f.write_str("ended for another request from that port"),
            Self::Socket(e) | Self::File(e) => f.write_str(&cause_text(e)),
        }
    }
}
