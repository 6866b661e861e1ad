//! IPv4, IPv6, TCP and UDP headers with their checksums, for a capture.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The IPv4 header without options (RFC 791, section 3.1).
pub(super) mod ipv4 {
    use std::ops::Range;

    pub(in crate::tap) const VERSION_AND_LENGTH: usize = 0;
    pub(in crate::tap) const TOTAL_LENGTH: Range<usize> = 2..4;
    pub(in crate::tap) const FLAGS: usize = 6;
    pub(in crate::tap) const TIME_TO_LIVE: usize = 8;
    pub(in crate::tap) const PROTOCOL: usize = 9;
    pub(in crate::tap) const CHECKSUM: Range<usize> = 10..12;
    pub(in crate::tap) const SOURCE: Range<usize> = 12..16;
    pub(in crate::tap) const DESTINATION: Range<usize> = 16..20;
    pub(in crate::tap) const HEADER: usize = 20;
    /// Version 4, and a header of five words of four octets.
    pub(in crate::tap) const PLAIN: u8 = 0x45;
    pub(in crate::tap) const DONT_FRAGMENT: u8 = 0x40;
}

/// The IPv6 header (RFC 8200, section 3).
pub(super) mod ipv6 {
    use std::ops::Range;

    pub(in crate::tap) const VERSION: usize = 0;
    pub(in crate::tap) const PAYLOAD_LENGTH: Range<usize> = 4..6;
    pub(in crate::tap) const NEXT_HEADER: usize = 6;
    pub(in crate::tap) const HOP_LIMIT: usize = 7;
    pub(in crate::tap) const SOURCE: Range<usize> = 8..24;
    pub(in crate::tap) const DESTINATION: Range<usize> = 24..40;
    pub(in crate::tap) const HEADER: usize = 40;
    /// Version 6 in the upper four bits.
    pub(in crate::tap) const PLAIN: u8 = 0x60;
}

/// The TCP header (RFC 9293, section 3.1).
pub(super) mod tcp {
    use std::ops::Range;

    pub(in crate::tap) const PROTOCOL: u8 = 6;
    pub(in crate::tap) const SOURCE: Range<usize> = 0..2;
    pub(in crate::tap) const DESTINATION: Range<usize> = 2..4;
    pub(in crate::tap) const SEQUENCE: Range<usize> = 4..8;
    pub(in crate::tap) const ACKNOWLEDGMENT: Range<usize> = 8..12;
    pub(in crate::tap) const DATA_OFFSET: usize = 12;
    pub(in crate::tap) const FLAGS: usize = 13;
    pub(in crate::tap) const WINDOW: Range<usize> = 14..16;
    pub(in crate::tap) const CHECKSUM: Range<usize> = 16..18;
    pub(in crate::tap) const HEADER: usize = 20;

    pub(in crate::tap) const FIN: u8 = 0x01;
    pub(in crate::tap) const SYN: u8 = 0x02;
    pub(in crate::tap) const RST: u8 = 0x04;
    pub(in crate::tap) const PSH: u8 = 0x08;
    pub(in crate::tap) const ACK: u8 = 0x10;

    /// Kind and length of the option that announces the maximum segment size (RFC 9293, section 3.7.1).
    pub(in crate::tap) const MSS_OPTION: [u8; 2] = [2, 4];
}

/// The UDP header (RFC 768).
pub(super) mod udp {
    use std::ops::Range;

    pub(in crate::tap) const PROTOCOL: u8 = 17;
    pub(in crate::tap) const SOURCE: Range<usize> = 0..2;
    pub(in crate::tap) const DESTINATION: Range<usize> = 2..4;
    pub(in crate::tap) const LENGTH: Range<usize> = 4..6;
    pub(in crate::tap) const CHECKSUM: Range<usize> = 6..8;
    pub(in crate::tap) const HEADER: usize = 8;
}

/// What an Ethernet frame carries. The segments of a capture keep to it, though loopback would take more.
const MTU: usize = 1500;
/// What the sender of a segment has room for. Without the window scale option this is the most that fits the field.
const WINDOW: u16 = u16::MAX;
/// The usual first value of "time to live" and "hop limit".
const HOPS: u8 = 64;
/// The most that the length fields of IPv4 and UDP can say.
const LONGEST: usize = u16::MAX as usize;

/// From where to where. When the families differ, the IPv4 side is written as an IPv4-mapped IPv6 address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
}

/// What makes one TCP segment differ from another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) sequence: u32,
    pub(super) acknowledgment: u32,
    pub(super) flags: u8,
    pub(super) data: &'a [u8],
}

impl Path {
    /// The way back.
    pub(super) fn reversed(self) -> Self {
        Self { from: self.to, to: self.from }
    }

    /// The data that a segment on this path carries at most: 1460 octets, or 1440 over IPv6 (RFC 9293, section 3.7.1).
    pub(super) fn segment_limit(self) -> usize {
        MTU - self.ip_header() - tcp::HEADER
    }

    /// The data that a datagram on this path carries at most: 65,507 octets, or 65,487 over IPv6.
    ///
    /// The second could be 40 octets more, since IPv6 does not count its own header.
    pub(super) fn datagram_limit(self) -> usize {
        LONGEST - self.ip_header() - udp::HEADER
    }

    fn ip_header(self) -> usize {
        if self.is_ipv4() { ipv4::HEADER } else { ipv6::HEADER }
    }

    fn is_ipv4(self) -> bool {
        self.from.is_ipv4() && self.to.is_ipv4()
    }
}

/// An IP packet with a TCP segment. A SYN announces the maximum segment size.
pub(super) fn tcp_packet(path: Path, segment: Segment<'_>) -> Vec<u8> {
    // Room for the option of a SYN as well.
    let mut octets = Vec::with_capacity(tcp::HEADER + 4 + segment.data.len());
    octets.resize(tcp::HEADER, 0);
    octets[tcp::SOURCE].copy_from_slice(&path.from.port().to_be_bytes());
    octets[tcp::DESTINATION].copy_from_slice(&path.to.port().to_be_bytes());
    octets[tcp::SEQUENCE].copy_from_slice(&segment.sequence.to_be_bytes());
    octets[tcp::ACKNOWLEDGMENT].copy_from_slice(&segment.acknowledgment.to_be_bytes());
    octets[tcp::FLAGS] = segment.flags;
    octets[tcp::WINDOW].copy_from_slice(&WINDOW.to_be_bytes());
    if segment.flags & tcp::SYN != 0 {
        octets.extend(tcp::MSS_OPTION);
        octets.extend(length(path.segment_limit()));
    }
    // The upper four bits count the words of four octets in the header.
    octets[tcp::DATA_OFFSET] = (octets.len() as u8 / 4) << 4;
    octets.extend_from_slice(segment.data);
    let sum = transport_checksum(path, tcp::PROTOCOL, &octets);
    octets[tcp::CHECKSUM].copy_from_slice(&sum.to_be_bytes());
    ip_packet(path, tcp::PROTOCOL, &octets)
}

/// An IP packet with a UDP datagram. `data` is at most [`Path::datagram_limit`] octets.
pub(super) fn udp_packet(path: Path, data: &[u8]) -> Vec<u8> {
    let mut octets = vec![0; udp::HEADER];
    octets[udp::SOURCE].copy_from_slice(&path.from.port().to_be_bytes());
    octets[udp::DESTINATION].copy_from_slice(&path.to.port().to_be_bytes());
    octets[udp::LENGTH].copy_from_slice(&length(udp::HEADER + data.len()));
    octets.extend_from_slice(data);
    // Zero in the field means "no checksum"; a checksum that comes out as zero is sent as all ones.
    let sum = match transport_checksum(path, udp::PROTOCOL, &octets) {
        0 => u16::MAX,
        sum => sum,
    };
    octets[udp::CHECKSUM].copy_from_slice(&sum.to_be_bytes());
    ip_packet(path, udp::PROTOCOL, &octets)
}

fn ip_packet(path: Path, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match (path.from.ip(), path.to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header = [0; ipv4::HEADER];
            header[ipv4::VERSION_AND_LENGTH] = ipv4::PLAIN;
            header[ipv4::TOTAL_LENGTH].copy_from_slice(&length(ipv4::HEADER + payload.len()));
            // A packet that is never split needs no identification (RFC 6864, section 4.1).
            header[ipv4::FLAGS] = ipv4::DONT_FRAGMENT;
            header[ipv4::TIME_TO_LIVE] = HOPS;
            header[ipv4::PROTOCOL] = protocol;
            header[ipv4::SOURCE].copy_from_slice(&from.octets());
            header[ipv4::DESTINATION].copy_from_slice(&to.octets());
            let sum = !fold(sum(&header));
            header[ipv4::CHECKSUM].copy_from_slice(&sum.to_be_bytes());
            [&header, payload].concat()
        }
        (from, to) => {
            let mut header = [0; ipv6::HEADER];
            header[ipv6::VERSION] = ipv6::PLAIN;
            header[ipv6::PAYLOAD_LENGTH].copy_from_slice(&length(payload.len()));
            header[ipv6::NEXT_HEADER] = protocol;
            header[ipv6::HOP_LIMIT] = HOPS;
            header[ipv6::SOURCE].copy_from_slice(&as_ipv6(from).octets());
            header[ipv6::DESTINATION].copy_from_slice(&as_ipv6(to).octets());
            [&header, payload].concat()
        }
    }
}

/// The checksum over a pseudo header and the segment: the addresses count, so that a packet that was delivered to the
/// wrong host is noticed (RFC 9293, section 3.1; RFC 8200, section 8.1).
pub(super) fn transport_checksum(path: Path, protocol: u8, segment: &[u8]) -> u16 {
    let addresses = match (path.from.ip(), path.to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => sum(&from.octets()) + sum(&to.octets()),
        (from, to) => sum(&as_ipv6(from).octets()) + sum(&as_ipv6(to).octets()),
    };
    !fold(addresses + u64::from(protocol) + segment.len() as u64 + sum(segment))
}

/// The sum of the 16-bit words; an odd octet at the end counts as the upper half of a word (RFC 1071).
pub(super) fn sum(octets: &[u8]) -> u64 {
    let (words, odd) = octets.as_chunks::<2>();
    let whole: u64 = words.iter().map(|&word| u64::from(u16::from_be_bytes(word))).sum();
    whole + odd.first().map_or(0, |&octet| u64::from(octet) << 8)
}

/// One's complement addition: what overflows 16 bits is added at the bottom.
pub(super) fn fold(mut sum: u64) -> u16 {
    while sum > u64::from(u16::MAX) {
        sum = (sum & u64::from(u16::MAX)) + (sum >> 16);
    }
    sum as u16
}

fn as_ipv6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// A length field. The limits of [`Path`] keep every length within it.
fn length(n: usize) -> [u8; 2] {
    (n.min(LONGEST) as u16).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header and the sum of RFC 1071, section 3: 00 01 f2 03 f4 f5 f6 f7 adds up to ddf2.
    #[test]
    fn the_sum_of_the_rfc() {
        assert_eq!(fold(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])), 0xddf2);
        assert_eq!(fold(sum(&[0x12, 0x34, 0x56])), 0x1234 + 0x5600);
    }

    /// A datagram, octet by octet.
    #[test]
    fn a_datagram_as_it_travels() {
        let path = Path { from: ([127, 0, 0, 1], 0x1234).into(), to: ([127, 0, 0, 2], 7).into() };
        let packet = udp_packet(path, b"tide");
        assert_eq!(
            packet,
            [
                0x45, 0, 0, 32, 0, 0, 0x40, 0, 64, 17, 0x3c, 0xca, 127, 0, 0, 1, 127, 0, 0, 2, // IPv4
                0x12, 0x34, 0, 7, 0, 12, 0x16, 0xc9, // UDP
                b't', b'i', b'd', b'e',
            ]
        );
    }

    /// A receiver adds up everything, the checksum included, and finds all ones.
    #[test]
    fn checksums_add_up_in_both_families() {
        let ends: [(SocketAddr, SocketAddr); 3] = [
            (([127, 0, 0, 1], 40_000).into(), ([127, 0, 0, 1], 7007).into()),
            ((Ipv6Addr::LOCALHOST, 40_000).into(), (Ipv6Addr::LOCALHOST, 7007).into()),
            (([127, 0, 0, 1], 40_000).into(), (Ipv6Addr::LOCALHOST, 7007).into()),
        ];
        for (from, to) in ends {
            let path = Path { from, to };
            let segment = Segment { sequence: 1, acknowledgment: 2, flags: tcp::PSH | tcp::ACK, data: b"ahoy\n" };
            let packet = tcp_packet(path, segment);
            assert_eq!(transport_checksum(path, tcp::PROTOCOL, &packet[path.ip_header()..]), 0, "{path:?}");
            if path.is_ipv4() {
                assert_eq!(!fold(sum(&packet[..ipv4::HEADER])), 0);
            }
        }
    }
}
