//! Reads a pcapng of TCP over IPv4 without options, as far as it has been written.

use netkata_kit::{Failure, Outcome};

const ENHANCED_PACKET: u32 = 6;
pub const FIN: u8 = 1;
pub const SYN: u8 = 2;

/// A segment.
pub struct Packet {
    pub from: u16,
    pub to: u16,
    pub sequence: u32,
    pub flags: u8,
    pub data: Vec<u8>,
}

/// The packets so far. `None` when the file ends in the middle of a block, as a file that grows may.
pub fn read(mut file: &[u8]) -> Option<Vec<Packet>> {
    let mut packets = Vec::new();
    while !file.is_empty() {
        let kind = u32::from_le_bytes(file.get(..4)?.try_into().ok()?);
        let length = u32::from_le_bytes(file.get(4..8)?.try_into().ok()?) as usize;
        let block = file.get(..length.max(12))?;
        if kind == ENHANCED_PACKET {
            let captured = u32::from_le_bytes(block.get(20..24)?.try_into().ok()?) as usize;
            packets.push(segment(block.get(28..28 + captured)?)?);
        }
        file = &file[block.len()..];
    }
    Some(packets)
}

fn segment(packet: &[u8]) -> Option<Packet> {
    let segment = packet.get(20..)?;
    let short = |at: usize| Some(u16::from_be_bytes(segment.get(at..at + 2)?.try_into().ok()?));
    let header = usize::from(segment.get(12)? >> 4) * 4;
    Some(Packet {
        from: short(0)?,
        to: short(2)?,
        sequence: u32::from_be_bytes(segment.get(4..8)?.try_into().ok()?),
        flags: *segment.get(13)?,
        data: segment.get(header..)?.to_vec(),
    })
}

/// What was sent from this port, in the order of the file.
pub fn octets(packets: &[Packet], from: u16) -> Vec<u8> {
    packets.iter().filter(|p| p.from == from).flat_map(|p| p.data.clone()).collect()
}

/// Each segment begins where the one before it ended; a SYN and a FIN count as one.
pub fn in_sequence(packets: &[Packet], from: u16) -> Outcome {
    let mut next = None;
    for packet in packets.iter().filter(|p| p.from == from) {
        if next.is_some_and(|next| next != packet.sequence) {
            return Err(Failure::new("sequence numbers without a gap", "a gap"));
        }
        let flags = u32::from(packet.flags & (SYN | FIN) != 0);
        next = Some(packet.sequence.wrapping_add(packet.data.len() as u32 + flags));
    }
    Ok(())
}
