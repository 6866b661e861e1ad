//! A datagram as people read it: under a ruler, field by field, and its checksum word by word.

use netkata::error::Result;
use netkata::exit::say;
use netkata::hexdump::{self, hex, text};
use netkata::human::count;
use netkata::wire::checksum::{PseudoHeader, fold, sum};
use netkata::wire::udp::{self, Checked, Fault, Header, NO_CHECKSUM, PROTOCOL, field};
use std::net::IpAddr;
use std::ops::Range;

/// Stands over the columns of a dump.
const RULER: &str = "offset    from  to    len   sum    data";
/// In a dump: the column of the first octet, and the columns that each takes.
const FIRST: usize = 10;
const EACH: usize = 3;
/// Words of data that are added one by one; the rest in one go.
const SHOWN: usize = 16;
/// Octets of data in a line about a field.
const LINE: usize = 64;

/// The header of the IP packet around it.
pub fn packet(octets: &[u8], header: usize) -> Result<()> {
    say(format_args!("the IP header, {}", count(header, "octet")))?;
    hexdump::dump(&octets[..header]).lines().try_for_each(say)?;
    say("")
}

/// The octets under a ruler, with a mark under the one that is wrong. That is one of the header, or the first that is missing.
pub fn dump(octets: &[u8], wrong: Option<usize>) -> Result<()> {
    say(RULER)?;
    let dumped = hexdump::dump(octets);
    let mut lines = dumped.lines();
    lines.next().map_or(Ok(()), say)?;
    if let Some(at) = wrong {
        say(format_args!("{}^^", " ".repeat(FIRST + EACH * at)))?;
    }
    lines.try_for_each(say)
}

/// What is wrong. A capture on the sending host may be too early: there, a network card has yet to finish the checksum, and
/// what stands in its place is the sum of the pseudo header. On loopback, nobody ever finishes it.
pub fn fault(fault: Fault, octets: &[u8], between: Option<(IpAddr, IpAddr)>) -> String {
    if let (Fault::WrongChecksum { found, .. }, Some((from, to)), Some(start)) = (fault, between, octets.first_chunk())
    {
        let pseudo = PseudoHeader::new(from, to, PROTOCOL, Header::parse(start).length.into());
        if fold(sum(pseudo.octets())) == found {
            return format!("{fault}; it is the sum of the pseudo header, left to the network card to go on with");
        }
    }
    fault.to_string()
}

/// A line for each field: its name, where it is, its octets, what they mean. The datagram is one that is right.
pub fn fields(octets: &[u8], between: Option<(IpAddr, IpAddr)>) -> Result<()> {
    let Ok(datagram) = udp::decode(octets, between) else { return Ok(()) };
    let Header { source, destination, length, checksum } = datagram.header;
    let checked = match datagram.checked {
        Checked::Right => "right".to_string(),
        Checked::Without => "none, which IPv4 allows".into(),
        Checked::Unknown if checksum == NO_CHECKSUM => "none".into(),
        Checked::Unknown => "not checked: it counts the addresses, too (--from, --to)".into(),
    };
    let line = |name: &str, at: Range<usize>, means: String| {
        let where_it_is = format!("{}..{}", at.start, at.end);
        say(format_args!("{name:<16}  {where_it_is:<6}  {}  {means}", hex(&octets[at], 8)))
    };
    say("")?;
    line("source port", field::SOURCE, source.to_string())?;
    line("destination port", field::DESTINATION, destination.to_string())?;
    let parts = format!("{length}: a header of {} octets, and {} of data", Header::LEN, datagram.data.len());
    line("length", field::LENGTH, parts)?;
    line("checksum", field::CHECKSUM, checked)?;
    let end = usize::from(length);
    say(format_args!("{:<16}  {:<6}  \"{}\"", "data", format!("{}..{end}", Header::LEN), text(datagram.data, LINE)))?;
    if datagram.surplus.is_empty() {
        return Ok(());
    }
    let (at, more) = (format!("{end}..{}", octets.len()), count(datagram.surplus.len(), "octet"));
    say(format_args!("{:<16}  {at:<6}  {more} after its end: no part of it, but for options (RFC 9868)", "surplus"))
}

/// The sum that makes the checksum, one line for each word: the word, the sum so far, where it is from.
pub fn arithmetic(octets: &[u8], from: IpAddr, to: IpAddr) -> Result<()> {
    let pseudo = PseudoHeader::new(from, to, PROTOCOL, octets.len());
    let mut header = octets[..Header::LEN].to_vec();
    header[field::CHECKSUM].fill(0);
    say("\nthe checksum, word by word, and the sum so far")?;
    let mut total = 0;
    let names = if from.is_ipv4() { pseudo_ipv4 } else { pseudo_ipv6 };
    for (at, word) in (0..).step_by(2).zip(pseudo.octets().chunks(2)) {
        add(&mut total, word, names(at))?;
    }
    for (word, name) in header.chunks(2).zip(["source port", "destination port", "length", "checksum: not known yet"]) {
        add(&mut total, word, name)?;
    }
    let data = &octets[field::DATA];
    let (each, rest) = data.split_at(data.len().min(2 * SHOWN));
    for word in each.chunks(2) {
        let odd = if word.len() == 1 { ", filled up with zero" } else { "" };
        add(&mut total, word, &format!("\"{}\"{odd}", text(word, 2)))?;
    }
    if !rest.is_empty() {
        total += sum(rest);
        say(format_args!("   …  {:>8}  the other {}", sixteen(total), count(rest.len().div_ceil(2), "word")))?;
    }
    finish(total)
}

/// What overflows sixteen bits comes back at the bottom, and then every bit is turned over.
fn finish(total: u64) -> Result<()> {
    let folded = fold(total);
    let sum = sixteen(folded.into());
    say(format_args!("      {sum:>8}  the carry added: {} + {:x}", sixteen(total & 0xffff), total >> 16))?;
    say(format_args!("      {:>8}  inverted", sixteen((!folded).into())))?;
    if !folded == NO_CHECKSUM {
        say(format_args!("      {:>8}  since zero would mean that there is none", "ffff"))?;
    }
    Ok(())
}

fn add(total: &mut u64, word: &[u8], name: &str) -> Result<()> {
    *total += sum(word);
    let shown = hexdump::hex(word, 2).replace(' ', "");
    say(format_args!("{shown:<4}  {:>8}  {name}", sixteen(*total)))
}

/// Four digits, or more when there is a carry.
fn sixteen(n: u64) -> String {
    format!("{n:04x}")
}

fn pseudo_ipv4(at: usize) -> &'static str {
    match at {
        0 | 2 => "source address",
        4 | 6 => "destination address",
        8 => "zero, and the protocol",
        _ => "length, once more",
    }
}

fn pseudo_ipv6(at: usize) -> &'static str {
    match at {
        0..16 => "source address",
        16..32 => "destination address",
        32 | 34 => "length, in 32 bits",
        _ => "zeros, and the protocol",
    }
}
