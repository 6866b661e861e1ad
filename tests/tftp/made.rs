//! Packets to begin with: all six, with random fields, owned so that a strategy can hold them.

use netkata::tftp::{Block, ErrorCode, Packet, Pair, Request};
use proptest::collection::vec;
use proptest::prelude::*;

type Text = Vec<u8>;

/// A packet with octets of its own.
#[derive(Clone, Debug)]
pub(crate) enum Made {
    Request { write: bool, filename: Text, mode: Text, options: Vec<(Text, Text)> },
    Data(u16, Vec<u8>),
    Ack(u16),
    Error(u16, Text),
    Oack(Vec<(Text, Text)>),
}

/// One of each, in the order of the opcodes.
pub(crate) const EACH: [fn() -> Made; 6] = [
    || Made::Request { write: false, filename: b"tides".into(), mode: b"octet".into(), options: vec![] },
    || Made::Request { write: true, filename: b"log".into(), mode: b"netascii".into(), options: vec![] },
    || Made::Data(1, b"ebb".into()),
    || Made::Ack(0),
    || Made::Error(1, b"no tides".into()),
    || Made::Oack(vec![(b"tsize".into(), b"3".into())]),
];

impl Made {
    pub(crate) fn packet(&self) -> Packet<'_> {
        match self {
            Self::Request { write, filename, mode, .. } => {
                let request = Request { filename, mode, options: self.pairs() };
                if *write { Packet::Wrq(request) } else { Packet::Rrq(request) }
            }
            Self::Data(block, payload) => Packet::Data { block: Block(*block), payload },
            Self::Ack(block) => Packet::Ack { block: Block(*block) },
            Self::Error(code, message) => Packet::Error { code: ErrorCode(*code), message },
            Self::Oack(_) => Packet::Oack(self.pairs()),
        }
    }

    pub(crate) fn pairs(&self) -> Vec<Pair<'_>> {
        match self {
            Self::Request { options, .. } | Self::Oack(options) => {
                options.iter().map(|(name, value)| Pair { name, value }).collect()
            }
            _ => vec![],
        }
    }
}

fn text(octets: std::ops::Range<usize>) -> impl Strategy<Value = Text> {
    vec(1_u8..=255, octets)
}

fn options() -> impl Strategy<Value = Vec<(Text, Text)>> {
    vec((text(1..12), text(0..12)), 0..5)
}

/// A read or write request of at most 512 octets.
pub(crate) fn request() -> impl Strategy<Value = Made> {
    (any::<bool>(), text(1..200), text(1..12), options()).prop_map(|(write, filename, mode, options)| Made::Request {
        write,
        filename,
        mode,
        options,
    })
}

/// Any packet.
pub(crate) fn packet() -> impl Strategy<Value = Made> {
    prop_oneof![
        request(),
        (any::<u16>(), vec(any::<u8>(), 0..600)).prop_map(|(block, payload)| Made::Data(block, payload)),
        any::<u16>().prop_map(Made::Ack),
        (any::<u16>(), text(0..100)).prop_map(|(code, message)| Made::Error(code, message)),
        options().prop_map(Made::Oack),
    ]
}

/// A packet of few octets, for tests that try each of them with each value.
pub(crate) fn short_packet() -> impl Strategy<Value = Made> {
    let few = || vec((text(1..4), text(0..4)), 0..3);
    prop_oneof![
        (any::<bool>(), text(1..5), text(1..6), few()).prop_map(|(write, filename, mode, options)| Made::Request {
            write,
            filename,
            mode,
            options
        }),
        (any::<u16>(), vec(any::<u8>(), 0..8)).prop_map(|(block, payload)| Made::Data(block, payload)),
        any::<u16>().prop_map(Made::Ack),
        (any::<u16>(), text(0..8)).prop_map(|(code, message)| Made::Error(code, message)),
        few().prop_map(Made::Oack),
    ]
}
