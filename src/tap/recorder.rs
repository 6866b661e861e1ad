//! What writes a relayed connection into a journal.

use super::journal::{From, Journal, Kind};
use crate::error::cause_text;
use crate::human;
use crate::relay::Watch;
use std::io;
use std::time::Duration;

/// Writes one conversation.
pub(super) struct Recorder<'a> {
    pub(super) journal: &'a Journal,
    pub(super) conversation: usize,
}

impl Watch for Recorder<'_> {
    fn data(&mut self, from: From, octets: &[u8]) {
        self.journal.data(self.conversation, from, octets);
    }

    fn closed(&mut self, from: From) {
        self.journal.event(self.conversation, Kind::Close(from));
    }

    fn broken(&mut self, from: From, e: &io::Error) {
        self.journal.event(self.conversation, verdict(from, e));
    }

    fn idle(&mut self, limit: Duration) {
        let text = format!("nothing for {}: the relay reset both sides", human::duration(limit));
        self.journal.event(self.conversation, Kind::Note(text));
    }
}

/// How a failed read or write is told.
pub(super) fn verdict(from: From, e: &io::Error) -> Kind {
    use io::ErrorKind as K;
    match e.kind() {
        K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::NotConnected => Kind::Reset(from),
        _ => Kind::Note(format!("the connection broke: {}", cause_text(e))),
    }
}
