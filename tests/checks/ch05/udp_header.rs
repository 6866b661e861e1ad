//! `udp_header`: RFC 768, octet by octet.

use crate::checks::common;
use netkata::hexdump::{dump, hex};
use netkata_kit::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const LAYOUT: &str = "RFC 768: source port, destination port, length, checksum; each of 16 bits, the upper octet first";
const LENGTH: &str = "RFC 768: length is the length in octets of this datagram including this header and the data";
const SUM: &str =
    "RFC 768: the 16-bit one's complement of the one's complement sum of a pseudo header, the header and the data";
const ADDRESSES: &str = "RFC 768: the pseudo header gives protection against misrouted datagrams: the addresses count";

pub fn program() -> Program {
    Program::finished(5, "udp_header")
        .check("writes_the_ports", "the source port comes first, then the destination port", ports)
        .check("counts_the_header", "the length counts the header and the data", length)
        .check("carries_the_data", "the data follows the header, octet by octet", data)
        .check("sums_for_ipv4", "over IPv4, the checksum counts addresses, protocol, length, header and data", sum_v4)
        .check("fills_up_an_odd_octet", "an odd octet at the end is the upper half of a word", odd)
        .check("sums_for_ipv6", "over IPv6, the pseudo header has 40 octets", sum_v6)
        .check("adds_the_carry", "what overflows 16 bits is added at the bottom", carry)
        .check("sends_zero_as_all_ones", "a checksum that comes out as zero is sent as ffff", zero_sum)
        .check("knows_the_longest", "65,507 octets of data fit over IPv4, and no more", longest)
        .check("shows_the_fields", "encode shows the octets under a ruler, and each field", shows)
        .check("shows_the_arithmetic", "encode shows the sum word by word", arithmetic)
        .check("wraps_a_packet", "--packet puts the IP header around it, with a checksum of its own", packets)
        .check("writes_a_capture", "--pcap writes a file that Wireshark opens", capture)
        .check("decodes", "decode shows the ports, the length, the data and that the checksum is right", decodes)
        .check("shows_no_control_octets", "what a datagram carries cannot command the terminal", escapes)
        .check("names_a_cut_header", "a header that is not whole is an error, at every length", cut)
        .check("names_a_length_too_short", "a length below 8 is an error", too_short)
        .check("names_a_length_beyond", "a length beyond the end of the octets is an error", beyond)
        .check("names_a_wrong_checksum", "a wrong checksum is an error, and what it should be is said", wrong)
        .check(
            "knows_an_unfinished_checksum",
            "a checksum that was left to the network card is named as such",
            unfinished,
        )
        .check("says_what_it_cannot_check", "without addresses, nothing is said of the checksum but that", unknown)
        .check("takes_none_over_ipv4", "over IPv4, a checksum of zero means that there is none", none_v4)
        .check("refuses_none_over_ipv6", "over IPv6, there must be a checksum", none_v6)
        .check("names_what_is_left_over", "octets after the end of the datagram are named, and no part of it", surplus)
        .check("decodes_a_packet", "--packet finds the datagram and the addresses in an IP packet", in_packet)
        .check("names_a_wrong_packet", "what is wrong with the IP packet is named first", wrong_packet)
        .check("refuses_what_is_no_hexadecimal", "a digit that is none is named", no_hex)
        .check("refuses_two_versions_of_ip", "one end of IPv4 and one of IPv6 is an error", two_versions)
}

// ---- datagrams, made by hand: the grader does not use the codec that it grades ----

/// Adds 16-bit words one at a time, and each carry at once.
fn ones_complement(octets: &[u8]) -> u16 {
    let mut total = 0_u16;
    for pair in octets.chunks(2) {
        let word = u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
        let (sum, carry) = total.overflowing_add(word);
        total = sum + u16::from(carry);
    }
    !total
}

fn octets_of(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

fn datagram(from: SocketAddr, to: SocketAddr, data: &[u8]) -> Vec<u8> {
    let length = (8 + data.len()) as u16;
    let ports = [from.port().to_be_bytes(), to.port().to_be_bytes(), length.to_be_bytes()].concat();
    let tail = if from.is_ipv4() { vec![0, 17] } else { vec![0, 0, 0, 0, 0, 17] };
    let pseudo = [octets_of(from.ip()), octets_of(to.ip()), length.to_be_bytes().to_vec(), tail].concat();
    let sum = match ones_complement(&[&pseudo, &ports, &[0, 0][..], data].concat()) {
        0 => 0xffff,
        sum => sum,
    };
    [&ports, &sum.to_be_bytes()[..], data].concat()
}

fn ipv4(s: &mut Scene) -> SocketAddr {
    (Ipv4Addr::from(s.rng.u32(..)), s.rng.u16(1024..)).into()
}

fn ipv6(s: &mut Scene) -> SocketAddr {
    (Ipv6Addr::from(s.rng.u128(..)), s.rng.u16(1024..)).into()
}

fn digits(octets: &[u8]) -> String {
    hex(octets, usize::MAX).replace(' ', "")
}

/// Runs it to the end of its output, and shows with what: a message is the same each time.
fn run(s: &mut Scene, arguments: &[&str]) -> Outcome {
    s.journal.note(format!("udp_header {}", arguments.join(" ")));
    s.run_with(arguments)?;
    s.subject()?.stdout.wait_for_end(Duration::from_secs(5));
    Ok(())
}

fn ends_well(s: &mut Scene) -> Outcome {
    s.expect_exit(0, Duration::from_secs(5))
}

/// What `encode --quiet` prints, as octets.
fn encoded(s: &mut Scene, from: SocketAddr, to: SocketAddr, data: &[u8]) -> Outcome<Vec<u8>> {
    let (from, to, all) = (from.to_string(), to.to_string(), digits(data));
    let shown = if data.len() < 16 { all.clone() } else { format!("{}… ({} octets)", &all[..16], data.len()) };
    s.journal.note(format!("udp_header encode --quiet --from {from} --to {to} --hex {shown}"));
    s.run_with(&["encode", "--quiet", "--from", &from, "--to", &to, "--hex", &all])?;
    let line = s.output_line()?;
    ends_well(s)?;
    netkata::hexdump::parse(&line).map_err(|why| Failure::new("hexadecimal digits", why))
}

/// That this part of it is as it should be.
fn expect_part(got: &[u8], right: &[u8], part: std::ops::Range<usize>) -> Outcome {
    let (got, right) = (got.get(part.clone()).unwrap_or(got), &right[part.clone()]);
    let state = format!("octets {} to {} of the datagram", part.start, part.end - 1);
    if got == right { Ok(()) } else { Err(Failure::octets(right, got, state)) }
}

fn ports(s: &mut Scene) -> Outcome {
    let (from, to, data) = (ipv4(s), ipv4(s), s.octets(4));
    let got = encoded(s, from, to, &data)?;
    expect_part(&got, &datagram(from, to, &data), 0..4).because(LAYOUT)
}

fn length(s: &mut Scene) -> Outcome {
    for n in [0, 300] {
        let (from, to, data) = (ipv4(s), ipv4(s), s.octets(n));
        let got = encoded(s, from, to, &data)?;
        expect_part(&got, &datagram(from, to, &data), 4..6).because(LENGTH)?;
    }
    Ok(())
}

fn data(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let to = ipv4(s);
    run(s, &["encode", "-q", "--to", &to.to_string(), &words])?;
    let line = s.output_line()?;
    let expected = digits(words.as_bytes());
    match line.get(16..) {
        Some(data) if data == expected => ends_well(s),
        data => Err(Failure::new(expected, data.unwrap_or("less than a header"))).because(LAYOUT),
    }
}

fn expect_sum(s: &mut Scene, from: SocketAddr, to: SocketAddr, data: &[u8], why: &str) -> Outcome {
    let got = encoded(s, from, to, data)?;
    expect_part(&got, &datagram(from, to, data), 6..8).because(why)
}

fn sum_v4(s: &mut Scene) -> Outcome {
    let (from, to, data) = (ipv4(s), ipv4(s), s.octets(2));
    expect_sum(s, from, to, &data, SUM)
}

fn odd(s: &mut Scene) -> Outcome {
    let (from, to, data) = (ipv4(s), ipv4(s), s.octets(3));
    expect_sum(
        s,
        from,
        to,
        &data,
        "RFC 768: padded with zero octets at the end, if necessary, to make a multiple of two",
    )
}

fn sum_v6(s: &mut Scene) -> Outcome {
    let (from, to, data) = (ipv6(s), ipv6(s), s.octets(6));
    let why = "RFC 8200 §8.1: addresses of 128 bits, a length of 32, three octets of zero, the next header";
    expect_sum(s, from, to, &data, why)
}

/// So many carries that adding them carries once more.
fn carry(s: &mut Scene) -> Outcome {
    let (from, to) = (ipv4(s), ipv4(s));
    for data in [vec![0xff; 1000], vec![0xff; 1001], s.octets(900)] {
        let why = "RFC 1071 §2: on a two's complement machine, the end-around carries must be added back in";
        expect_sum(s, from, to, &data, why)?;
    }
    Ok(())
}

/// Data that is the checksum of what comes before it makes the sum all ones.
fn zero_sum(s: &mut Scene) -> Outcome {
    let (from, to) = (ipv4(s), ipv4(s));
    let with_zeros = datagram(from, to, &[0, 0]);
    let data = [with_zeros[6], with_zeros[7]];
    expect_sum(s, from, to, &data, "RFC 768: if the computed checksum is zero, it is transmitted as all ones")
}

fn longest(s: &mut Scene) -> Outcome {
    const MOST: usize = 65_507;
    let to = ipv4(s).to_string();
    let why = "RFC 768, RFC 791: both lengths have 16 bits, and 28 octets of them are for the headers";
    s.journal.note(format!("udp_header encode with {MOST} octets of data, and with one more"));
    s.run_with(&["encode", "-q", "--to", &to, &"~".repeat(MOST)]).because(why)?;
    ends_well(s).because(why)?;
    s.run_with(&["encode", "-q", "--to", &to, &"~".repeat(MOST + 1)])?;
    common::fails_with(s, "too long: 65,508 octets of data (limit 65,507)").because(why)
}

fn shows(s: &mut Scene) -> Outcome {
    let (from, to, words) = (ipv4(s), ipv4(s), s.phrase());
    run(s, &["encode", "--from", &from.to_string(), "--to", &to.to_string(), &words])?;
    let right = datagram(from, to, words.as_bytes());
    let why = "an octet on its own says nothing; below a ruler, it is a port, a length, a sum or data";
    s.expect_line("offset    from  to    len   sum    data").because(why)?;
    for line in dump(&right).lines() {
        s.expect_line(line).because(why)?;
    }
    s.expect_line("")?;
    for line in [
        format!("source port       0..2    {}  {}", hex(&right[0..2], 2), from.port()),
        format!("destination port  2..4    {}  {}", hex(&right[2..4], 2), to.port()),
        format!(
            "length            4..6    {}  {}: a header of 8 octets, and {} of data",
            hex(&right[4..6], 2),
            right.len(),
            words.len()
        ),
        format!("checksum          6..8    {}  right", hex(&right[6..8], 2)),
        format!("data              {:<6}  \"{words}\"", format!("8..{}", right.len())),
    ] {
        s.expect_line(&line).because(why)?;
    }
    ends_well(s)
}

/// The example can be added up on paper.
fn arithmetic(s: &mut Scene) -> Outcome {
    run(s, &["encode", "--from", "10.0.0.1:4660", "--to", "10.0.0.2:7", "ebb"])?;
    s.expect_output("the checksum, word by word, and the sum so far\n")?;
    for line in [
        "0a00      0a00  source address",
        "0001      0a01  source address",
        "0a00      1401  destination address",
        "0002      1403  destination address",
        "0011      1414  zero, and the protocol",
        "000b      141f  length, once more",
        "1234      2653  source port",
        "0007      265a  destination port",
        "000b      2665  length",
        "0000      2665  checksum: not known yet",
        "6562      8bc7  \"eb\"",
        "62        edc7  \"b\", filled up with zero",
        "          edc7  the carry added: edc7 + 0",
        "          1238  inverted",
    ] {
        s.expect_line(line).because(SUM)?;
    }
    ends_well(s)
}

/// An IPv4 header without options, and what it carries.
fn packet(from: SocketAddr, to: SocketAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = ((20 + payload.len()) as u16).to_be_bytes();
    let start = [0x45, 0, length[0], length[1], 0, 0, 0x40, 0, 64, protocol];
    let addresses = [octets_of(from.ip()), octets_of(to.ip())].concat();
    let sum = ones_complement(&[&start[..], &addresses].concat()).to_be_bytes();
    [&start[..], &sum, &addresses, payload].concat()
}

fn packets(s: &mut Scene) -> Outcome {
    let (from, to, words) = (ipv4(s), ipv4(s), s.phrase());
    run(s, &["encode", "-q", "--packet", "--from", &from.to_string(), "--to", &to.to_string(), &words])?;
    let right = packet(from, to, 17, &datagram(from, to, words.as_bytes()));
    s.expect_line(&digits(&right)).because(
        "RFC 791 §3.1: version and header length, total length, time to live, protocol, checksum, addresses",
    )?;
    ends_well(s)
}

fn capture(s: &mut Scene) -> Outcome {
    let (from, to, words) = (ipv4(s), ipv4(s), s.phrase());
    let path = s.file("datagram.pcap")?.display().to_string();
    // The path differs from run to run, and so does the time in the file.
    s.journal.note("udp_header encode --pcap datagram.pcap …");
    let (source, destination) = (from.to_string(), to.to_string());
    s.run_with(&["encode", "-q", "--from", &source, "--to", &destination, "--pcap", &path, &words])?;
    ends_well(s)?;
    let got = s.contents("datagram.pcap")?;
    let right = packet(from, to, 17, &datagram(from, to, words.as_bytes()));
    let why =
        "draft-ietf-opsawg-pcap: magic number, version 2.4, snap length, link type 101 (raw IP); then each packet";
    let part = |expected: &[u8], at: usize| {
        let there = got.get(at..at + expected.len()).unwrap_or_default();
        let state = format!("from octet {at} of the file on");
        if there == expected { Ok(()) } else { Err(Failure::octets(expected, there, state)).because(why) }
    };
    let length = (right.len() as u32).to_le_bytes();
    part(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0], 0)?;
    part(&101_u32.to_le_bytes(), 20)?;
    part(&[length, length].concat(), 32)?;
    part(&right, 40)
}

/// `decode`, told the addresses.
fn decode(s: &mut Scene, octets: &[u8], from: SocketAddr, to: SocketAddr) -> Outcome {
    run(s, &["decode", "--from", &from.ip().to_string(), "--to", &to.ip().to_string(), &digits(octets)])
}

fn decodes(s: &mut Scene) -> Outcome {
    for pair in [(ipv4(s), ipv4(s)), (ipv6(s), ipv6(s))] {
        let (from, to) = pair;
        let words = s.phrase();
        let right = datagram(from, to, words.as_bytes());
        decode(s, &right, from, to)?;
        s.expect_output(&format!("{}  {}\n", hex(&right[0..2], 2), from.port())).because(LAYOUT)?;
        s.expect_output(&format!("{}  {}\n", hex(&right[2..4], 2), to.port())).because(LAYOUT)?;
        s.expect_output(&format!("  {}: a header of 8 octets, and {} of data\n", right.len(), words.len()))?;
        s.expect_output(&format!("{}  right\n", hex(&right[6..8], 2))).because(SUM)?;
        s.expect_output(&format!("  \"{words}\"\n"))?;
        ends_well(s)?;
    }
    Ok(())
}

fn escapes(s: &mut Scene) -> Outcome {
    let (from, to) = (ipv4(s), ipv4(s));
    let octets = datagram(from, to, b"ebb\x1b[2J\0");
    decode(s, &octets, from, to)?;
    s.expect_output("\"ebb\\x1b[2J\\0\"\n")
        .because("console_codes(4): ESC [ 2 J clears a screen; whoever sent the datagram could do it")?;
    ends_well(s)
}

/// The octets with a mark under one of them, and the error.
fn marked(s: &mut Scene, octets: &[u8], at: usize, said: &str) -> Outcome {
    s.expect_line("offset    from  to    len   sum    data")?;
    if let Some(line) = dump(octets).lines().next() {
        s.expect_line(line)?;
    }
    s.expect_line(&format!("{}^^", " ".repeat(10 + 3 * at)))?;
    common::fails_with(s, said)
}

fn cut(s: &mut Scene) -> Outcome {
    let (from, to) = (ipv4(s), ipv4(s));
    let right = datagram(from, to, b"");
    for n in [7, s.rng.usize(1..7)] {
        decode(s, &right[..n], from, to)?;
        marked(s, &right[..n], n, &format!("offset {n}: truncated header: {n} of 8 octets, then the end"))
            .because(LAYOUT)?;
    }
    Ok(())
}

fn too_short(s: &mut Scene) -> Outcome {
    let (from, to) = (ipv4(s), ipv4(s));
    for length in [7, s.rng.u8(0..7)] {
        let mut octets = datagram(from, to, b"ebb");
        octets[5] = length;
        decode(s, &octets, from, to)?;
        let said = format!("offset 4: length {length} does not cover the header, which has 8 octets");
        marked(s, &octets, 4, &said).because("RFC 768: this means the minimum value of the length is eight")?;
    }
    Ok(())
}

fn beyond(s: &mut Scene) -> Outcome {
    let (from, to, words) = (ipv4(s), ipv4(s), s.phrase());
    let right = datagram(from, to, words.as_bytes());
    for there in [right.len() - 1, 8] {
        decode(s, &right[..there], from, to)?;
        let said = format!("offset 4: truncated: the length is {}, and {there} octets are there", right.len());
        marked(s, &right[..there], 4, &said)
            .because("a length is a claim of the sender: what is not there was not received")?;
    }
    Ok(())
}

/// One bit in the data, one in a port, one in an address.
fn wrong(s: &mut Scene) -> Outcome {
    let (from, to, words) = (ipv4(s), ipv4(s), s.phrase());
    let right = datagram(from, to, words.as_bytes());
    for at in [s.rng.usize(8..right.len()), s.rng.usize(0..4)] {
        let mut octets = right.clone();
        octets[at] ^= 1 << s.rng.u8(..8);
        let (source, destination) = ((from.ip(), word(&octets, 0)).into(), (to.ip(), word(&octets, 2)).into());
        let should = digits(&datagram(source, destination, &octets[8..])[6..8]);
        decode(s, &octets, from, to)?;
        let said = format!("offset 6: wrong checksum {}: it should be {should}", digits(&octets[6..8]));
        marked(s, &octets, 6, &said).because(SUM)?;
    }
    let other = neighbour(to);
    decode(s, &right, from, other)?;
    let should = digits(&datagram(from, other, words.as_bytes())[6..8]);
    marked(s, &right, 6, &format!("it should be {should}")).because(ADDRESSES)
}

/// What a capture on the sending host shows: the sum of the pseudo header, not inverted.
fn unfinished(s: &mut Scene) -> Outcome {
    let (from, to, words) = (ipv4(s), ipv4(s), s.phrase());
    let mut octets = datagram(from, to, words.as_bytes());
    let pseudo = [octets_of(from.ip()), octets_of(to.ip()), vec![0, 17], octets[4..6].to_vec()].concat();
    octets[6..8].copy_from_slice(&(!ones_complement(&pseudo)).to_be_bytes());
    decode(s, &octets, from, to)?;
    marked(s, &octets, 6, "it is the sum of the pseudo header, left to the network card to go on with").because(
        "ethtool(8), tx-checksum: the card makes the checksum, after a capture on this host has seen the datagram",
    )
}

/// The same port of the host next to it.
fn neighbour(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() ^ 1)),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() ^ 1)),
    };
    SocketAddr::new(ip, address.port())
}

fn word(octets: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([octets[at], octets[at + 1]])
}

fn unknown(s: &mut Scene) -> Outcome {
    let (from, to) = (ipv4(s), ipv4(s));
    let octets = datagram(from, to, b"ebb");
    run(s, &["decode", &digits(&octets)])?;
    s.expect_output("not checked: it counts the addresses, too (--from, --to)\n").because(ADDRESSES)?;
    ends_well(s)
}

fn without(octets: &[u8]) -> Vec<u8> {
    [&octets[..6], &[0, 0], &octets[8..]].concat()
}

fn none_v4(s: &mut Scene) -> Outcome {
    let (from, to) = (ipv4(s), ipv4(s));
    let octets = without(&datagram(from, to, b"ebb"));
    decode(s, &octets, from, to)?;
    let why = "RFC 768: an all zero transmitted checksum value means that the transmitter generated no checksum";
    s.expect_output("00 00  none, which IPv4 allows\n").because(why)?;
    ends_well(s).because(why)
}

fn none_v6(s: &mut Scene) -> Outcome {
    let (from, to) = (ipv6(s), ipv6(s));
    let octets = without(&datagram(from, to, b"ebb"));
    decode(s, &octets, from, to)?;
    marked(s, &octets, 6, "offset 6: no checksum, which is forbidden over IPv6")
        .because("RFC 8200 §8.1: IPv6 receivers must discard UDP packets containing a zero checksum")
}

fn surplus(s: &mut Scene) -> Outcome {
    let (from, to, words) = (ipv4(s), ipv4(s), s.phrase());
    let right = datagram(from, to, words.as_bytes());
    let octets = [&right[..], &[0xff; 3]].concat();
    decode(s, &octets, from, to)?;
    let why = "RFC 768: the length says where the datagram ends; RFC 9868: what follows it may be options";
    s.expect_output(&format!("  \"{words}\"\n")).because(why)?;
    let place = format!("{}..{}", right.len(), octets.len());
    s.expect_line(&format!(
        "surplus           {place:<6}  3 octets after its end: no part of it, but for options (RFC 9868)"
    ))
    .because(why)?;
    ends_well(s)
}

fn in_packet(s: &mut Scene) -> Outcome {
    let (from, to, words) = (ipv4(s), ipv4(s), s.phrase());
    let right = packet(from, to, 17, &datagram(from, to, words.as_bytes()));
    run(s, &["decode", "--packet", &digits(&right)])?;
    s.expect_line("the IP header, 20 octets")?;
    s.expect_output("  right\n").because(ADDRESSES)?;
    s.expect_output(&format!("\"{words}\"\n"))?;
    ends_well(s)
}

fn wrong_packet(s: &mut Scene) -> Outcome {
    let (from, to) = (ipv4(s), ipv4(s));
    let right = packet(from, to, 17, &datagram(from, to, b"ebb"));
    let mut turned = right.clone();
    turned[8] ^= 1;
    let sum = digits(&right[10..12]);
    for (octets, said, why) in [
        (
            turned,
            format!("offset 10: wrong IP header checksum {sum}"),
            "RFC 791 §3.1: if the header checksum fails, the datagram is discarded at once",
        ),
        (
            right[..right.len() - 1].to_vec(),
            "offset 2: truncated packet: 30 of 31 octets".into(),
            "RFC 791 §3.1: total length counts the header and the data",
        ),
        (
            packet(from, to, 6, b"ebb"),
            "it carries protocol 6, and UDP is 17".into(),
            "RFC 791 §3.1: protocol says what the data is",
        ),
    ] {
        run(s, &["decode", "--packet", &digits(&octets)])?;
        common::fails_with(s, &said).because(why)?;
    }
    Ok(())
}

fn no_hex(s: &mut Scene) -> Outcome {
    for (given, said) in [("00f", "3 digits: an octet has two"), ("0g", "'g' is no hexadecimal digit")] {
        for how in [["encode", "--hex"], ["decode", "--"]] {
            run(s, &[&how[..], &[given]].concat())?;
            common::fails_with(s, said).because("half of what was meant is something else")?;
        }
    }
    Ok(())
}

fn two_versions(s: &mut Scene) -> Outcome {
    let (v4, v6) = (ipv4(s), ipv6(s));
    run(s, &["encode", "--from", &v4.to_string(), "--to", &v6.to_string(), "ebb"])?;
    common::fails_with(s, "are of two versions of IP").because("no packet has addresses of two versions")
}
