//! The chapter's listing to fill in, `packets.hex`: its answers are what the codec writes.

use netkata::course::predict;
use netkata::tftp::{Block, ErrorCode, Options, Packet, Request, pairs};

/// How the file that the story is about ends: 258 whole blocks, and four octets.
const SIZE: usize = 132_100;

/// The datagrams of a listing: each begins with offset 0, and so does its part of the octets.
fn datagrams(listing: &str) -> Vec<Vec<u8>> {
    let octets = predict::octets(listing).expect("a listing");
    let mut datagrams: Vec<Vec<u8>> = Vec::new();
    for (i, line) in listing.lines().enumerate() {
        if line.starts_with("0000:") {
            datagrams.push(Vec::new());
        }
        let here = octets.iter().filter(|octet| octet.line == i + 1).filter_map(|octet| octet.value);
        datagrams.last_mut().into_iter().for_each(|datagram| datagram.extend(here.clone()));
    }
    datagrams
}

#[test]
fn the_answers_are_packets() {
    let full = u16::try_from(SIZE / 512).expect("fits");
    let ack = |block| Packet::Ack { block: Block(block) };
    let data = |block, payload| Packet::Data { block: Block(block), payload };
    let error = |code, message| Packet::Error { code, message };
    let request = Request { filename: b"Alma.log", mode: b"octet", options: vec![] };
    let granted = Options { blksize: Some(1428), ..Options::default() }.texts();
    let expected = [
        Packet::Rrq(request),
        data(full, b"high water"),
        data(full + 1, b"ebb\n"),
        ack(full),
        ack(full + 1),
        error(ErrorCode::FILE_NOT_FOUND, b"no Bruna"),
        error(ErrorCode::UNKNOWN_TRANSFER_ID, b"who?"),
        data(3, b""),
        ack(0),
        data((1..=65_536).fold(Block(0), |block, _| block.next()).0, b""),
        data((1..=70_000).fold(Block(0), |block, _| block.next()).0, b""),
        Packet::Oack(pairs(&granted)),
        ack(0),
    ];
    let solution = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/solutions/ch06/packets.hex");
    let listed = datagrams(&std::fs::read_to_string(solution).expect("the solution"));
    for (octets, packet) in listed.iter().zip(&expected) {
        assert_eq!(Packet::parse(octets).as_ref(), Ok(packet));
    }
    assert_eq!((listed.len(), SIZE % 512), (expected.len(), b"ebb\n".len()));
}
