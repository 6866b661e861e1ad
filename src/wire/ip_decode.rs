//! An IP packet, taken apart as far as what it carries.

use super::checksum;
use super::ip::{Fault, ipv4, ipv6};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A packet that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Where from.
    pub from: IpAddr,
    /// Where to.
    pub to: IpAddr,
    /// What it carries: 6 TCP, 17 UDP.
    pub protocol: u8,
    /// Octets of headers before that.
    pub header: usize,
    /// What it carries.
    pub payload: &'a [u8],
    /// Octets after the packet's end: an Ethernet frame is filled up to its least length.
    pub surplus: &'a [u8],
}

/// Takes a packet of either version apart.
///
/// # Errors
/// What is wrong, and where. A fragment, and an extension header that leads elsewhere, are errors here too.
pub fn decode(octets: &[u8]) -> Result<Packet<'_>, Fault> {
    match octets.first().map(|first| first >> 4) {
        None => Err(Fault::TruncatedHeader { got: 0, want: ipv4::HEADER }),
        Some(4) => decode_ipv4(octets),
        Some(6) => decode_ipv6(octets),
        Some(version) => Err(Fault::UnknownVersion(version)),
    }
}

fn decode_ipv4(octets: &[u8]) -> Result<Packet<'_>, Fault> {
    let fixed: &[u8; ipv4::HEADER] =
        octets.first_chunk().ok_or(Fault::TruncatedHeader { got: octets.len(), want: ipv4::HEADER })?;
    let words = fixed[ipv4::VERSION_AND_LENGTH] & 0xf;
    let header = usize::from(words) * 4;
    if header < ipv4::HEADER {
        return Err(Fault::HeaderTooShort(words));
    }
    let all = octets.get(..header).ok_or(Fault::TruncatedHeader { got: octets.len(), want: header })?;
    // All ones when it is right. Without the field itself, the sum is what belongs there.
    let found = word(fixed, ipv4::CHECKSUM.start);
    let rest = checksum::sum(all) - u64::from(found);
    let right = !checksum::fold(rest);
    if checksum::fold(rest + u64::from(found)) != u16::MAX {
        return Err(Fault::WrongChecksum { found, right });
    }
    let length = word(fixed, ipv4::TOTAL_LENGTH.start);
    if usize::from(length) < header {
        return Err(Fault::LengthTooShort { length, header });
    }
    let (packet, surplus) = cut(octets, length.into(), ipv4::TOTAL_LENGTH.start)?;
    if word(fixed, ipv4::FRAGMENT.start) & ipv4::FRAGMENTED != 0 {
        return Err(Fault::Fragment { at: ipv4::FRAGMENT.start });
    }
    let address = |at: usize| Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]).into();
    let (from, to) = (address(ipv4::SOURCE.start), address(ipv4::DESTINATION.start));
    let payload = &packet[header..];
    Ok(Packet { from, to, protocol: fixed[ipv4::PROTOCOL], header, payload, surplus })
}

fn decode_ipv6(octets: &[u8]) -> Result<Packet<'_>, Fault> {
    let fixed: &[u8; ipv6::HEADER] =
        octets.first_chunk().ok_or(Fault::TruncatedHeader { got: octets.len(), want: ipv6::HEADER })?;
    let length = ipv6::HEADER + usize::from(word(fixed, ipv6::PAYLOAD_LENGTH.start));
    let (packet, surplus) = cut(octets, length, ipv6::PAYLOAD_LENGTH.start)?;
    let (protocol, header) = skip_options(packet)?;
    let address = |at: usize| {
        let mut sixteen = [0; 16];
        sixteen.copy_from_slice(&fixed[at..at + 16]);
        Ipv6Addr::from(sixteen).into()
    };
    let (from, to) = (address(ipv6::SOURCE.start), address(ipv6::DESTINATION.start));
    Ok(Packet { from, to, protocol, header, payload: &packet[header..], surplus })
}

/// What the last header before the payload names, and where the payload begins. Each header is longer than nothing, so
/// that there is an end.
fn skip_options(packet: &[u8]) -> Result<(u8, usize), Fault> {
    let (mut at, mut header) = (ipv6::NEXT_HEADER, ipv6::HEADER);
    while ipv6::OPTIONS.contains(&packet[at]) {
        let short = Fault::TruncatedHeader { got: packet.len(), want: header + 8 };
        let words = packet.get(header..header + 8).ok_or(short)?[1];
        // Counted in units of eight octets, not including the first eight (RFC 8200, section 4.3).
        let end = header + 8 * (1 + usize::from(words));
        if end > packet.len() {
            return Err(Fault::TruncatedHeader { got: packet.len(), want: end });
        }
        (at, header) = (header, end);
    }
    match packet[at] {
        ipv6::FRAGMENT => Err(Fault::Fragment { at }),
        // Routing, security, mobility and the like: they change what the addresses mean, or hide what follows.
        number @ (43 | 50 | 51 | 135 | 139 | 140) => Err(Fault::Extension { at, number }),
        protocol => Ok((protocol, header)),
    }
}

fn cut(octets: &[u8], length: usize, at: usize) -> Result<(&[u8], &[u8]), Fault> {
    octets.split_at_checked(length).ok_or(Fault::Truncated { at, length, got: octets.len() })
}

fn word(octets: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([octets[at], octets[at + 1]])
}

#[cfg(test)]
mod tests {
    use super::super::ip::encode;
    use super::*;
    use proptest::prelude::*;

    fn sample(six: bool) -> Vec<u8> {
        match six {
            false => encode([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), 17, b"tide"),
            true => encode(Ipv6Addr::LOCALHOST.into(), Ipv6Addr::UNSPECIFIED.into(), 17, b"tide"),
        }
    }

    /// What was written is read, with what a frame was filled up with apart.
    #[test]
    fn round_trip() {
        for six in [false, true] {
            let octets = [sample(six), vec![0; 6]].concat();
            let packet = decode(&octets).expect("right");
            assert_eq!((packet.protocol, packet.payload, packet.surplus), (17, b"tide".as_slice(), [0; 6].as_slice()));
            assert_eq!((packet.header, packet.from.is_ipv6()), (if six { 40 } else { 20 }, six));
        }
    }

    /// Wherever a packet is cut, that is what is said of it.
    #[test]
    fn every_truncation_is_named() {
        for packet in [sample(false), sample(true)] {
            for n in 0..packet.len() {
                let fault = decode(&packet[..n]).expect_err("cut");
                assert!(matches!(fault, Fault::TruncatedHeader { .. } | Fault::Truncated { .. }), "{n}: {fault}");
            }
        }
    }

    /// Each field that can be wrong, and the octet that is named.
    #[test]
    fn what_is_wrong_is_named() {
        type Spoil = fn(&mut [u8]);
        let cases: [(bool, Spoil, &str); 9] = [
            (false, |p| p[0] = 0x55, "offset 0: IP version 5: it takes 4 or 6"),
            (false, |p| p[0] = 0x44, "offset 0: an IP header of 4 words of four octets: five is the least"),
            (false, |p| p[8] ^= 1, "offset 10: wrong IP header checksum 26d3: it should be 25d3"),
            (
                false,
                |p| set(p, 2..4, 19),
                "offset 2: total length 19 does not cover the IP header, which has 20 octets",
            ),
            (false, |p| set(p, 2..4, 25), "offset 2: truncated packet: 24 of 25 octets, then the end"),
            (
                false,
                |p| set(p, 6..8, 0x2000),
                "offset 6: a fragment: without the others, nothing can be said of what it carries",
            ),
            (true, |p| p[6] = 44, "offset 6: a fragment: without the others, nothing can be said of what it carries"),
            (true, |p| p[6] = 43, "offset 6: extension header 43: what follows it is not looked for here"),
            (true, |p| p[6] = 60, "offset 44: truncated IP header: 44 of 48 octets, then the end"),
        ];
        for (six, spoil, said) in cases {
            let mut packet = sample(six);
            spoil(&mut packet);
            assert_eq!(decode(&packet).expect_err(said).to_string(), said);
        }
    }

    /// Sets a field, and makes the checksum right again.
    fn set(packet: &mut [u8], field: std::ops::Range<usize>, to: u16) {
        packet[field].copy_from_slice(&to.to_be_bytes());
        packet[ipv4::CHECKSUM].fill(0);
        let sum = checksum::of(&packet[..ipv4::HEADER]);
        packet[ipv4::CHECKSUM].copy_from_slice(&sum.to_be_bytes());
    }

    /// Options are skipped, and what follows them is found.
    #[test]
    fn extension_headers_are_skipped() {
        let inner = [[60, 0, 0, 0, 0, 0, 0, 0].as_slice(), &[17, 1], &[0; 14], b"tide"].concat();
        let octets = encode(Ipv6Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into(), 0, &inner);
        let packet = decode(&octets).expect("right");
        assert_eq!((packet.protocol, packet.header, packet.payload), (17, 64, b"tide".as_slice()));
    }

    proptest! {
        /// No octets make it panic.
        #[test]
        fn any_octets(mut octets in prop::collection::vec(any::<u8>(), 0..120), version in prop::sample::select(vec![4_u8, 6])) {
            if let Some(first) = octets.first_mut() {
                *first = version << 4 | *first & 0xf;
            }
            let _ = decode(&octets);
        }
    }
}
