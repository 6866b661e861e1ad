//! The tap: a conversation as it was seen, octet by octet and in order.
//!
//! Whoever takes part in a conversation (the grader) or stands between two who do (a [`relay`]) writes what happens into a
//! [`Journal`]. The same journal becomes a dialogue in a failure message ([`dialogue`]), a sequence diagram in a lesson
//! ([`svg`]), or a capture that Wireshark opens ([`pcapng`]).

mod chart;
pub mod datagram_relay;
pub mod datagrams;
pub mod dialogue;
mod door;
pub mod files;
pub mod journal;
pub mod live;
mod packet;
pub mod pcapng;
pub mod protocol;
pub mod record;
mod recorder;
pub mod relay;
pub mod seqpackets;
pub mod svg;
pub mod unix_relay;
pub mod unixgrams;
mod wire;

pub use journal::{Conversation, Event, From, Journal, Kind, Missing, Transport, Why};
