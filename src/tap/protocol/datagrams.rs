//! DNS and TFTP: one message in each datagram.

use super::{Fields, Label, Protocol, shown};
use crate::human::count;
use crate::tftp::{Block, Mode, Options, Packet};

/// DNS, multicast DNS and LLMNR.
const DNS_PORTS: [u16; 3] = [53, 5353, 5355];
/// Bits of the second word of the header (RFC 1035, section 4.1.1).
const RESPONSE: usize = 0x8000;
const OPCODE: usize = 0x7800;
const RESERVED: usize = 0x0040;
const RCODE: usize = 0x000f;
/// A name takes at most so many octets (RFC 1035, section 2.3.4).
const LONGEST_NAME: usize = 255;
/// Characters of a label: names and options come from the wire.
const LONGEST_LABEL: usize = 200;
/// The Internet.
const CLASS_IN: usize = 1;
/// The highest bit of the class has a meaning of its own in multicast DNS (RFC 6762, section 5.4).
const CLASS: usize = 0x7fff;

const TYPES: [(usize, &str); 14] = [
    (1, "A"),
    (2, "NS"),
    (5, "CNAME"),
    (6, "SOA"),
    (12, "PTR"),
    (15, "MX"),
    (16, "TXT"),
    (28, "AAAA"),
    (33, "SRV"),
    (43, "DS"),
    (48, "DNSKEY"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (255, "ANY"),
];

/// A query or an answer with one question, as all are.
pub(super) fn dns(octets: &[u8], port: u16) -> Option<Label> {
    let mut message = Fields(octets);
    let [_id, flags, questions, answers, authorities, _] = header(&mut message)?;
    let name = question(&mut message)?;
    let response = flags & RESPONSE != 0;
    // A query has nothing but its question, and additions.
    let sound = flags & (OPCODE | RESERVED) == 0 && questions == 1 && (response || answers + authorities == 0);
    let verdict = match (response, flags & RCODE) {
        (false, 0) => "query".into(),
        (true, 0) => format!("answer, {},", count(answers, "record")),
        (true, 2) => "answer SERVFAIL".into(),
        (true, 3) => "answer NXDOMAIN".into(),
        (true, 5) => "answer REFUSED".into(),
        (true, code) => format!("answer with error {code}"),
        (false, _) => return None,
    };
    let sure = DNS_PORTS.contains(&port);
    sound.then(|| Label::sure_if(sure, Protocol::Dns, format!("DNS {verdict} {name}")))
}

/// The same with its length before it (RFC 1035, section 4.2.2).
pub(super) fn dns_over_tcp(octets: &[u8], port: u16) -> Option<Label> {
    let mut stream = Fields(octets);
    let message = stream.vector(2)?.0;
    stream.0.is_empty().then(|| dns(message, port)).flatten()
}

fn header(message: &mut Fields<'_>) -> Option<[usize; 6]> {
    let mut words = [0; 6];
    for word in &mut words {
        *word = message.number(2)?;
    }
    Some(words)
}

/// `A harbour.example`
fn question(message: &mut Fields<'_>) -> Option<String> {
    let mut name = Vec::new();
    loop {
        // A longer label is a pointer, and there is nothing yet to point to.
        let label = message.vector(1).map(|label| label.0).filter(|label| label.len() < 64)?;
        if label.is_empty() {
            break;
        }
        name.extend_from_slice(label);
        name.push(b'.');
        if name.len() > LONGEST_NAME {
            return None;
        }
    }
    let (kind, class) = (message.number(2)?, message.number(2)?);
    let kind = match TYPES.iter().find(|(number, _)| *number == kind) {
        Some((_, name)) => (*name).to_string(),
        None => format!("TYPE{kind}"),
    };
    let name = name.strip_suffix(b".").map_or_else(|| ".".into(), shown);
    (class & CLASS == CLASS_IN).then(|| format!("{kind} {name}"))
}

/// A packet that begins a conversation. A request has a form of its own (RFC 1350, section 5), and so has an OACK with options that
/// are known. They go to a server's port and come from another, so what is heard may begin with the first block, or with an
/// ACK of block 0: these are short, and may be anything.
pub(super) fn tftp(octets: &[u8]) -> Option<Label> {
    let packet = Packet::parse(octets).ok()?;
    let sure = match &packet {
        Packet::Rrq(request) | Packet::Wrq(request) => Mode::of(request.mode).map(|_| true),
        Packet::Oack(options) => Options::read(options).ok().filter(|known| !known.is_empty()).map(|_| true),
        Packet::Data { block: Block(1), .. } | Packet::Ack { block: Block(0) } => Some(false),
        _ => None,
    };
    transfer(&packet, sure?)
}

/// Any packet, in a conversation that is known for a transfer.
pub(super) fn tftp_more(octets: &[u8]) -> Option<Label> {
    transfer(&Packet::parse(octets).ok()?, true)
}

fn transfer(packet: &Packet<'_>, sure: bool) -> Option<Label> {
    let mut text = format!("TFTP {packet}");
    if let Some((cut, _)) = text.char_indices().nth(LONGEST_LABEL) {
        text.truncate(cut);
        text.push('…');
    }
    Some(Label::sure_if(sure, Protocol::Tftp, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(label: Option<Label>) -> String {
        label.map_or(String::new(), |l| l.to_string())
    }

    const QUERY: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07harbour\x07example\0\0\x1c\0\x01";

    #[test]
    fn questions_and_answers() {
        assert_eq!(text(dns(QUERY, 53)), "DNS query AAAA harbour.example");
        assert_eq!(text(dns(QUERY, 7045)), "perhaps DNS query AAAA harbour.example");
        assert_eq!(text(dns_over_tcp(&[&[0, 33], QUERY].concat(), 53)), "DNS query AAAA harbour.example");
        assert_eq!(dns_over_tcp(&[&[0, 32], QUERY].concat(), 53), None);
        let with = |flags: [u8; 2], answers: u8| {
            let mut octets = QUERY.to_vec();
            octets[2..4].copy_from_slice(&flags);
            octets[7] = answers;
            text(dns(&octets, 53))
        };
        assert_eq!(with([0x81, 0x80], 2), "DNS answer, 2 records, AAAA harbour.example");
        assert_eq!(with([0x81, 0x83], 0), "DNS answer NXDOMAIN AAAA harbour.example");
        assert_eq!(with([0x01, 0x00], 1), "", "a question with an answer in it");
        let root = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\0\0\x02\0\x01";
        assert_eq!(text(dns(root, 53)), "DNS query NS .");
    }

    #[test]
    fn transfers() {
        assert_eq!(text(tftp(b"\0\x01tides.txt\0octet\0blksize\x001428\0")), "TFTP RRQ tides.txt octet blksize=1428");
        assert_eq!(text(tftp(b"\0\x02tides.txt\0OCTET\0")), "TFTP WRQ tides.txt OCTET");
        for octets in [&b"\0\x01tides.txt\0octet"[..], b"\0\x01\0octet\0", b"\0\x01tides.txt\0text\0", b"\0\x05\0\0\0"]
        {
            assert_eq!(tftp(octets), None);
        }
        let block = [b"\0\x03\0\x03".as_slice(), &[b'~'; 512]].concat();
        for (octets, told) in [
            (block.as_slice(), "TFTP DATA 3, 512 octets"),
            (b"\0\x04\0\x03", "TFTP ACK 3"),
            (b"\0\x05\0\x01no such chart\0", "TFTP ERROR 1 file not found \"no such chart\""),
            (b"\0\x06blksize\x001428\0", "TFTP OACK blksize=1428"),
            (b"\0\x09\0\x01", ""),
        ] {
            assert_eq!(text(tftp_more(octets)), told);
        }
    }

    /// The server answers from a port of its own, so a conversation may begin in the middle of what was asked for elsewhere.
    #[test]
    fn transfers_without_their_request() {
        for (octets, told) in [
            (&b"\0\x06tsize\x0075352\0"[..], "TFTP OACK tsize=75352"),
            (b"\0\x03\0\x01ebb", "perhaps TFTP DATA 1, 3 octets"),
            (b"\0\x04\0\0", "perhaps TFTP ACK 0"),
            (b"\0\x06tide\0high\0", ""),
            (b"\0\x06", ""),
            (b"\0\x03\0\x02flood", ""),
            (b"\0\x04\0\x01", ""),
        ] {
            assert_eq!(text(tftp(octets)), told);
        }
    }

    #[test]
    fn a_label_stays_short() {
        let octets = [b"\0\x02".as_slice(), &[0xff; 400], b"\0octet\0"].concat();
        let told = text(tftp(&octets));
        assert!(told.starts_with("TFTP WRQ \\xff") && told.ends_with('…') && told.chars().count() == 201, "{told}");
    }
}
