//! The header of UDP (RFC 768): four fields of sixteen bits, most significant octet first.

use super::checksum;
use crate::human::{count, thousands};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Where things are in a datagram: octets, counted from its first.
pub mod field {
    use std::ops::{Range, RangeFrom};

    /// The sender's port; zero when no answer is wanted.
    pub const SOURCE: Range<usize> = 0..2;
    /// The receiver's port.
    pub const DESTINATION: Range<usize> = 2..4;
    /// Octets in the datagram, this header included.
    pub const LENGTH: Range<usize> = 4..6;
    /// Of the pseudo header, the header and the data; zero means "none".
    pub const CHECKSUM: Range<usize> = 6..8;
    /// What the programs have to say to each other.
    pub const DATA: RangeFrom<usize> = 8..;
}

/// The number that IP has for UDP.
pub const PROTOCOL: u8 = 17;
/// In the checksum field: the sender has not made one.
pub const NO_CHECKSUM: u16 = 0;

/// What a datagram says about itself. It is a claim: nothing is checked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The sender's port.
    pub source: u16,
    /// The receiver's port.
    pub destination: u16,
    /// Octets in the datagram, this header included.
    pub length: u16,
    /// See [`checksum::transport`]; zero means "none".
    pub checksum: u16,
}

impl Header {
    /// Octets in a header.
    pub const LEN: usize = field::DATA.start;

    /// Reads the fields.
    pub fn parse(octets: &[u8; Self::LEN]) -> Self {
        let word = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
        Self {
            source: word(field::SOURCE.start),
            destination: word(field::DESTINATION.start),
            length: word(field::LENGTH.start),
            checksum: word(field::CHECKSUM.start),
        }
    }

    /// Writes the fields.
    pub fn emit(&self) -> [u8; Self::LEN] {
        let mut octets = [0; Self::LEN];
        octets[field::SOURCE].copy_from_slice(&self.source.to_be_bytes());
        octets[field::DESTINATION].copy_from_slice(&self.destination.to_be_bytes());
        octets[field::LENGTH].copy_from_slice(&self.length.to_be_bytes());
        octets[field::CHECKSUM].copy_from_slice(&self.checksum.to_be_bytes());
        octets
    }
}

/// A datagram that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Its header.
    pub header: Header,
    /// What it carries.
    pub data: &'a [u8],
    /// Octets after the datagram's end, of which UDP says nothing. Options may stand there (RFC 9868).
    pub surplus: &'a [u8],
    /// What is known of the checksum.
    pub checked: Checked,
}

/// What is known of a checksum that is not wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// The addresses, the ports, the length and the data are what was sent.
    Right,
    /// The sender has made none.
    Without,
    /// Nobody said between which addresses.
    Unknown,
}

/// The longest data between these addresses: 65,507 octets, or 65,527 over IPv6, whose length field does not count the
/// IP header.
pub fn longest(from: IpAddr, to: IpAddr) -> usize {
    let whole = u16::MAX as usize - Header::LEN;
    if from.is_ipv4() && to.is_ipv4() { whole - super::ip::ipv4::HEADER } else { whole }
}

/// A datagram, header and data.
///
/// # Errors
/// [`Fault::TooLong`].
pub fn encode(from: SocketAddr, to: SocketAddr, data: &[u8]) -> Result<Vec<u8>, Fault> {
    let most = longest(from.ip(), to.ip());
    if data.len() > most {
        return Err(Fault::TooLong { length: data.len(), most });
    }
    let length = (Header::LEN + data.len()) as u16;
    let header = Header { source: from.port(), destination: to.port(), length, checksum: 0 };
    let mut octets = [&header.emit(), data].concat();
    let sum = match checksum::transport(from.ip(), to.ip(), PROTOCOL, &octets) {
        // Zero says "none", so a sum that comes out as zero is sent as all ones, which is the other zero.
        NO_CHECKSUM => u16::MAX,
        sum => sum,
    };
    octets[field::CHECKSUM].copy_from_slice(&sum.to_be_bytes());
    Ok(octets)
}

/// Takes a datagram apart. The checksum can be checked when it is known `between` which addresses it went.
///
/// # Errors
/// What is wrong, and where.
pub fn decode(octets: &[u8], between: Option<(IpAddr, IpAddr)>) -> Result<Datagram<'_>, Fault> {
    let got = octets.len();
    let header = Header::parse(octets.first_chunk().ok_or(Fault::TruncatedHeader { got })?);
    let length = usize::from(header.length);
    if length < Header::LEN {
        return Err(Fault::LengthTooShort { length: header.length });
    }
    let (datagram, surplus) = octets.split_at_checked(length).ok_or(Fault::Truncated { length, got })?;
    let checked = check(&header, datagram, between)?;
    Ok(Datagram { header, data: &datagram[field::DATA], surplus, checked })
}

fn check(header: &Header, datagram: &[u8], between: Option<(IpAddr, IpAddr)>) -> Result<Checked, Fault> {
    let Some((from, to)) = between else { return Ok(Checked::Unknown) };
    let found = header.checksum;
    if found == NO_CHECKSUM {
        // IPv6 has no checksum of its own: a datagram without one could be anybody's (RFC 8200, section 8.1).
        return if from.is_ipv4() && to.is_ipv4() { Ok(Checked::Without) } else { Err(Fault::NoChecksum) };
    }
    match checksum::transport(from, to, PROTOCOL, datagram) {
        // The field was in the sum: what is right adds up to all ones, and that inverted is zero.
        0 => Ok(Checked::Right),
        _ => Err(Fault::WrongChecksum { found, right: right(datagram, from, to) }),
    }
}

/// What the checksum field of this datagram should say.
fn right(datagram: &[u8], from: IpAddr, to: IpAddr) -> u16 {
    let mut octets = datagram.to_vec();
    octets[field::CHECKSUM].fill(0);
    match checksum::transport(from, to, PROTOCOL, &octets) {
        NO_CHECKSUM => u16::MAX,
        sum => sum,
    }
}

/// What is wrong with a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The octets end inside the header.
    TruncatedHeader {
        /// So many came.
        got: usize,
    },
    /// A length that does not cover the header.
    LengthTooShort {
        /// What the field says.
        length: u16,
    },
    /// A length beyond the end of the octets.
    Truncated {
        /// What the field says.
        length: usize,
        /// So many came.
        got: usize,
    },
    /// No checksum, over IPv6.
    NoChecksum,
    /// Something was changed on the way, or this is for somebody else.
    WrongChecksum {
        /// What the field says.
        found: u16,
        /// What it should say.
        right: u16,
    },
    /// More data than a datagram can carry.
    TooLong {
        /// Octets of data.
        length: usize,
        /// Octets that it can carry.
        most: usize,
    },
}

impl Fault {
    /// The octet that makes it wrong, counted from the datagram's first.
    pub fn offset(&self) -> usize {
        match *self {
            Fault::TruncatedHeader { got } => got,
            Fault::LengthTooShort { .. } | Fault::Truncated { .. } | Fault::TooLong { .. } => field::LENGTH.start,
            Fault::NoChecksum | Fault::WrongChecksum { .. } => field::CHECKSUM.start,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {}: ", self.offset())?;
        match self {
            Fault::TruncatedHeader { got } => {
                write!(f, "truncated header: {got} of {} octets, then the end", Header::LEN)
            }
            Fault::LengthTooShort { length } => {
                write!(f, "length {length} does not cover the header, which has {} octets", Header::LEN)
            }
            Fault::Truncated { length, got } => {
                write!(f, "truncated: the length is {}, and {} there", thousands(*length), are(*got))
            }
            Fault::NoChecksum => f.write_str("no checksum, which is forbidden over IPv6"),
            Fault::WrongChecksum { found, right } => {
                write!(f, "wrong checksum {found:04x}: it should be {right:04x}")
            }
            Fault::TooLong { length, most } => {
                write!(f, "too long: {} of data (limit {})", count(*length, "octet"), thousands(*most))
            }
        }
    }
}

fn are(n: usize) -> String {
    format!("{} {}", count(n, "octet"), if n == 1 { "is" } else { "are" })
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn ends() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
        let v4 = (any::<[u8; 4]>(), any::<u16>(), any::<[u8; 4]>(), any::<u16>())
            .prop_map(|(a, b, c, d)| ((Ipv4Addr::from(a), b).into(), (Ipv4Addr::from(c), d).into()));
        let v6 = (any::<[u8; 16]>(), any::<u16>(), any::<[u8; 16]>(), any::<u16>())
            .prop_map(|(a, b, c, d)| ((Ipv6Addr::from(a), b).into(), (Ipv6Addr::from(c), d).into()));
        prop_oneof![v4, v6]
    }

    fn between((from, to): (SocketAddr, SocketAddr)) -> Option<(IpAddr, IpAddr)> {
        Some((from.ip(), to.ip()))
    }

    proptest! {
        /// What was written is read; what follows it is no part of it.
        #[test]
        fn round_trip(ends in ends(), data in prop::collection::vec(any::<u8>(), 0..90), more in prop::collection::vec(any::<u8>(), 0..9)) {
            let octets = encode(ends.0, ends.1, &data).expect("short");
            prop_assert_eq!(octets.len(), Header::LEN + data.len());
            let whole = [&octets[..], &more].concat();
            let got = decode(&whole, between(ends)).expect("right");
            prop_assert_eq!((got.header.source, got.header.destination), (ends.0.port(), ends.1.port()));
            prop_assert_eq!((got.data, got.surplus, got.checked), (&data[..], &more[..], Checked::Right));
            prop_assert_eq!(&[&got.header.emit(), got.data].concat(), &octets);
            prop_assert_ne!(got.header.checksum, NO_CHECKSUM);
        }

        /// One flipped bit, in the datagram or in an address, is always noticed. A length that became smaller leaves something
        /// over; and over IPv4, a checksum whose only bit was flipped is none any more.
        #[test]
        fn every_flipped_bit_is_noticed(ends in ends(), data in prop::collection::vec(any::<u8>(), 0..40)) {
            let right = encode(ends.0, ends.1, &data).expect("short");
            for bit in 0..right.len() * 8 {
                let mut octets = right.clone();
                octets[bit / 8] ^= 1 << (bit % 8);
                match decode(&octets, between(ends)) {
                    Err(_) => {}
                    Ok(got) if field::LENGTH.contains(&(bit / 8)) => prop_assert!(!got.surplus.is_empty()),
                    Ok(got) => prop_assert_eq!((got.checked, got.header.checksum), (Checked::Without, 0), "bit {}", bit),
                }
            }
            for bit in 0..32 {
                let wrong = match ends.0.ip() {
                    IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() ^ 1 << bit)),
                    IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() ^ 1 << (4 * bit))),
                };
                let fault = decode(&right, Some((wrong, ends.1.ip()))).expect_err("another sender");
                prop_assert!(matches!(fault, Fault::WrongChecksum { .. }), "{}", fault);
            }
        }

        /// Wherever it is cut, that is what is said of it; and with the checksum that is said to be right, it is.
        #[test]
        fn every_truncation_is_named(ends in ends(), data in prop::collection::vec(any::<u8>(), 0..40)) {
            let octets = encode(ends.0, ends.1, &data).expect("short");
            for got in 0..octets.len() {
                let expected = match got {
                    0..Header::LEN => Fault::TruncatedHeader { got },
                    _ => Fault::Truncated { length: octets.len(), got },
                };
                prop_assert_eq!(decode(&octets[..got], between(ends)), Err(expected));
            }
        }

        /// A wrong checksum, replaced by the one that it should be, is right.
        #[test]
        fn the_right_checksum_is_right(ends in ends(), mut octets in prop::collection::vec(any::<u8>(), 8..60)) {
            let length = octets.len() as u16;
            octets[field::LENGTH].copy_from_slice(&length.to_be_bytes());
            if let Err(Fault::WrongChecksum { right, .. }) = decode(&octets, between(ends)) {
                octets[field::CHECKSUM].copy_from_slice(&right.to_be_bytes());
                prop_assert_eq!(decode(&octets, between(ends)).map(|d| d.checked), Ok(Checked::Right));
            }
        }
    }

    /// A checksum that comes out as zero is sent as all ones; zero is none over IPv4, and an error over IPv6.
    #[test]
    fn the_two_zeros() {
        for address in [IpAddr::from([127, 0, 0, 1]), Ipv6Addr::LOCALHOST.into()] {
            let end = SocketAddr::new(address, 7);
            // The data that makes the sum come out as zero is the checksum that two octets of zero would get.
            let zeros = Header::parse(encode(end, end, &[0, 0]).expect("short").first_chunk().expect("a header"));
            let mut octets = encode(end, end, &zeros.checksum.to_be_bytes()).expect("short");
            assert_eq!(octets[field::CHECKSUM], [0xff, 0xff]);
            let between = Some((address, address));
            assert_eq!(decode(&octets, between).map(|d| d.checked), Ok(Checked::Right));
            octets[field::CHECKSUM].fill(0);
            let expected = if address.is_ipv4() { Ok(Checked::Without) } else { Err(Fault::NoChecksum) };
            assert_eq!(decode(&octets, between).map(|d| d.checked), expected);
        }
    }

    /// The longest datagram, and one octet more.
    #[test]
    fn the_longest() {
        for (address, most) in [(IpAddr::from([127, 0, 0, 1]), 65_507), (Ipv6Addr::LOCALHOST.into(), 65_527)] {
            let end = SocketAddr::new(address, 7);
            assert_eq!(encode(end, end, &vec![0; most]).map(|d| d.len()), Ok(most + 8));
            let length = most + 1;
            assert_eq!(encode(end, end, &vec![0; length]), Err(Fault::TooLong { length, most }));
        }
    }

    /// Each message.
    #[test]
    fn in_words() {
        for (fault, said) in [
            (Fault::TruncatedHeader { got: 5 }, "offset 5: truncated header: 5 of 8 octets, then the end"),
            (Fault::LengthTooShort { length: 7 }, "offset 4: length 7 does not cover the header, which has 8 octets"),
            (Fault::Truncated { length: 12, got: 9 }, "offset 4: truncated: the length is 12, and 9 octets are there"),
            (Fault::NoChecksum, "offset 6: no checksum, which is forbidden over IPv6"),
            (Fault::WrongChecksum { found: 1, right: 2 }, "offset 6: wrong checksum 0001: it should be 0002"),
            (
                Fault::TooLong { length: 65_508, most: 65_507 },
                "offset 4: too long: 65,508 octets of data (limit 65,507)",
            ),
        ] {
            assert_eq!(fault.to_string(), said);
        }
    }
}
