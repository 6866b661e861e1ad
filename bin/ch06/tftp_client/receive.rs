//! The transfer itself: a block, its ACK, the next block.

use crate::agree::Agreed;
use crate::failure::Failure;
use crate::link::Link;
use crate::sink::Sink;
use crate::window;
use netkata::tftp::{Block, Packet};

/// Receives the file; returns the number of its last block.
pub fn file(link: &mut Link, sink: &mut Sink, agreed: &Agreed) -> Result<Block, Failure> {
    if agreed.windowsize > 1 { window::receive(link, sink, agreed) } else { in_lock_step(link, sink, agreed) }
}

// [lockstep]
/// One block is on its way at any time. [`Link::next`] sends our last packet again when none comes.
fn in_lock_step(link: &mut Link, sink: &mut Sink, agreed: &Agreed) -> Result<Block, Failure> {
    let (mut last, mut buffer) = (Block(0), Link::buffer());
    loop {
        match link.next(&mut buffer)? {
            Packet::Data { block, payload } if block == last.next() => {
                let is_the_end = payload.len() < agreed.blksize;
                sink.put(payload, is_the_end)?;
                link.send(&Packet::ack(block))?;
                last = block;
                if is_the_end {
                    return Ok(last);
                }
            }
            // It comes again because our ACK was lost.
            Packet::Data { block, .. } if block == last && !sink.is_empty() => link.repeat()?,
            packet => late(link, &packet, sink)?,
        }
    }
}
// [/lockstep]

/// A packet that is neither the next block nor the last one again. A block that comes late is passed over: its ACK would be
/// news to nobody. What has no place in a transfer ends it.
pub fn late(link: &mut Link, packet: &Packet<'_>, sink: &Sink) -> Result<(), Failure> {
    match packet {
        Packet::Data { .. } => {
            link.tally.late += 1;
            Ok(())
        }
        // The ACK of block 0 was lost.
        Packet::Oack(_) if sink.is_empty() => link.repeat(),
        Packet::Oack(_) => Ok(()),
        other => Err(Failure::unexpected(other.opcode())),
    }
}
