//! The journal: what happened in one or several conversations, in the order in which it was seen.

use crate::human::{count, thousands};
pub use crate::relay::From;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What carries a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A TCP connection.
    Tcp,
    /// Datagrams between two UDP ports.
    Udp,
    /// A stream between two sockets of the file system.
    Unix,
    /// Datagrams between two sockets of the file system.
    UnixDatagram,
    /// A connection between two sockets of the file system that keeps packets apart.
    UnixPacket,
    /// Standard input and output of a program.
    Stdio,
}

impl Transport {
    /// Whether what one write sent stays one: datagrams and packets do, a stream does not.
    pub fn keeps_boundaries(self) -> bool {
        matches!(self, Transport::Udp | Transport::UnixDatagram | Transport::UnixPacket)
    }

    /// Whether a conversation begins with something on the wire. A datagram needs no connection, and a pipe is there from
    /// the start.
    pub fn connects(self) -> bool {
        matches!(self, Transport::Tcp | Transport::Unix | Transport::UnixPacket)
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The conversation began: for TCP, the handshake is done.
    Open,
    /// Octets went out. Chunks that follow each other from the same side are one event in a stream, and each an event of
    /// its own where the transport keeps datagrams apart.
    Data(From, Vec<u8>),
    /// This side will send no more (FIN).
    Close(From),
    /// This side threw the connection away (RST).
    Reset(From),
    /// From here on, so much of what this side sent is not in the record.
    Missing(From, Missing),
    /// Something that is not on the wire: a signal sent, a silence waited for, a line on standard error.
    Note(String),
}

/// What was carried and not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// How much of it, in octets.
    pub octets: u64,
    /// In how many datagrams; zero for a stream.
    pub datagrams: u64,
    /// Why.
    pub why: Why,
}

/// Why something is not in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The record is written too slowly, and the traffic does not wait for it.
    Slow,
    /// So many octets of this side are recorded, and no more.
    Limit(u64),
    /// Nobody asked for it.
    Unwanted,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        if self.datagrams > 0 {
            write!(f, "{} with ", count(number(self.datagrams), "datagram"))?;
        }
        write!(f, "{} not recorded: ", count(number(self.octets), "octet"))?;
        match self.why {
            Why::Slow => f.write_str("the recorder was too slow"),
            Why::Limit(limit) => write!(f, "past the first {}", thousands(number(limit))),
            Why::Unwanted => f.write_str("not asked for"),
        }
    }
}

/// One line of the journal.
#[derive(Clone, Debug)]
pub struct Event {
    /// Since the journal was opened.
    pub at: Duration,
    /// Index into [`Journal::conversations`]; `None` for what belongs to none.
    pub conversation: Option<usize>,
    /// What happened.
    pub kind: Kind,
}

/// Who talks to whom.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// How the octets travel.
    pub transport: Transport,
    /// The side that dialled. `None` where the transport has no socket addresses.
    pub client: Option<SocketAddr>,
    /// The side that listened.
    pub server: Option<SocketAddr>,
    /// For people: `client`, `server`, a program's name, a socket's path.
    pub client_name: String,
    /// For people.
    pub server_name: String,
}

/// A record that several threads write to. Clones are the same journal.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The clock on the wall when `start` was taken, for captures.
    wall: std::time::SystemTime,
    start: Instant,
    record: Mutex<Record>,
    limit: usize,
}

#[derive(Debug, Default)]
struct Record {
    conversations: Vec<Conversation>,
    events: Vec<Event>,
    octets: usize,
    left_out: usize,
}

impl Journal {
    /// A journal that keeps at most `limit` octets of data. What comes after that is counted, not kept.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Inner {
            wall: std::time::SystemTime::now(),
            start: Instant::now(),
            record: Mutex::default(),
            limit,
        }))
    }

    /// Begins a conversation and writes [`Kind::Open`]. Returns its index.
    pub fn open(&self, conversation: Conversation) -> usize {
        let mut record = self.lock();
        record.conversations.push(conversation);
        let index = record.conversations.len() - 1;
        self.push(&mut record, Some(index), Kind::Open);
        index
    }

    /// Octets from one side. In a stream they join the event before, when that came from the same side of the same
    /// conversation: where one segment ended and the next began is the network's business, not the dialogue's.
    pub fn data(&self, conversation: usize, from: From, octets: &[u8]) {
        let mut record = self.lock();
        let kept = &octets[..octets.len().min(self.0.limit.saturating_sub(record.octets))];
        record.octets += kept.len();
        record.left_out += octets.len() - kept.len();
        // Not a single octet of them: an empty event would look like an empty datagram.
        if kept.is_empty() && !octets.is_empty() {
            return;
        }
        let stream = record.conversations.get(conversation).is_some_and(|c| !c.transport.keeps_boundaries());
        if stream
            && let Some(Event { conversation: Some(c), kind: Kind::Data(side, data), .. }) = record.events.last_mut()
            && (*c, *side) == (conversation, from)
        {
            data.extend_from_slice(kept);
            return;
        }
        self.push(&mut record, Some(conversation), Kind::Data(from, kept.to_vec()));
    }

    /// Any other event.
    pub fn event(&self, conversation: usize, kind: Kind) {
        self.push(&mut self.lock(), Some(conversation), kind);
    }

    /// Something that belongs to no conversation.
    pub fn note(&self, text: impl Into<String>) {
        self.push(&mut self.lock(), None, Kind::Note(text.into()));
    }

    /// A copy of who talked to whom.
    pub fn conversations(&self) -> Vec<Conversation> {
        self.lock().conversations.clone()
    }

    /// A copy of what happened.
    pub fn events(&self) -> Vec<Event> {
        self.lock().events.clone()
    }

    /// How many octets were not kept.
    pub fn left_out(&self) -> usize {
        self.lock().left_out
    }

    /// The wall clock when the journal was opened.
    pub fn started(&self) -> std::time::SystemTime {
        self.0.wall
    }

    fn push(&self, record: &mut Record, conversation: Option<usize>, kind: Kind) {
        record.events.push(Event { at: self.0.start.elapsed(), conversation, kind });
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp() -> Conversation {
        Conversation {
            transport: Transport::Tcp,
            client: None,
            server: None,
            client_name: "client".into(),
            server_name: "server".into(),
        }
    }

    /// Segments of a stream are joined; a turn of the conversation starts a new event; the limit is kept and told.
    #[test]
    fn joins_and_limits() {
        let journal = Journal::new(8);
        let c = journal.open(tcp());
        journal.data(c, From::Client, b"ah");
        journal.data(c, From::Client, b"oy");
        journal.data(c, From::Server, b"ahoy!!");
        let kinds: Vec<Kind> = journal.events().into_iter().map(|e| e.kind).collect();
        assert_eq!(
            kinds,
            [Kind::Open, Kind::Data(From::Client, b"ahoy".to_vec()), Kind::Data(From::Server, b"ahoy".to_vec())]
        );
        journal.data(c, From::Client, b"nothing of this");
        assert_eq!(journal.events().len(), 3);
        assert_eq!(journal.left_out(), 17);
    }
}
