//! A capture file that Wireshark opens, made from a journal (draft-ietf-opsawg-pcapng).
//!
//! A file is a row of blocks: one that says what file it is, one that says what was listened to, and one for each
//! packet. The packets have real headers and checksums.

use super::journal::{Conversation, Journal, Kind};
use super::wire::{Packet, Wires, packets};
use crate::human::count;
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Block types.
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

/// Written in the writer's octet order, so that the reader learns which it is. Here it is always little-endian.
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// Major and minor.
const VERSION: (u16, u16) = (1, 0);
/// "Not said": the reader goes on to the end of the file.
const SECTION_LENGTH: u64 = u64::MAX;
/// Packets begin with their IP header, of version 4 or 6. There is no Ethernet below.
const LINKTYPE_RAW: u16 = 101;
/// Packets are never cut.
const NO_SNAP_LENGTH: u32 = 0;
/// Time stamps count billionths of a second: ten to the power of minus nine.
const NANOSECONDS: u8 = 9;

/// Option codes.
const OPT_END: u16 = 0;
const OPT_COMMENT: u16 = 1;
const SHB_USER_APPLICATION: u16 = 4;
const IF_NAME: u16 = 2;
const IF_TIMESTAMP_RESOLUTION: u16 = 9;

/// Comments are cut to this many octets. The length field would take 65,535.
const LONGEST_COMMENT: usize = 4096;

/// Writes the journal as a pcapng file. A TCP conversation has its handshake, its segments with their
/// acknowledgments, its FIN or RST; datagrams are one packet each. Conversations without socket addresses get made-up
/// loopback addresses, and a comment that says what they were. Notes are comments on the packet that came next.
///
/// # Errors
/// Those of `out`.
pub fn write(journal: &Journal, out: &mut impl Write) -> io::Result<()> {
    let (packets, mut remarks) = packets(journal);
    if journal.left_out() > 0 {
        remarks.push(format!("left out for lack of room: {}", count(journal.left_out(), "octet")));
    }
    out.write_all(&section_header(&remarks))?;
    out.write_all(&interface_description())?;
    let mut block = Vec::new();
    for packet in &packets {
        enhanced_packet(&mut block, journal.started(), packet);
        out.write_all(&block)?;
    }
    out.flush()
}

/// Writes a capture event by event, so that it can be read while it grows.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    started: SystemTime,
    wires: Wires,
    block: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes what comes before the first packet. `started` is the wall clock when the times of the events were zero.
    ///
    /// # Errors
    /// Those of `out`, here and below.
    pub fn new(mut out: W, started: SystemTime) -> io::Result<Self> {
        out.write_all(&section_header(&[]))?;
        out.write_all(&interface_description())?;
        Ok(Self { out, started, wires: Wires::default(), block: Vec::new() })
    }

    /// Names a conversation, before its [`Kind::Open`].
    pub fn begin(&mut self, index: usize, conversation: Conversation) {
        self.wires.begin(index, conversation);
    }

    /// Writes the packets of an event. What belongs to no conversation that has begun is left out, but for notes.
    ///
    /// # Errors
    /// As [`Writer::new`].
    pub fn event(&mut self, at: Duration, conversation: Option<usize>, kind: &Kind) -> io::Result<()> {
        for packet in self.wires.packets(at, conversation, kind) {
            enhanced_packet(&mut self.block, self.started, &packet);
            self.out.write_all(&self.block)?;
        }
        Ok(())
    }

    /// Nothing more comes of this conversation.
    pub fn end(&mut self, index: usize) {
        self.wires.end(index);
    }

    /// Hands on what was written.
    ///
    /// # Errors
    /// As [`Writer::new`].
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Writes what comes after the last packet: the notes that came too late for one, and these remarks.
    ///
    /// # Errors
    /// As [`Writer::new`].
    pub fn finish(mut self, at: Duration, remarks: &[String]) -> io::Result<W> {
        let told = [self.wires.left().as_slice(), remarks].concat();
        self.out.write_all(&interface_statistics(timestamp(self.started, at), &told))?;
        self.out.flush()?;
        Ok(self.out)
    }
}

fn section_header(remarks: &[String]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(BYTE_ORDER_MAGIC.to_le_bytes());
    body.extend(VERSION.0.to_le_bytes());
    body.extend(VERSION.1.to_le_bytes());
    body.extend(SECTION_LENGTH.to_le_bytes());
    comments(&mut body, remarks);
    option(&mut body, SHB_USER_APPLICATION, concat!("netkata ", env!("CARGO_PKG_VERSION")).as_bytes());
    option(&mut body, OPT_END, &[]);
    block(SECTION_HEADER, &body)
}

fn interface_description() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(LINKTYPE_RAW.to_le_bytes());
    body.extend([0, 0]); // reserved
    body.extend(NO_SNAP_LENGTH.to_le_bytes());
    option(&mut body, IF_NAME, b"tap");
    option(&mut body, IF_TIMESTAMP_RESOLUTION, &[NANOSECONDS]);
    option(&mut body, OPT_END, &[]);
    block(INTERFACE_DESCRIPTION, &body)
}

/// The last block. Its counters are options, and the comments are what matters here.
fn interface_statistics(time: u64, remarks: &[String]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(0_u32.to_le_bytes()); // the first and only interface
    body.extend(((time >> 32) as u32).to_le_bytes());
    body.extend((time as u32).to_le_bytes());
    if !remarks.is_empty() {
        comments(&mut body, remarks);
        option(&mut body, OPT_END, &[]);
    }
    block(INTERFACE_STATISTICS, &body)
}

/// The block, into `block`, which is emptied first: a capture has many packets, and one buffer does for all.
fn enhanced_packet(block: &mut Vec<u8>, started: SystemTime, packet: &Packet) {
    let time = timestamp(started, packet.at);
    let length = packet.octets.len() as u32;
    block.clear();
    block.extend(ENHANCED_PACKET.to_le_bytes());
    block.extend(0_u32.to_le_bytes()); // the length, known at the end
    block.extend(0_u32.to_le_bytes()); // the first and only interface
    block.extend(((time >> 32) as u32).to_le_bytes());
    block.extend((time as u32).to_le_bytes());
    block.extend(length.to_le_bytes()); // captured
    block.extend(length.to_le_bytes()); // on the wire
    block.extend_from_slice(&packet.octets);
    pad(block);
    if !packet.comments.is_empty() {
        comments(block, &packet.comments);
        option(block, OPT_END, &[]);
    }
    let length = ((block.len() + 4) as u32).to_le_bytes();
    block[4..8].copy_from_slice(&length);
    block.extend(length);
}

/// Nanoseconds since 1970. The field has room until 2554.
fn timestamp(started: SystemTime, at: Duration) -> u64 {
    let since = started.duration_since(UNIX_EPOCH).unwrap_or_default() + at;
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn comments(body: &mut Vec<u8>, comments: &[String]) {
    for text in comments {
        option(body, OPT_COMMENT, &text.as_bytes()[..text.floor_char_boundary(LONGEST_COMMENT)]);
    }
}

/// Code, length, value. The length does not count the padding.
fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    pad(body);
}

/// Type, length, body, and the length again, so that a reader can go backwards.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    const FRAME: usize = 12;
    let length = ((body.len() + FRAME) as u32).to_le_bytes();
    [&kind.to_le_bytes(), &length, body, &length].concat()
}

/// Everything begins on a multiple of four octets.
fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::super::packet::{Path, tcp, transport_checksum};
    use super::*;
    use crate::tap::{From, Missing, Transport, Why};
    use crate::wire::checksum;
    use crate::wire::ip::{ipv4, ipv6};
    use crate::wire::udp;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

    /// A packet read back from a file.
    #[derive(Debug)]
    struct Seen {
        time: u64,
        path: (SocketAddr, SocketAddr),
        protocol: u8,
        sequence: u32,
        acknowledgment: u32,
        flags: u8,
        data: Vec<u8>,
        comments: Vec<String>,
    }

    /// A file read back: the section's comments and the packets.
    #[derive(Debug)]
    struct File {
        remarks: Vec<String>,
        packets: Vec<Seen>,
    }

    fn le32(octets: &[u8]) -> u32 {
        u32::from_le_bytes(octets[..4].try_into().expect("four"))
    }

    fn be32(octets: &[u8]) -> u32 {
        u32::from_be_bytes(octets.try_into().expect("four"))
    }

    fn be16(octets: &[u8]) -> u16 {
        u16::from_be_bytes(octets.try_into().expect("two"))
    }

    /// Options until their end, each padded with zeros; returns code and value.
    fn options(mut octets: &[u8]) -> Vec<(u16, Vec<u8>)> {
        let mut found = Vec::new();
        while !octets.is_empty() {
            let code = u16::from_le_bytes([octets[0], octets[1]]);
            let length = usize::from(u16::from_le_bytes([octets[2], octets[3]]));
            if code == OPT_END {
                assert_eq!((length, octets.len()), (0, 4), "the end is at the end");
                return found;
            }
            let end = 4 + length.next_multiple_of(4);
            found.push((code, octets[4..4 + length].to_vec()));
            assert!(octets[4 + length..end].iter().all(|&o| o == 0), "padding");
            octets = &octets[end..];
        }
        assert!(found.is_empty(), "options have an end");
        found
    }

    fn comments_of(octets: &[u8]) -> Vec<String> {
        let texts = options(octets).into_iter().filter(|(code, _)| *code == OPT_COMMENT);
        texts.map(|(_, text)| String::from_utf8(text).expect("UTF-8")).collect()
    }

    /// Cuts a file into its blocks, and checks both lengths of each.
    fn blocks(mut file: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let mut blocks = Vec::new();
        while !file.is_empty() {
            let length = le32(&file[4..]) as usize;
            assert_eq!(length % 4, 0);
            assert_eq!(le32(&file[length - 4..]) as usize, length, "the length is said twice");
            blocks.push((le32(file), file[8..length - 4].to_vec()));
            file = &file[length..];
        }
        blocks
    }

    /// Reads an IP packet, and checks every length and checksum in it.
    fn parse(octets: &[u8]) -> ((SocketAddr, SocketAddr), u8, Vec<u8>) {
        let (from, to, protocol, payload) = if octets[0] >> 4 == 4 {
            assert_eq!(usize::from(be16(&octets[ipv4::TOTAL_LENGTH])), octets.len());
            assert_eq!(checksum::of(&octets[..ipv4::HEADER]), 0, "header checksum");
            let address = |field| Ipv4Addr::from(be32(&octets[field])).into();
            (address(ipv4::SOURCE), address(ipv4::DESTINATION), octets[ipv4::PROTOCOL], &octets[ipv4::HEADER..])
        } else {
            assert_eq!(octets[0] >> 4, 6);
            assert_eq!(usize::from(be16(&octets[ipv6::PAYLOAD_LENGTH])), octets.len() - ipv6::HEADER);
            let address = |field| Ipv6Addr::from(<[u8; 16]>::try_from(&octets[field]).expect("sixteen")).into();
            (address(ipv6::SOURCE), address(ipv6::DESTINATION), octets[ipv6::NEXT_HEADER], &octets[ipv6::HEADER..])
        };
        // Source and destination port are where they are in UDP as well.
        let path = Path {
            from: SocketAddr::new(from, be16(&payload[tcp::SOURCE])),
            to: SocketAddr::new(to, be16(&payload[tcp::DESTINATION])),
        };
        assert_eq!(transport_checksum(path, protocol, payload), 0, "checksum");
        ((path.from, path.to), protocol, payload.to_vec())
    }

    fn packet(body: &[u8]) -> Seen {
        let length = le32(&body[12..]) as usize;
        assert_eq!(le32(&body[16..]) as usize, length, "captured whole");
        let (path, protocol, payload) = parse(&body[20..20 + length]);
        let mut seen = Seen {
            time: u64::from(le32(&body[4..])) << 32 | u64::from(le32(&body[8..])),
            path,
            protocol,
            sequence: 0,
            acknowledgment: 0,
            flags: 0,
            data: Vec::new(),
            comments: comments_of(&body[20 + length.next_multiple_of(4)..]),
        };
        if protocol == tcp::PROTOCOL {
            seen.sequence = be32(&payload[tcp::SEQUENCE]);
            seen.acknowledgment = be32(&payload[tcp::ACKNOWLEDGMENT]);
            seen.flags = payload[tcp::FLAGS];
            seen.data = payload[usize::from(payload[tcp::DATA_OFFSET] >> 4) * 4..].to_vec();
        } else {
            assert_eq!(usize::from(be16(&payload[udp::field::LENGTH])), payload.len());
            seen.data = payload[udp::field::DATA].to_vec();
        }
        seen
    }

    fn file(journal: &Journal) -> File {
        let mut octets = Vec::new();
        write(journal, &mut octets).expect("write");
        let blocks = blocks(&octets);
        let kinds: Vec<u32> = blocks.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds[..2], [SECTION_HEADER, INTERFACE_DESCRIPTION]);
        assert!(kinds[2..].iter().all(|&kind| kind == ENHANCED_PACKET));
        assert_eq!(blocks[0].1[..8], [0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0]);
        assert_eq!(blocks[1].1[..8], [101, 0, 0, 0, 0, 0, 0, 0]);
        assert!(options(&blocks[1].1[8..]).contains(&(IF_TIMESTAMP_RESOLUTION, vec![9])));
        let packets = blocks[2..].iter().map(|(_, body)| packet(body)).collect();
        File { remarks: comments_of(&blocks[0].1[16..]), packets }
    }

    fn talk(transport: Transport, ends: Option<(SocketAddr, SocketAddr)>) -> Conversation {
        Conversation {
            transport,
            client: ends.map(|e| e.0),
            server: ends.map(|e| e.1),
            client_name: "pilot".into(),
            server_name: "harbour".into(),
        }
    }

    fn loopback(port: u16) -> Option<(SocketAddr, SocketAddr)> {
        Some((SocketAddr::from(([127, 0, 0, 1], port)), SocketAddr::from(([127, 0, 0, 1], 7007))))
    }

    /// Each packet of a short exchange: who, which flags, how far into the stream, how much is acknowledged.
    #[test]
    fn a_conversation_packet_by_packet() {
        use tcp::{ACK, FIN, PSH, SYN};
        let journal = Journal::new(1 << 20);
        let c = journal.open(talk(Transport::Tcp, loopback(50_000)));
        journal.data(c, From::Client, b"ahoy\n");
        journal.event(c, Kind::Note("the tide is in".into()));
        journal.data(c, From::Server, &[b'~'; 1461]);
        journal.event(c, Kind::Close(From::Client));
        journal.event(c, Kind::Close(From::Server));
        journal.note("all ashore");
        let File { remarks, packets } = file(&journal);
        assert!(remarks.is_empty());
        let told: Vec<(u16, u8, u32, u32, usize)> = packets
            .iter()
            .map(|p| {
                let base = if p.path.0.port() == 7007 { 0x0100_0000 } else { 0 };
                let other = if p.flags == SYN { 0 } else { 0x0100_0000 - base };
                (p.path.0.port(), p.flags, p.sequence - base, p.acknowledgment - other, p.data.len())
            })
            .collect();
        assert_eq!(
            told,
            [
                (50_000, SYN, 0, 0, 0),
                (7007, SYN | ACK, 0, 1, 0),
                (50_000, ACK, 1, 1, 0),
                (50_000, PSH | ACK, 1, 1, 5),
                (7007, ACK, 1, 6, 0),
                (7007, ACK, 1, 6, 1460),
                (7007, PSH | ACK, 1461, 6, 1),
                (50_000, ACK, 6, 1462, 0),
                (50_000, FIN | ACK, 6, 1462, 0),
                (7007, ACK, 1462, 7, 0),
                (7007, FIN | ACK, 1462, 7, 0),
                (50_000, ACK, 7, 1463, 0),
            ]
        );
        assert_eq!(packets[5].comments, ["the tide is in"]);
        assert_eq!(packets[11].comments, ["afterwards: all ashore"]);
    }

    /// Octets that were not recorded leave a hole of their size, and the packet after it says so. The other side has
    /// acknowledged them.
    #[test]
    fn a_hole_has_its_size() {
        let journal = Journal::new(1 << 20);
        let c = journal.open(talk(Transport::Tcp, loopback(50_000)));
        let missing = Missing { octets: 5000, datagrams: 0, why: Why::Slow };
        journal.data(c, From::Client, b"ahoy");
        journal.event(c, Kind::Missing(From::Client, missing));
        journal.data(c, From::Client, b"!");
        journal.event(c, Kind::Close(From::Client));
        let packets = file(&journal).packets;
        assert_eq!((packets[5].sequence, packets[5].data.as_slice()), (5005, &b"!"[..]));
        assert_eq!(packets[5].comments, ["from the pilot: 5,000 octets not recorded: the recorder was too slow"]);
        assert_eq!((packets[6].acknowledgment, packets[7].sequence), (5006, 5006));
    }

    /// Event by event, the packets are those of the whole journal. What came too late for a packet is in the last block.
    #[test]
    fn a_file_that_grows() {
        let journal = Journal::new(1 << 20);
        let talks = [talk(Transport::Tcp, loopback(50_000)), talk(Transport::UnixDatagram, None)];
        let [a, b] = talks.clone().map(|talk| journal.open(talk));
        journal.data(a, From::Client, &[7; 4000]);
        journal.data(b, From::Client, b"ahoy");
        journal.event(a, Kind::Close(From::Client));
        let mut whole = Vec::new();
        write(&journal, &mut whole).expect("write");

        let mut writer = Writer::new(Vec::new(), journal.started()).expect("writer");
        for (index, talk) in talks.into_iter().enumerate() {
            writer.begin(index, talk);
        }
        for event in journal.events() {
            writer.event(event.at, event.conversation, &event.kind).expect("write");
        }
        writer.end(a);
        writer.event(Duration::ZERO, Some(a), &Kind::Close(From::Server)).expect("nobody");
        writer.event(Duration::ZERO, None, &Kind::Note("all ashore".into())).expect("note");
        let grown = writer.finish(Duration::ZERO, &["the end".into()]).expect("finish");
        assert_eq!(grown[..whole.len()], whole);
        let last = blocks(&grown[whole.len()..]);
        assert_eq!((last.len(), last[0].0), (1, INTERFACE_STATISTICS));
        assert_eq!(comments_of(&last[0].1[12..]), ["all ashore", "the end"]);
    }

    /// After its RST a side sends nothing, not even an acknowledgment. What the other had sent already still arrives.
    #[test]
    fn a_reset_is_the_last_word() {
        let journal = Journal::new(1 << 20);
        let c = journal.open(talk(Transport::Tcp, loopback(50_000)));
        journal.event(c, Kind::Reset(From::Client));
        journal.data(c, From::Client, b"too late");
        journal.event(c, Kind::Close(From::Client));
        journal.data(c, From::Server, b"crossed");
        let packets = file(&journal).packets;
        assert_eq!(packets.len(), 5);
        assert_eq!(packets[3].flags, tcp::RST | tcp::ACK);
        assert_eq!((packets[4].path.0.port(), packets[4].data.as_slice()), (7007, &b"crossed"[..]));
    }

    /// Time stamps are the wall clock at the start plus the time of the event.
    #[test]
    fn time_goes_on_from_the_start() {
        let journal = Journal::new(1 << 20);
        let c = journal.open(talk(Transport::Udp, loopback(50_000)));
        journal.data(c, From::Client, b"");
        journal.data(c, From::Server, b"x");
        let at: Vec<u64> = journal.events()[1..].iter().map(|e| timestamp(journal.started(), e.at)).collect();
        let times: Vec<u64> = file(&journal).packets.iter().map(|p| p.time).collect();
        assert_eq!(times, at, "an empty datagram is a packet too");
        assert_eq!(timestamp(UNIX_EPOCH, Duration::new(1, 5)), 1_000_000_005);
    }

    /// A pipe has no ports; the capture makes some up and says so.
    #[test]
    fn made_up_addresses_are_told() {
        let journal = Journal::new(1 << 20);
        for transport in [Transport::Stdio, Transport::UnixDatagram] {
            let c = journal.open(talk(transport, None));
            journal.data(c, From::Client, b"ahoy");
        }
        let packets = file(&journal).packets;
        let last = packets.last().expect("packets");
        assert_eq!(packets[0].path.0.to_string(), "127.0.0.1:49152");
        assert_eq!(packets[0].path.1.to_string(), "127.0.0.2:60000");
        assert!(packets[0].comments[0].starts_with("really standard input and output between pilot and harbour"));
        assert!(last.comments[0].starts_with("really Unix datagrams"));
        assert_eq!((last.protocol, last.data.as_slice()), (udp::PROTOCOL, &b"ahoy"[..]));
    }

    /// What no packet can carry is told all the same: in the head of the file.
    #[test]
    fn remarks_without_packets() {
        let journal = Journal::new(0);
        journal.note("ü".repeat(LONGEST_COMMENT));
        let c = journal.open(talk(Transport::Udp, loopback(50_000)));
        journal.data(c, From::Client, b"ahoy");
        let found = file(&journal);
        assert!(found.packets.is_empty());
        assert_eq!(found.remarks[0].len(), LONGEST_COMMENT);
        assert_eq!(found.remarks[1], "left out for lack of room: 4 octets");
    }

    /// The length fields of UDP end at 65,535.
    #[test]
    fn a_datagram_too_long_is_cut_and_says_so() {
        let journal = Journal::new(1 << 20);
        let c = journal.open(talk(Transport::UnixDatagram, None));
        journal.data(c, From::Client, &[7; 100_000]);
        let packets = file(&journal).packets;
        assert_eq!(packets[0].data.len(), 65_507);
        assert_eq!(packets[0].comments[1], "cut: the datagram had 100,000 octets");
    }

    /// One thing that somebody may write into a journal.
    #[derive(Clone, Debug)]
    enum Step {
        Say(usize, From, Vec<u8>),
        Do(usize, Kind),
        Remark(String),
    }

    fn side() -> impl Strategy<Value = From> {
        prop_oneof![Just(From::Client), Just(From::Server)]
    }

    fn step() -> impl Strategy<Value = Step> {
        let octets = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            (any::<u8>(), 1400_usize..6000).prop_map(|(o, n)| vec![o; n]),
        ];
        // Conversations 0 to 3 exist, 4 does not.
        prop_oneof![
            8 => (0..4_usize, side(), octets).prop_map(|(c, from, data)| Step::Say(c, from, data)),
            1 => (0..5_usize, side()).prop_map(|(c, from)| Step::Do(c, Kind::Close(from))),
            1 => (0..5_usize, side()).prop_map(|(c, from)| Step::Do(c, Kind::Reset(from))),
            1 => (0..5_usize, ".{0,20}").prop_map(|(c, text)| Step::Do(c, Kind::Note(text))),
            1 => ".{0,20}".prop_map(Step::Remark),
        ]
    }

    /// What a receiver at each address puts together: streams by sequence number, datagrams by arrival.
    #[derive(Default, Debug, PartialEq)]
    struct Received {
        stream: Vec<u8>,
        datagrams: Vec<Vec<u8>>,
        next: u32,
    }

    fn receive(packets: &[Seen]) -> BTreeMap<(SocketAddr, SocketAddr), Received> {
        let mut all: BTreeMap<_, Received> = BTreeMap::new();
        for p in packets {
            let heard = all.entry((p.path.1, p.path.0)).or_default().next;
            assert!(p.flags & tcp::ACK == 0 || p.acknowledgment == heard, "acknowledges all that came, and no more");
            let to = all.entry(p.path).or_default();
            if p.protocol == udp::PROTOCOL {
                to.datagrams.push(p.data.clone());
                continue;
            }
            if p.flags & tcp::SYN != 0 {
                to.next = p.sequence;
            }
            assert_eq!(p.sequence, to.next, "no gap and no overlap");
            to.stream.extend(&p.data);
            to.next = to.next.wrapping_add(p.data.len() as u32 + u32::from(p.flags & (tcp::SYN | tcp::FIN) != 0));
        }
        all
    }

    fn any_conversations(v6: bool) -> Vec<Conversation> {
        let ends = |port: u16| match v6 {
            true => Some((SocketAddr::from((Ipv6Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, 7)))),
            false => loopback(port),
        };
        let kinds = [Transport::Tcp, Transport::Udp, Transport::Stdio, Transport::UnixDatagram];
        let ends = [ends(1), ends(2), None, None];
        kinds.into_iter().zip(ends).map(|(kind, ends)| talk(kind, ends)).collect()
    }

    fn path(index: usize, c: &Conversation, from: From) -> (SocketAddr, SocketAddr) {
        let client = c.client.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 49_152 + index as u16)));
        let server = c.server.unwrap_or(SocketAddr::from(([127, 0, 0, 2], 60_000)));
        if from == From::Client { (client, server) } else { (server, client) }
    }

    proptest! {
        /// Whatever is in the journal, however senseless: the file can be read back, every length and checksum in it is
        /// right, and each receiver puts together what was sent to it before the sender's FIN or RST.
        #[test]
        fn any_journal_reads_back(steps in prop::collection::vec(step(), 0..40), v6: bool, limit in 0_usize..50_000) {
            let journal = Journal::new(limit);
            let talks = any_conversations(v6);
            for talk in &talks {
                journal.open(talk.clone());
            }
            for step in steps {
                match step {
                    Step::Say(c, from, octets) => journal.data(c, from, &octets),
                    Step::Do(c, kind) => journal.event(c, kind),
                    Step::Remark(text) => journal.note(text),
                }
            }
            /// A stream's octets, a datagram socket's messages, and whether it has ended.
            type Sent = (Vec<u8>, Vec<Vec<u8>>, bool);
            let mut sent: BTreeMap<_, Sent> = BTreeMap::new();
            for event in journal.events() {
                let Some((c, talk)) = event.conversation.and_then(|c| Some((c, talks.get(c)?))) else { continue };
                let datagrams = talk.transport.keeps_boundaries();
                match event.kind {
                    Kind::Data(from, octets) => {
                        let (stream, messages, done) = sent.entry(path(c, talk, from)).or_default();
                        match datagrams {
                            true => messages.push(octets),
                            false if *done => {}
                            false => stream.extend(octets),
                        }
                    }
                    Kind::Close(from) | Kind::Reset(from) => sent.entry(path(c, talk, from)).or_default().2 = true,
                    Kind::Open | Kind::Missing(..) | Kind::Note(_) => {}
                }
            }
            let received = receive(&file(&journal).packets);
            for (path, (stream, messages, _)) in sent {
                let got = received.get(&path);
                prop_assert_eq!(got.map_or(&[][..], |r| &r.stream), stream.as_slice());
                prop_assert_eq!(got.map_or(&[][..], |r| &r.datagrams), messages.as_slice());
            }
        }
    }
}
