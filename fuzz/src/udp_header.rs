//! UDP datagrams and the IP packets around them: whatever comes, what is said of it is true.

use crate::mutate::{mutate, noise, number};
use fastrand::Rng;
use netkata::wire::{checksum, ip, udp};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Lengths at which a codec of this kind is wrong.
const LENGTHS: [u32; 6] = [7, 8, 9, 20, 28, 40];

/// An IP packet with a datagram, spoilt more often than not; sometimes noise behind a version.
pub fn make(rng: &mut Rng) -> Vec<u8> {
    if rng.u8(..16) == 0 {
        let mut octets = noise(rng, 80);
        if let Some(first) = octets.first_mut() {
            *first = if rng.bool() { 0x45 } else { 0x60 };
        }
        return octets;
    }
    let (from, to) = (address(rng), address(rng));
    let data = noise(rng, 64);
    // No data here is near the limit.
    let mut datagram = udp::encode(from, to, &data).unwrap_or_default();
    match rng.u8(..8) {
        0 | 1 => {}
        2 => datagram[udp::field::CHECKSUM].fill(0),
        3 => datagram[udp::field::LENGTH].copy_from_slice(&(number(rng, &LENGTHS) as u16).to_be_bytes()),
        _ => mutate(rng, &mut datagram, &LENGTHS),
    }
    let mut packet = ip::encode(from.ip(), to.ip(), udp::PROTOCOL, &datagram);
    if rng.u8(..4) == 0 {
        mutate(rng, &mut packet, &LENGTHS);
    }
    packet
}

fn address(rng: &mut Rng) -> SocketAddr {
    let ip = match rng.bool() {
        true => IpAddr::from(rng.u32(..).to_be_bytes()),
        false => Ipv6Addr::from(rng.u128(..)).into(),
    };
    SocketAddr::new(ip, rng.u16(..))
}

/// - No panic.
/// - The parts of a packet are the packet.
/// - A datagram that is right is what [`udp::encode`] makes of its parts, but for the sum of zero and its two forms.
/// - A checksum that is said to be right is right.
/// - An offset that is named is in the octets, or just behind them.
pub fn check(octets: &[u8]) {
    let packet = match ip::decode(octets) {
        Ok(packet) => packet,
        Err(fault) => return assert!(fault.offset() <= octets.len(), "{fault}"),
    };
    let parts = packet.header + packet.payload.len() + packet.surplus.len();
    assert_eq!(parts, octets.len(), "every octet is somewhere");
    let ends = (packet.from, packet.to);
    match udp::decode(packet.payload, Some(ends)) {
        Ok(datagram) => whole(packet.payload, ends, &datagram),
        Err(udp::Fault::WrongChecksum { found, right }) => corrected(packet.payload, ends, found, right),
        Err(fault) => assert!(fault.offset() <= packet.payload.len(), "{fault}"),
    }
    let _ = udp::decode(packet.payload, None);
}

fn whole(octets: &[u8], (from, to): (IpAddr, IpAddr), datagram: &udp::Datagram<'_>) {
    let header = datagram.header;
    let (from, to) = (SocketAddr::new(from, header.source), SocketAddr::new(to, header.destination));
    let mut again = udp::encode(from, to, datagram.data).expect("what came in a packet fits into one");
    if datagram.checked == udp::Checked::Without {
        again[udp::field::CHECKSUM].fill(0);
    }
    assert_eq!([again.as_slice(), datagram.surplus].concat(), octets, "written again, it is what came");
}

fn corrected(octets: &[u8], ends: (IpAddr, IpAddr), found: u16, right: u16) {
    assert_ne!(found, right, "a checksum that is as it should be is not wrong");
    let mut octets = octets.to_vec();
    octets[udp::field::CHECKSUM].copy_from_slice(&right.to_be_bytes());
    let datagram = udp::decode(&octets, Some(ends)).expect("corrected");
    assert_eq!(datagram.checked, udp::Checked::Right);
    assert_eq!(checksum::transport(ends.0, ends.1, udp::PROTOCOL, &octets[..usize::from(datagram.header.length)]), 0);
}
