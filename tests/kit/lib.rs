//! The grader's tools.
//!
//! A *subject* is the program under test. A *check* is one rule of its contract, tried in a dialogue with it. Checks
//! speak to a process over sockets, so the subject may be written in any language.
//!
//! ```text
//! let mut c = s.connect()?;
//! c.send(b"ahoy")?;
//! c.expect(b"ahoy").because("RFC 862: the data received is sent back")?;
//! c.half_close()?;
//! c.expect_close(Close::Fin)?;
//! ```
//!
//! Every expectation waits for octets to be seen, with a deadline. Everything that happens is written into a journal;
//! when an expectation fails, the journal is the message.

// A failure ends its check: what it weighs does not matter.
#![allow(clippy::result_large_err)]

pub mod capture;
pub mod check;
pub mod console;
pub mod consumed;
pub mod datagram;
pub mod failure;
pub mod listener;
pub mod lossy;
pub mod message;
pub mod mutant;
pub mod output;
pub mod package;
pub mod packets;
pub mod patience;
pub mod program;
pub mod scene;
pub mod stream;
pub mod subject;
pub mod talk;
pub mod tftp;
pub mod tftp_server;
pub mod udp_upstream;
pub mod unix_datagram;
pub mod upstream;

pub use check::{Check, Kind, Program};
pub use failure::{Because, Failure, Outcome};
pub use scene::Scene;
pub use talk::{Close, Talk};

/// What every file of checks wants in scope.
pub mod prelude {
    pub use crate::check::Program;
    pub use crate::failure::{Because, Failure, Outcome};
    pub use crate::lossy::{Fault, Faults, LossyLink, Nth};
    pub use crate::packets::{Packet, PacketTalk};
    pub use crate::patience::PATIENCE;
    pub use crate::scene::Scene;
    pub use crate::talk::{Close, Talk};
    pub use crate::tftp_server::{TftpServer, Transfer};
    pub use crate::udp_upstream::UdpUpstream;
    pub use crate::upstream::Upstream;
    pub use std::time::{Duration, Instant};
    /// Milliseconds, for deadlines in checks.
    pub const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }
}
