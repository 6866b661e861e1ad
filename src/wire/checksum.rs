//! The Internet checksum (RFC 1071): the words of sixteen bits, added with the carry brought round, and inverted.
//!
//! Whoever receives adds up everything, the checksum included, and finds all ones. No order of the octets is assumed, so
//! the sum is the same on every processor. It notices every single flipped bit; it does not notice two words that have
//! changed places.

use std::net::{IpAddr, Ipv6Addr};

/// The sum of the 16-bit words; an odd octet at the end counts as the upper half of a word.
pub fn sum(octets: &[u8]) -> u64 {
    let (words, odd) = octets.as_chunks::<2>();
    let whole: u64 = words.iter().map(|&word| u64::from(u16::from_be_bytes(word))).sum();
    whole + odd.first().map_or(0, |&octet| u64::from(octet) << 8)
}

/// One's complement addition: what overflows 16 bits is added at the bottom.
pub fn fold(mut sum: u64) -> u16 {
    while sum > u64::from(u16::MAX) {
        sum = (sum & u64::from(u16::MAX)) + (sum >> 16);
    }
    sum as u16
}

/// What belongs into the checksum field of a header that is these octets, the field itself being zero.
pub fn of(octets: &[u8]) -> u16 {
    !fold(sum(octets))
}

/// As [`of`], of a TCP segment or a UDP datagram on its way between these addresses.
pub fn transport(from: IpAddr, to: IpAddr, protocol: u8, segment: &[u8]) -> u16 {
    let pseudo = PseudoHeader::new(from, to, protocol, segment.len());
    !fold(sum(pseudo.octets()) + sum(segment))
}

/// What is summed besides the segment, though it is not sent: the addresses count, so that a packet that was delivered
/// to the wrong host is noticed (RFC 768; RFC 9293, section 3.1; RFC 8200, section 8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PseudoHeader {
    octets: [u8; Self::IPV6],
    len: usize,
}

impl PseudoHeader {
    /// Octets over IPv4: both addresses, zero, the protocol, the length in sixteen bits.
    pub const IPV4: usize = 12;
    /// Octets over IPv6: both addresses, the length in 32 bits, three zeros, the protocol.
    pub const IPV6: usize = 40;

    /// `length` counts the octets of the segment. When the families differ, the IPv4 address is taken as an
    /// IPv4-mapped IPv6 address.
    pub fn new(from: IpAddr, to: IpAddr, protocol: u8, length: usize) -> Self {
        let mut octets = [0; Self::IPV6];
        if let (IpAddr::V4(from), IpAddr::V4(to)) = (from, to) {
            octets[..4].copy_from_slice(&from.octets());
            octets[4..8].copy_from_slice(&to.octets());
            octets[9] = protocol;
            octets[10..12].copy_from_slice(&(length as u16).to_be_bytes());
            return Self { octets, len: Self::IPV4 };
        }
        octets[..16].copy_from_slice(&as_ipv6(from).octets());
        octets[16..32].copy_from_slice(&as_ipv6(to).octets());
        octets[32..36].copy_from_slice(&(length as u32).to_be_bytes());
        octets[39] = protocol;
        Self { octets, len: Self::IPV6 }
    }

    /// An even number of them.
    pub fn octets(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}

/// An IPv4 address in IPv6 clothes (RFC 4291, section 2.5.5.2).
pub fn as_ipv6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum of RFC 1071, section 3: 00 01 f2 03 f4 f5 f6 f7 adds up to ddf2.
    #[test]
    fn the_sum_of_the_rfc() {
        assert_eq!(fold(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])), 0xddf2);
        assert_eq!(fold(sum(&[0x12, 0x34, 0x56])), 0x1234 + 0x5600);
    }

    /// Both forms, octet by octet.
    #[test]
    fn pseudo_headers() {
        let v4 = PseudoHeader::new([127, 0, 0, 1].into(), [127, 0, 0, 2].into(), 17, 12);
        assert_eq!(v4.octets(), [127, 0, 0, 1, 127, 0, 0, 2, 0, 17, 0, 12]);
        let v6 = PseudoHeader::new(Ipv6Addr::LOCALHOST.into(), Ipv6Addr::UNSPECIFIED.into(), 17, 0x1_0203);
        assert_eq!(v6.octets().len(), PseudoHeader::IPV6);
        assert_eq!((v6.octets()[15], &v6.octets()[32..]), (1, &[0, 1, 2, 3, 0, 0, 0, 17][..]));
    }
}
