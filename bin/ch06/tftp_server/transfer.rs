//! One transfer, from the request to the last ACK.

use crate::Rules;
use crate::running::Seat;
use crate::shelf::Shelf;
use crate::tally::{Tally, add};
use netkata::exit::log;
use netkata::human::{count, duration, round_to, thousands};
use netkata::tftp::{BLOCK_SIZE, Block, Content, End, ErrorCode, Options, Pair, Peer, Request, Rto, lockstep, window};
use netkata::{datagram, hexdump};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Octets of a name that the log shows.
const SHOWN: usize = 100;

pub struct Transfer {
    name: Vec<u8>,
    /// Names and values, as they came.
    asked: Vec<(Vec<u8>, Vec<u8>)>,
    shelf: Arc<Shelf>,
    rules: Rules,
    tally: Arc<Tally>,
}

impl Transfer {
    pub fn new(request: &Request<'_>, shelf: Arc<Shelf>, rules: Rules, tally: Arc<Tally>) -> Self {
        let asked = request.options.iter().map(|pair| (pair.name.to_vec(), pair.value.to_vec())).collect();
        Self { name: request.filename.to_vec(), asked, shelf, rules, tally }
    }

    /// The whole of it. `seat` is given back at the end.
    pub fn run(&self, mut peer: Peer, seat: Seat) {
        let (client, name) = (peer.address(), hexdump::text(&self.name, SHOWN));
        let mut content = match self.shelf.find(&self.name) {
            Ok(content) => content,
            Err(refusal) => {
                // Before anybody hears that it is over.
                drop(seat);
                log(format_args!("{client}: refused {name} by {refusal}"));
                add(&self.tally.refused, 1);
                return peer.tell(refusal.code, &refusal.why);
            }
        };
        let granted = self.grant(&peer, &content);
        log(format_args!("{client}: requested {name} ({})", described(&granted)));
        peer.rto = Rto::new(self.rules.patience.timeout, self.rules.min_timeout);
        let start = Instant::now();
        let ended = send(&mut peer, &mut content, &granted);
        add(&self.tally.resent, peer.resent);
        if self.rules.verbose && peer.strangers > 0 {
            let strangers = usize::try_from(peer.strangers).unwrap_or(usize::MAX);
            log(format_args!("{client}: {} from other ports", count(strangers, "packet")));
        }
        // Before the log says that it is over.
        drop(seat);
        match ended {
            Ok(()) => self.finished(&peer, content.size(), &granted, start.elapsed()),
            Err(end) => self.failed(&peer, &end),
        }
    }

    fn grant(&self, peer: &Peer, content: &Content) -> Options {
        let asked: Vec<Pair<'_>> = self.asked.iter().map(|(name, value)| Pair { name, value }).collect();
        let route = || datagram::route_mtu(peer.address()).map(|mtu| largest_block(mtu, peer));
        self.rules.grants.map(|grants| grants.of(&asked, content.size(), route)).unwrap_or_default()
    }

    fn finished(&self, peer: &Peer, octets: u64, granted: &Options, took: Duration) {
        let blocks = octets / blksize(granted) as u64 + 1;
        add(&self.tally.finished, 1);
        add(&self.tally.blocks, blocks);
        add(&self.tally.octets, octets);
        let in_words = |n: u64, noun| count(usize::try_from(n).unwrap_or(usize::MAX), noun);
        let took = duration(round_to(took, Duration::from_micros(100)));
        let (client, resent) = (peer.address(), thousands(usize::try_from(peer.resent).unwrap_or(usize::MAX)));
        let (blocks, octets) = (in_words(blocks, "block"), in_words(octets, "octet"));
        log(format_args!("{client}: sent {blocks}, {octets} in {took}, {resent} resent"));
    }

    fn failed(&self, peer: &Peer, end: &End) {
        add(&self.tally.failed, 1);
        log(format_args!("{}: {end}", peer.address()));
        // To all others there is nothing to say, or nobody to say it to.
        if let End::File(_) = end {
            peer.tell(ErrorCode::NOT_DEFINED, &end.to_string());
        }
    }
}

fn send(peer: &mut Peer, content: &mut Content, granted: &Options) -> Result<(), End> {
    if let Some(seconds) = granted.timeout {
        peer.rto = Rto::fixed(Duration::from_secs(seconds.into()));
    }
    if let Some(oack) = granted.oack() {
        // ACK 0 says that the client agrees (RFC 2347).
        lockstep::deliver(peer, &oack, Block(0))?;
    }
    match granted.windowsize {
        None | Some(1) => lockstep::send(peer, content, blksize(granted)),
        Some(blocks) => window::send(peer, content, blksize(granted), blocks),
    }
}

fn blksize(granted: &Options) -> usize {
    granted.blksize.map_or(BLOCK_SIZE, usize::from)
}

/// What is left of a packet for the block, beside the headers of IP, UDP and TFTP.
fn largest_block(mtu: u32, peer: &Peer) -> u16 {
    let headers = if peer.address().is_ipv4() { 20 + 8 + 4 } else { 40 + 8 + 4 };
    u16::try_from(mtu.saturating_sub(headers)).unwrap_or(u16::MAX)
}

fn described(granted: &Options) -> String {
    let mut text = "octet".to_string();
    for (name, value) in granted.texts() {
        text += &format!(", {name} {value}");
    }
    text
}
