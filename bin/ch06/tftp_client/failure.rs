//! Why there is no file, whether the server has to be told, and how a person is told.

use crate::args::Args;
use crate::name::shown;
use netkata::error::{NetError, cause_text};
use netkata::human;
use netkata::tftp::{ErrorCode, Fault, Opcode};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// What ended the transfer.
#[derive(Debug)]
pub enum Failure {
    /// The server did, by an ERROR.
    Server { code: ErrorCode, message: Vec<u8> },
    /// The server sent what it may not: it is told so.
    Protocol { code: ErrorCode, what: String },
    /// The file cannot be kept here: the server is told that as well.
    Local(NetError),
    /// The file came whole, and is not the one that was wanted. The server has done its part.
    Unwanted(String),
    /// Nothing more came.
    Silence { waited: Duration, sent: u32, stranger: Option<SocketAddr>, complaint: Option<io::Error> },
    /// The system says that there is no way.
    Network(io::Error),
}

impl Failure {
    /// An answer that is a packet, and not the one that may come now.
    pub fn unexpected(got: Opcode) -> Self {
        Self::illegal(format!("{got} is no answer to a client that reads"))
    }

    /// Something that RFC 1350 has no place for.
    pub fn illegal(what: impl Into<String>) -> Self {
        Self::Protocol { code: ErrorCode::ILLEGAL_OPERATION, what: what.into() }
    }

    /// A file that is too large.
    pub fn too_large(what: impl Into<String>) -> Self {
        Self::Protocol { code: ErrorCode::DISK_FULL, what: what.into() }
    }

    /// Whether a host said that nobody has the port.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Network(e) if e.kind() == io::ErrorKind::ConnectionRefused)
    }

    /// What the server has to know: whoever ends a transfer says so, once (RFC 1350, section 7). An ERROR is no answer to
    /// an ERROR.
    pub fn for_the_server(&self) -> Option<(ErrorCode, String)> {
        match self {
            Self::Protocol { code, what } => Some((*code, what.clone())),
            Self::Local(e) => Some((ErrorCode::DISK_FULL, cause_text(e.cause()))),
            Self::Silence { .. } => Some((ErrorCode::NOT_DEFINED, "no answer in time".into())),
            Self::Server { .. } | Self::Unwanted(_) | Self::Network(_) => None,
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::illegal(fault.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { code, message } => {
                write!(f, "{} ({})", code.meaning(), code.0)?;
                if message.is_empty() { Ok(()) } else { write!(f, ": \"{}\"", shown(message)) }
            }
            Self::Protocol { what, .. } | Self::Unwanted(what) => f.write_str(what),
            Self::Local(e) => e.fmt(f),
            Self::Silence { waited, sent, stranger, complaint } => {
                let (sent, waited) = (human::count(*sent as usize, "try"), human::duration(*waited));
                write!(f, "no answer within {waited} ({})", sent.replace("trys", "tries"))?;
                if let Some(cause) = complaint {
                    write!(f, "; the network says: {}", cause_text(cause))?;
                }
                match stranger {
                    Some(who) => write!(f, "; udp://{who} sent something, and was not asked"),
                    None => Ok(()),
                }
            }
            Self::Network(e) if self.is_refusal() => write!(f, "{}: nobody has that port", cause_text(e)),
            Self::Network(e) => f.write_str(&cause_text(e)),
        }
    }
}

/// A failure with what was tried: `get tides.txt from udp://127.0.0.1:7069: file not found (1): "no tides"`.
pub struct Failed(String);

impl Failed {
    pub fn new(args: &Args, server: SocketAddr, failure: Failure) -> Self {
        Self(format!("get {} from udp://{server}: {failure}", args.source.shown()))
    }

    /// Nobody was asked yet.
    pub fn plain(e: impl fmt::Display) -> Self {
        Self(e.to_string())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
