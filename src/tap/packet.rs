//! Whole packets with their checksums, for a capture.

use crate::wire::ip::{self, ipv4, ipv6};
use crate::wire::{checksum, udp};
use std::net::SocketAddr;

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

/// What an Ethernet frame carries. The segments of a capture keep to it, though loopback would take more.
const MTU: usize = 1500;
/// What the sender of a segment has room for. Without the window scale option this is the most that fits the field.
const WINDOW: u16 = u16::MAX;

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
        ip::LONGEST - self.ip_header() - udp::Header::LEN
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

/// An IP packet with a UDP datagram. `data` is at most [`Path::datagram_limit`] octets; more is left out.
pub(super) fn udp_packet(path: Path, data: &[u8]) -> Vec<u8> {
    let data = &data[..data.len().min(path.datagram_limit())];
    let datagram = udp::encode(path.from, path.to, data).unwrap_or_default();
    ip_packet(path, udp::PROTOCOL, &datagram)
}

fn ip_packet(path: Path, protocol: u8, payload: &[u8]) -> Vec<u8> {
    ip::encode(path.from.ip(), path.to.ip(), protocol, payload)
}

/// See [`checksum::transport`].
pub(super) fn transport_checksum(path: Path, protocol: u8, segment: &[u8]) -> u16 {
    checksum::transport(path.from.ip(), path.to.ip(), protocol, segment)
}

/// A length field. The limits of [`Path`] keep every length within it.
fn length(n: usize) -> [u8; 2] {
    (n.min(ip::LONGEST) as u16).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;

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
                assert_eq!(checksum::of(&packet[..ipv4::HEADER]), 0);
            }
        }
    }
}
