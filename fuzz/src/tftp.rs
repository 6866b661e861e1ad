//! TFTP: whatever a datagram holds is a packet that is written again as it came, or a fault with its place; and what is read of
//! the options stands there.
//!
//! `tftp` is noise and packets of all kinds; the others begin with one kind of packet each, and spoil it.

use crate::mutate::{mutate, noise};
use fastrand::Rng;
use netkata::tftp::{BLKSIZE, Block, ErrorCode, Mode, Options, Packet, Pair, Request, TIMEOUT, WINDOWSIZE, pairs};
use netkata::tftp::{LONGEST_REQUEST, Opcode, What, field};

/// Numbers that are worth a try in two octets or four: opcodes, block numbers at the wrap, codes.
const NUMBERS: [u32; 8] = [0x0001_0000, 0x0003_ffff, 0x0004_0000, 0x0005_0008, 0x0006_0000, 0xffff, 7, 0x6f63_7400];
/// Values at the limits of the options, and beside them.
const VALUES: [&str; 14] =
    ["", "0", "1", "7", "8", "255", "256", "65464", "65465", "65535", "65536", "-1", "1428 ", "18446744073709551616"];
const NAMES: [&str; 7] = ["blksize", "TimeOut", "tsize", "WINDOWSIZE", "windowsize", "multicast", ""];

/// A packet of any kind, or noise.
pub fn make(rng: &mut Rng) -> Vec<u8> {
    match rng.usize(..8) {
        0 => noise(rng, 64),
        1 => [&[0, rng.u8(..9)], &noise(rng, 600)[..]].concat(),
        n => [make_rrq, make_wrq, make_data, make_ack, make_error, make_oack][n - 2](rng),
    }
}

/// A read request.
pub fn make_rrq(rng: &mut Rng) -> Vec<u8> {
    request(rng, Opcode::Rrq)
}

/// A write request.
pub fn make_wrq(rng: &mut Rng) -> Vec<u8> {
    request(rng, Opcode::Wrq)
}

/// A block.
pub fn make_data(rng: &mut Rng) -> Vec<u8> {
    let payload = noise(rng, 1428);
    let block = Block(rng.u16(..));
    spoilt(rng, &Packet::Data { block, payload: &payload })
}

/// An acknowledgment.
pub fn make_ack(rng: &mut Rng) -> Vec<u8> {
    let block = Block(rng.u16(..));
    spoilt(rng, &Packet::Ack { block })
}

/// An error.
pub fn make_error(rng: &mut Rng) -> Vec<u8> {
    let message = text(rng, 80);
    let code = ErrorCode(rng.u16(..10));
    spoilt(rng, &Packet::Error { code, message: &message })
}

/// An acknowledgment of options.
pub fn make_oack(rng: &mut Rng) -> Vec<u8> {
    let options = options(rng);
    spoilt(rng, &Packet::Oack(borrowed(&options)))
}

fn request(rng: &mut Rng, opcode: Opcode) -> Vec<u8> {
    let (filename, options) = (text(rng, 500), options(rng));
    let mode: &[u8] = rng.choice([&b"octet"[..], b"NETASCII", b"mail", b"tide"]).unwrap_or_default();
    let request = Request { filename: &filename, mode, options: borrowed(&options) };
    spoilt(rng, &if opcode == Opcode::Wrq { Packet::Wrq(request) } else { Packet::Rrq(request) })
}

type Texts = Vec<(Vec<u8>, Vec<u8>)>;

fn options(rng: &mut Rng) -> Texts {
    let option = |rng: &mut Rng| {
        let name = rng.choice(NAMES).unwrap_or_default().as_bytes().to_vec();
        let value = match rng.bool() {
            true => rng.choice(VALUES).unwrap_or_default().as_bytes().to_vec(),
            false => rng.u32(..70_000).to_string().into_bytes(),
        };
        (name, value)
    };
    (0..rng.usize(..5)).map(|_| option(rng)).collect()
}

fn borrowed(texts: &Texts) -> Vec<Pair<'_>> {
    texts.iter().map(|(name, value)| Pair { name, value }).collect()
}

/// Short mostly, seldom empty, seldom with a NUL.
fn text(rng: &mut Rng, most: usize) -> Vec<u8> {
    let most = rng.usize(..=most);
    (0..rng.usize(..=most)).map(|_| if rng.u8(..) == 0 { 0 } else { rng.u8(1..) }).collect()
}

/// The packet's octets, changed more often than not. One that may not be sent is put together all the same.
fn spoilt(rng: &mut Rng, packet: &Packet<'_>) -> Vec<u8> {
    let mut octets = packet.emit().unwrap_or_else(|_| by_hand(packet));
    if rng.u8(..4) > 0 {
        mutate(rng, &mut octets, &NUMBERS);
    }
    octets
}

/// What a peer without a conscience would send.
fn by_hand(packet: &Packet<'_>) -> Vec<u8> {
    let mut octets = vec![0, packet.opcode() as u8];
    let texts =
        |pairs: &[Pair<'_>]| pairs.iter().flat_map(|p| [p.name, b"\0", p.value, b"\0"].concat()).collect::<Vec<_>>();
    match packet {
        Packet::Rrq(r) | Packet::Wrq(r) => {
            octets.extend([r.filename, b"\0", r.mode, b"\0"].concat());
            octets.extend(texts(&r.options));
        }
        Packet::Oack(pairs) => octets.extend(texts(pairs)),
        Packet::Error { code, message } => {
            octets.extend([&code.0.to_be_bytes(), *message, b"\0"].concat());
        }
        Packet::Data { .. } | Packet::Ack { .. } => {}
    }
    octets
}

/// - No panic.
/// - What was understood, written again, is what came.
/// - A fault is in the datagram, or at its end; it is at the end exactly when more octets might have helped.
/// - Another way to read it, without an iterator over texts, says the same of what is right and what is not.
/// - An option that is read has its limits, stands there as digits, and comes back when it is written and read again.
/// - It is shown on one line that is not long.
pub fn check(octets: &[u8]) {
    let parsed = Packet::parse(octets);
    assert_eq!(parsed.is_ok(), is_right(octets), "both ways to read it say the same: {parsed:?}");
    let shown = match &parsed {
        Ok(packet) => packet.to_string(),
        Err(fault) => fault.to_string(),
    };
    assert!(!shown.contains(char::is_control) && shown.len() < 3000, "{shown}");
    match parsed {
        Ok(packet) => {
            assert_eq!(packet.emit().as_deref(), Ok(octets), "written again, it is what came");
            match packet {
                Packet::Rrq(Request { options, mode, .. }) | Packet::Wrq(Request { options, mode, .. }) => {
                    assert!(Mode::of(mode).is_none_or(|m| mode.eq_ignore_ascii_case(m.name().as_bytes())));
                    check_options(&options);
                }
                Packet::Oack(options) => check_options(&options),
                Packet::Data { payload, .. } => assert_eq!(payload.len(), octets.len() - field::PAYLOAD.start),
                Packet::Ack { .. } | Packet::Error { .. } => {}
            }
        }
        Err(fault) => {
            assert!(fault.offset <= octets.len(), "{fault}");
            assert_eq!(fault.is_incomplete(), fault.offset == octets.len(), "{fault}");
            assert!(!matches!(fault.what, What::NulInside(_)), "{fault}: that is about sending");
        }
    }
}

fn check_options(given: &[Pair<'_>]) {
    let Ok(options) = Options::read(given) else { return };
    let Options { blksize, timeout, tsize: _, windowsize } = options;
    assert!(blksize.is_none_or(|v| BLKSIZE.contains(&v.into())));
    assert!(timeout.is_none_or(|v| TIMEOUT.contains(&v.into())));
    assert!(windowsize.is_none_or(|v| WINDOWSIZE.contains(&v.into())));
    let texts = options.texts();
    for (name, value) in &texts {
        let there = given.iter().filter(|p| p.name.eq_ignore_ascii_case(name.as_bytes()));
        let digits: Vec<_> = there.map(|p| p.value).collect();
        assert!(digits.len() == 1 && digits[0].ends_with(value.as_bytes()), "{name}={value} stands there, once");
    }
    assert_eq!(Options::read(&pairs(&texts)), Ok(options), "written and read again");
}

/// The grammar, told by counting NULs.
fn is_right(octets: &[u8]) -> bool {
    let Some(code) = octets.first_chunk().map(|code| u16::from_be_bytes(*code)) else { return false };
    // The texts behind the first octets, each ended by a NUL: `None` when the last is not.
    let texts_after = |start: usize| {
        let rest = octets.get(start..).unwrap_or_default();
        let ended = rest.is_empty() || rest.ends_with(&[0]);
        ended.then(|| rest.split(|o| *o == 0).take(rest.iter().filter(|o| **o == 0).count()).collect::<Vec<_>>())
    };
    match Opcode::of(code) {
        None => false,
        Some(Opcode::Data) => octets.len() >= 4,
        Some(Opcode::Ack) => octets.len() == 4,
        Some(Opcode::Error) => octets.len() > 4 && texts_after(4).is_some_and(|t| t.len() == 1),
        Some(opcode) => texts_after(2).is_some_and(|texts| {
            let request = opcode != Opcode::Oack;
            let names = texts.iter().step_by(2).all(|name| !name.is_empty());
            let mode = texts.get(1).is_some_and(|mode| !mode.is_empty());
            texts.len() % 2 == 0 && names && (!request || mode && octets.len() <= LONGEST_REQUEST)
        }),
    }
}
