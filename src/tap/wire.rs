//! The packets that a journal's conversations were, or would have been, on the wire.
//!
//! The journal knows what was said, not how it was cut into packets. So the packets here are the plainest that TCP
//! allows: no loss, no delay, an acknowledgment for every second segment (RFC 9293, section 3.8.6.3).

use super::journal::{Conversation, From, Journal, Kind, Missing, Transport};
use super::packet::{Path, Segment, tcp, tcp_packet, udp_packet};
use crate::human::count;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// A packet of the capture.
#[derive(Debug)]
pub(super) struct Packet {
    /// Since the journal was opened.
    pub(super) at: Duration,
    /// From the IP header on.
    pub(super) octets: Vec<u8>,
    /// For people.
    pub(super) comments: Vec<String>,
}

/// Where the client of a conversation without socket addresses is said to be.
const MADE_UP_CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
/// Where its server is said to be.
const MADE_UP_SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// The made-up clients' ports are counted up from here: the dynamic ports (RFC 6335, section 6).
const FIRST_DYNAMIC_PORT: u16 = 49_152;
/// How many ports there are from [`FIRST_DYNAMIC_PORT`] on.
const DYNAMIC_PORTS: usize = 1 << 14;
/// The made-up servers' port. No protocol has it, so that Wireshark does not look for one in the octets.
const MADE_UP_PORT: u16 = 60_000;

/// The first sequence numbers of a conversation are this far from those of the one before.
const SEQUENCE_STEP: u32 = 0x0200_0000;

/// All packets, in order, and the notes that no packet was there to carry.
pub(super) fn packets(journal: &Journal) -> (Vec<Packet>, Vec<String>) {
    let mut wires = Wires::default();
    for (index, conversation) in journal.conversations().into_iter().enumerate() {
        wires.begin(index, conversation);
    }
    let mut packets = Vec::new();
    for event in journal.events() {
        packets.extend(wires.packets(event.at, event.conversation, &event.kind));
    }
    let comments = wires.left();
    match packets.last_mut() {
        Some(last) => last.comments.extend(comments.into_iter().map(|text| format!("afterwards: {text}"))),
        None => return (packets, comments),
    }
    (packets, Vec::new())
}

/// The conversations that are under way, for packets to be made of what happens, event by event.
#[derive(Debug, Default)]
pub(super) struct Wires {
    wires: HashMap<usize, Wire>,
    trace: Trace,
}

impl Wires {
    /// A conversation, before its [`Kind::Open`].
    pub(super) fn begin(&mut self, index: usize, conversation: Conversation) {
        self.wires.insert(index, Wire::new(index, conversation));
    }

    /// Nothing more comes of it.
    pub(super) fn end(&mut self, index: usize) {
        self.wires.remove(&index);
    }

    /// The packets of one event.
    pub(super) fn packets(&mut self, at: Duration, conversation: Option<usize>, kind: &Kind) -> Vec<Packet> {
        self.trace.at = at;
        match (kind, conversation.and_then(|c| self.wires.get_mut(&c))) {
            (Kind::Note(text), _) => self.trace.comments.push(text.clone()),
            (kind, Some(wire)) => wire.event(kind, &mut self.trace),
            (_, None) => {}
        }
        std::mem::take(&mut self.trace.packets)
    }

    /// The notes that no packet has carried yet.
    pub(super) fn left(self) -> Vec<String> {
        self.trace.comments
    }
}

/// The packets so far.
#[derive(Debug, Default)]
struct Trace {
    at: Duration,
    packets: Vec<Packet>,
    /// Waiting for the next packet.
    comments: Vec<String>,
}

impl Trace {
    fn push(&mut self, octets: Vec<u8>) {
        self.packets.push(Packet { at: self.at, octets, comments: std::mem::take(&mut self.comments) });
    }
}

/// One conversation on its way into packets.
#[derive(Debug)]
struct Wire {
    conversation: Conversation,
    /// From the client to the server.
    path: Path,
    client: Side,
    server: Side,
}

#[derive(Clone, Copy, Debug)]
struct Side {
    /// The sequence number of the next octet.
    next: u32,
    /// It has sent its FIN, or its RST.
    done: bool,
    /// It has thrown the connection away, and answers no more.
    reset: bool,
}

impl Wire {
    fn new(index: usize, conversation: Conversation) -> Self {
        let port = FIRST_DYNAMIC_PORT + (index % DYNAMIC_PORTS) as u16;
        let from = conversation.client.unwrap_or(SocketAddr::from((MADE_UP_CLIENT, port)));
        let to = conversation.server.unwrap_or(SocketAddr::from((MADE_UP_SERVER, MADE_UP_PORT)));
        // A later conversation between the same two ports begins elsewhere, so that its SYN is not taken for an old one.
        let first = (index as u32).wrapping_mul(SEQUENCE_STEP);
        let side = |next| Side { next, done: false, reset: false };
        Self {
            conversation,
            path: Path { from, to },
            client: side(first),
            server: side(first.wrapping_add(SEQUENCE_STEP / 2)),
        }
    }

    fn event(&mut self, kind: &Kind, trace: &mut Trace) {
        let datagrams = self.conversation.transport.keeps_boundaries();
        match kind {
            Kind::Open => {
                trace.comments.extend(self.disguise());
                if !datagrams {
                    self.handshake(trace);
                }
            }
            Kind::Data(from, octets) if datagrams => self.datagram(*from, octets, trace),
            Kind::Data(from, octets) => self.stream(*from, octets, trace),
            // UDP has no word for it, and nothing else on the wire keeps packets apart.
            Kind::Close(from) if datagrams => {
                trace.comments.push(format!("the {} closed its socket", self.name(*from)));
            }
            Kind::Reset(from) if datagrams => trace.comments.push(format!("the {} was gone", self.name(*from))),
            Kind::Close(from) => self.fin(*from, trace),
            Kind::Reset(from) => self.rst(*from, trace),
            Kind::Missing(from, missing) => self.skip(*from, missing, trace),
            Kind::Note(text) => trace.comments.push(text.clone()),
        }
    }

    /// Octets that went by unseen have their sequence numbers all the same: a reader of the capture finds a hole, as long
    /// as they were, and what comes next in its right place.
    fn skip(&mut self, from: From, missing: &Missing, trace: &mut Trace) {
        trace.comments.push(format!("from the {}: {missing}", self.name(from)));
        // Sequence numbers are counted modulo 2³² (RFC 9293, section 3.4).
        if !self.side(from).done {
            self.side(from).next = self.side(from).next.wrapping_add(missing.octets as u32);
        }
    }

    /// What the conversation really was, when its addresses are made up.
    fn disguise(&self) -> Option<String> {
        let Conversation { transport, client, server, client_name, server_name } = &self.conversation;
        if client.is_some() && server.is_some() {
            return None;
        }
        let what = match transport {
            Transport::Tcp => "TCP",
            Transport::Udp => "UDP",
            Transport::Unix => "a Unix socket",
            Transport::UnixDatagram => "Unix datagrams",
            Transport::UnixPacket => "sequenced packets of Unix sockets",
            Transport::Stdio => "standard input and output",
        };
        Some(format!("really {what} between {client_name} and {server_name}; addresses and ports are made up"))
    }

    /// RFC 9293, section 3.5.
    fn handshake(&mut self, trace: &mut Trace) {
        self.send(From::Client, tcp::SYN, &[], trace);
        self.send(From::Server, tcp::SYN | tcp::ACK, &[], trace);
        self.send(From::Client, tcp::ACK, &[], trace);
    }

    /// Octets that come after the sender's own FIN or RST are left out: TCP has no way to carry them.
    fn stream(&mut self, from: From, octets: &[u8], trace: &mut Trace) {
        if self.side(from).done {
            return;
        }
        let chunks = octets.chunks(self.path.segment_limit());
        let last = chunks.len();
        for (n, chunk) in (1..).zip(chunks) {
            let push = if n == last { tcp::PSH } else { 0 };
            self.send(from, push | tcp::ACK, chunk, trace);
            if n == last || n % 2 == 0 {
                self.acknowledge(from.other(), trace);
            }
        }
    }

    fn fin(&mut self, from: From, trace: &mut Trace) {
        if self.side(from).done {
            return;
        }
        self.send(from, tcp::FIN | tcp::ACK, &[], trace);
        self.side(from).done = true;
        self.acknowledge(from.other(), trace);
    }

    fn rst(&mut self, from: From, trace: &mut Trace) {
        if self.side(from).reset {
            return;
        }
        self.send(from, tcp::RST | tcp::ACK, &[], trace);
        *self.side(from) = Side { done: true, reset: true, ..*self.side(from) };
    }

    fn acknowledge(&mut self, from: From, trace: &mut Trace) {
        if !self.side(from).reset {
            self.send(from, tcp::ACK, &[], trace);
        }
    }

    fn send(&mut self, from: From, flags: u8, data: &[u8], trace: &mut Trace) {
        let sequence = self.side(from).next;
        let acknowledgment = if flags & tcp::ACK == 0 { 0 } else { self.side(from.other()).next };
        trace.push(tcp_packet(self.path(from), Segment { sequence, acknowledgment, flags, data }));
        // SYN and FIN take up a sequence number each, so that they can be acknowledged.
        let flag = u32::from(flags & (tcp::SYN | tcp::FIN) != 0);
        self.side(from).next = sequence.wrapping_add(data.len() as u32).wrapping_add(flag);
    }

    fn datagram(&mut self, from: From, octets: &[u8], trace: &mut Trace) {
        let path = self.path(from);
        let kept = &octets[..octets.len().min(path.datagram_limit())];
        if kept.len() < octets.len() {
            trace.comments.push(format!("cut: the datagram had {}", count(octets.len(), "octet")));
        }
        trace.push(udp_packet(path, kept));
    }

    fn side(&mut self, from: From) -> &mut Side {
        match from {
            From::Client => &mut self.client,
            From::Server => &mut self.server,
        }
    }

    fn path(&self, from: From) -> Path {
        match from {
            From::Client => self.path,
            From::Server => self.path.reversed(),
        }
    }

    fn name(&self, from: From) -> &str {
        match from {
            From::Client => &self.conversation.client_name,
            From::Server => &self.conversation.server_name,
        }
    }
}
