//! Lock-step, as RFC 1350 has it: a block, its ACK, the next block.

use super::{Block, Content, DATA_HEADER, End, Packet, Peer, field};
use std::time::Instant;

/// Sends a packet until it is acknowledged: [`super::Patience::sends`] times at most.
///
/// # Errors
/// Why the transfer is over.
// [deliver]
pub fn deliver(peer: &mut Peer, packet: &[u8], block: Block) -> Result<(), End> {
    for attempt in 0..peer.patience.sends {
        peer.send(packet, attempt)?;
        let (sent, wait) = (Instant::now(), peer.wait(attempt));
        while let Some(datagram) = peer.receive(sent + wait)? {
            match Packet::parse(datagram) {
                Ok(Packet::Ack { block: acked }) if acked == block => {
                    peer.rto.answered(attempt > 0, sent.elapsed());
                    return Ok(());
                }
                Ok(Packet::Error { code, message }) => return Err(End::told(code, message)),
                // An ACK that comes twice, or late. Whoever answers it with DATA gets two ACKs for that, and so on for ever:
                // the Sorcerer's Apprentice (RFC 1123, section 4.2.3.1). Only the deadline sends again.
                _ => {}
            }
        }
        peer.rto.back_off();
    }
    Err(End::Silent(peer.patience.sends))
}
// [/deliver]

/// Sends `content` in blocks of `blksize` octets. The last one is shorter: of no octets, if need be.
///
/// # Errors
/// As [`deliver`], and when the content cannot be read.
// [send]
pub fn send(peer: &mut Peer, content: &mut Content, blksize: usize) -> Result<(), End> {
    let mut packet = vec![0; DATA_HEADER + blksize];
    let mut block = Block(0);
    loop {
        block = block.next();
        let len = content.next_block(&mut packet[field::PAYLOAD]).map_err(End::File)?;
        packet[..DATA_HEADER].copy_from_slice(&Packet::data_header(block));
        deliver(peer, &packet[..DATA_HEADER + len], block)?;
        if len < blksize {
            return Ok(());
        }
    }
}
// [/send]
