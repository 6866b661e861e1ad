//! The TFTP codec, tried with every cut, every changed octet and whatever else a datagram can hold.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "tftp/listing.rs"]
mod listing;
#[path = "tftp/made.rs"]
mod made;
#[path = "tftp/options.rs"]
mod options;

use made::EACH;
use netkata::tftp::{Block, ErrorCode, Fault, LONGEST_REQUEST, Mode, Opcode, Packet, Pair, Request, What, field};
use proptest::prelude::*;

fn parsed(octets: &[u8]) -> Result<Packet<'_>, Fault> {
    Packet::parse(octets)
}

fn said(octets: &[u8]) -> String {
    match parsed(octets) {
        Ok(packet) => packet.to_string(),
        Err(fault) => fault.to_string(),
    }
}

/// What must hold of any octets. A packet that was understood is written again as it came; a fault lies within the datagram or
/// at its end, and is told in words; "incomplete" is said at the end alone.
fn sound(octets: &[u8]) {
    match parsed(octets) {
        Ok(packet) => {
            assert_eq!(packet.emit().as_deref(), Ok(octets), "written again, it is what came");
            assert_eq!(&octets[field::OPCODE], (packet.opcode() as u16).to_be_bytes());
        }
        Err(fault) => {
            assert!(!matches!(fault.what, What::NulInside(_)), "{fault}: that is about sending");
            assert!(fault.offset <= octets.len(), "{fault}: of {} octets", octets.len());
            assert_eq!(fault.is_incomplete(), fault.offset == octets.len(), "{fault}: {octets:02x?}");
        }
    }
    assert!(!said(octets).is_empty() && !said(octets).contains(char::is_control));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Each octet, changed to each value it can have: another packet, octet for octet, or a fault.
    #[test]
    fn every_octet_changed(made in made::short_packet()) {
        let octets = made.packet().emit().expect("within the limits");
        for at in 0..octets.len() {
            for value in 0..=255 {
                let mut changed = octets.clone();
                changed[at] = value;
                sound(&changed);
            }
        }
    }
}

proptest! {
    /// What was sent is what is understood, whatever the packet.
    #[test]
    fn packets_come_back(made in made::packet()) {
        let packet = made.packet();
        let octets = packet.emit().expect("within the limits");
        prop_assert_eq!(parsed(&octets), Ok(packet));
    }

    /// A datagram that was cut is a shorter block, a shorter list of options, or a fault at its end that names what is missing.
    #[test]
    fn cut_at_every_octet(made in made::packet()) {
        let octets = made.packet().emit().expect("within the limits");
        for end in 0..octets.len() {
            let cut = &octets[..end];
            sound(cut);
            match parsed(cut) {
                Ok(Packet::Data { payload, .. }) => prop_assert!(octets.ends_with(&octets[end..]) && payload.len() == end - 4),
                Ok(Packet::Rrq(r) | Packet::Wrq(r)) => prop_assert!(r.options.len() < made.pairs().len()),
                Ok(Packet::Oack(pairs)) => prop_assert!(pairs.len() < made.pairs().len()),
                Ok(other) => prop_assert!(false, "{} of {} octets are {other}", end, octets.len()),
                Err(fault) => prop_assert!(fault.is_incomplete(), "{}", fault),
            }
        }
    }

    /// Octets that nobody meant as a packet, with an opcode before them or without.
    #[test]
    fn anything_at_all(opcode in prop::option::of(0..8_u16), noise in prop::collection::vec(any::<u8>(), 0..600)) {
        let start = opcode.map_or(Vec::new(), |code| code.to_be_bytes().to_vec());
        sound(&[start, noise].concat());
    }

    /// Texts in which NULs are frequent, so that names, modes and options are cut in every way.
    #[test]
    fn anything_with_nuls(code in 1..7_u8, texts in prop::collection::vec(prop_oneof![2 => Just(0_u8), 3 => any::<u8>()], 0..40)) {
        sound(&[&[0, code], &texts[..]].concat());
    }

    /// A buffer's old octets behind a short datagram would be taken for a part of it: so only what was received may be parsed.
    /// An RRQ that lost its last NUL is the case that a buffer full of zeros hides.
    #[test]
    fn a_buffer_is_no_datagram(made in made::request()) {
        let octets = made.packet().emit().expect("within the limits");
        let cut = &octets[..octets.len() - 1];
        prop_assert!(parsed(cut).expect_err("no last NUL").is_incomplete());
        let buffer = [cut, &[0; 1]].concat();
        prop_assert!(parsed(&buffer).is_ok(), "with a zero from the buffer it looks whole");
    }

    /// Blocks are counted around the wrap: adding and taking the distance undo each other everywhere.
    #[test]
    fn distances_around_the_wrap(from: u16, blocks: u16) {
        let (from, to) = (Block(from), Block(from) + blocks);
        prop_assert_eq!(to.since(from), blocks);
        prop_assert_eq!(from.since(to), blocks.wrapping_neg());
        prop_assert_eq!(from.next().since(from), 1);
    }
}

/// At every length, of each packet, by name.
#[test]
fn what_is_missing_is_named() {
    for (octets, missing) in [
        (&b""[..], "octet 0: the opcode is missing"),
        (b"\0", "octet 1: half of the opcode is missing"),
        (b"\0\x01", "RRQ, octet 2: the filename is missing"),
        (b"\0\x01tides", "RRQ, octet 7: no NUL ends the filename"),
        (b"\0\x01tides\0", "RRQ, octet 8: the mode is missing"),
        (b"\0\x01tides\0octet", "RRQ, octet 13: no NUL ends the mode"),
        (b"\0\x02tides\0octet\0blksize", "WRQ, octet 21: no NUL ends the option's name"),
        (b"\0\x02tides\0octet\0blksize\0", "WRQ, octet 22: the option's value is missing"),
        (b"\0\x02tides\0octet\0blksize\x001428", "WRQ, octet 26: no NUL ends the option's value"),
        (b"\0\x03", "DATA, octet 2: the block number is missing"),
        (b"\0\x03\0", "DATA, octet 3: half of the block number is missing"),
        (b"\0\x04", "ACK, octet 2: the block number is missing"),
        (b"\0\x04\x01", "ACK, octet 3: half of the block number is missing"),
        (b"\0\x05", "ERROR, octet 2: the error code is missing"),
        (b"\0\x05\0", "ERROR, octet 3: half of the error code is missing"),
        (b"\0\x05\0\x01", "ERROR, octet 4: the message is missing"),
        (b"\0\x05\0\x01no tides", "ERROR, octet 12: no NUL ends the message"),
        (b"\0\x06tsize", "OACK, octet 7: no NUL ends the option's name"),
        (b"\0\x06tsize\0", "OACK, octet 8: the option's value is missing"),
    ] {
        let fault = parsed(octets).expect_err(missing);
        assert_eq!((fault.to_string().as_str(), fault.is_incomplete()), (missing, true));
    }
}

/// What no longer datagram could mend.
#[test]
fn what_is_wrong_is_named() {
    let long = [b"\0\x01", &[b'~'; LONGEST_REQUEST][..]].concat();
    for (octets, wrong) in [
        (&b"\0\0"[..], "octet 0: no packet has opcode 0"),
        (b"\0\x07", "octet 0: no packet has opcode 7"),
        (b"\x01\0tides\0octet\0", "octet 0: no packet has opcode 256"),
        (b"\0\x01\0octet\0", "RRQ, octet 2: the filename is empty"),
        (b"\0\x01tides\0\0", "RRQ, octet 8: the mode is empty"),
        (b"\0\x01tides\0octet\0\0", "RRQ, octet 14: the option's name is empty"),
        (b"\0\x06\x001\0", "OACK, octet 2: the option's name is empty"),
        (b"\0\x04\0\x01\0", "ACK, octet 4: 1 octet behind the end"),
        (b"\0\x05\0\x01no\0tides", "ERROR, octet 7: 5 octets behind the end"),
        (&long, "RRQ, octet 512: 514 octets, and no more than 512 are allowed"),
    ] {
        let fault = parsed(octets).expect_err(wrong);
        assert_eq!((fault.to_string().as_str(), fault.is_incomplete()), (wrong, false));
    }
}

/// What a peer could not read back is not sent.
#[test]
fn what_may_not_be_sent() {
    let request = |filename, mode, options| Packet::Rrq(Request { filename, mode, options });
    let pair = |name, value| vec![Pair { name, value }];
    let long = [b'~'; LONGEST_REQUEST];
    let message = b"no\0tides";
    for (packet, why) in [
        (request(b"", b"octet", vec![]), "RRQ, octet 2: the filename is empty"),
        (request(b"tide\0s", b"octet", vec![]), "RRQ, octet 6: a NUL inside the filename"),
        (request(b"tides", b"", vec![]), "RRQ, octet 8: the mode is empty"),
        (request(b"tides", b"octet", pair(b"", b"1")), "RRQ, octet 14: the option's name is empty"),
        (request(b"tides", b"octet", pair(b"tsize", b"\0")), "RRQ, octet 20: a NUL inside the option's value"),
        (request(&long, b"octet", vec![]), "RRQ, octet 512: 521 octets, and no more than 512 are allowed"),
        (Packet::Oack(pair(b"blk\0size", b"8")), "OACK, octet 5: a NUL inside the option's name"),
        (Packet::Error { code: ErrorCode::NOT_DEFINED, message }, "ERROR, octet 6: a NUL inside the message"),
    ] {
        assert_eq!(packet.emit().expect_err(why).to_string(), why);
    }
}

/// RFC 2347 counts the last NUL in: 512 octets are a request, 513 are none.
#[test]
fn the_longest_request() {
    for (octets, fits) in [(LONGEST_REQUEST, true), (LONGEST_REQUEST + 1, false)] {
        let filename = vec![b'~'; octets - 9];
        let packet = Packet::Wrq(Request { filename: &filename, mode: b"octet", options: vec![] });
        let wire = [b"\0\x02", &filename[..], b"\0octet\0"].concat();
        assert_eq!((packet.emit().is_ok(), parsed(&wire).is_ok(), wire.len()), (fits, fits, octets));
    }
}

/// Sixteen bits, and then from the beginning: 65,536 blocks come by and none is skipped.
#[test]
fn block_numbers_wrap() {
    let mut block = Block(0);
    for n in 1..=65_536_u32 {
        block = block.next();
        assert_eq!(u32::from(block.0), n % 65_536);
        assert_eq!(Packet::data_header(block), Packet::Data { block, payload: b"" }.emit().unwrap()[..]);
        assert_eq!(Packet::ack(block), Packet::Ack { block }.emit().unwrap()[..]);
    }
    assert_eq!((Block(3).since(Block(65_534)), Block(65_534).since(Block(3))), (5, 65_531));
}

/// Opcodes and codes as the RFCs number them, and nothing beside them.
#[test]
fn tables_of_the_rfcs() {
    let names: Vec<_> = (0..=8).filter_map(Opcode::of).map(|o| format!("{} {o}", o as u16)).collect();
    assert_eq!(names, ["1 RRQ", "2 WRQ", "3 DATA", "4 ACK", "5 ERROR", "6 OACK"]);
    assert_eq!(Opcode::of(0x0100), None, "most significant octet first");
    for (made, opcode) in EACH.iter().zip(Opcode::ALL) {
        assert_eq!(made().packet().opcode(), opcode);
    }
    assert_eq!(ErrorCode::UNKNOWN_TRANSFER_ID.to_string(), "5 (unknown transfer ID)");
    assert_eq!(ErrorCode(9).meaning(), "a code that no RFC defines");
    for (name, mode) in [
        (&b"octet"[..], Some(Mode::Octet)),
        (b"OcTeT", Some(Mode::Octet)),
        (b"NETASCII", Some(Mode::Netascii)),
        (b"mail", Some(Mode::Mail)),
        (b"octets", None),
        (b"oct", None),
        (b"", None),
    ] {
        assert_eq!(Mode::of(name), mode);
    }
}

/// An empty block, an empty message and an option with an empty value are all right; so is a name that is no UTF-8.
#[test]
fn what_may_be_empty() {
    assert_eq!(parsed(b"\0\x03\0\x01"), Ok(Packet::Data { block: Block(1), payload: b"" }));
    assert_eq!(parsed(b"\0\x05\0\x02\0"), Ok(Packet::Error { code: ErrorCode::ACCESS_VIOLATION, message: b"" }));
    assert_eq!(parsed(b"\0\x06"), Ok(Packet::Oack(vec![])));
    assert_eq!(parsed(b"\0\x06a\0\0"), Ok(Packet::Oack(vec![Pair { name: b"a", value: b"" }])));
    let Ok(Packet::Rrq(request)) = parsed(b"\0\x01\xff/..\0OCTET\0") else { panic!("any octets but NUL are a name") };
    assert_eq!((request.filename, request.mode), (&b"\xff/.."[..], &b"OCTET"[..]));
}
