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
            packet => came_again(link, &packet, last, sink.is_empty())?,
        }
    }
}
// [/lockstep]

/// A packet that is not the next block. If it is the last one again, our ACK was lost: it is due once more. An older one
/// is a late copy, and its ACK would be news to nobody. Whatever else it is does not belong here.
pub fn came_again(link: &mut Link, packet: &Packet<'_>, last: Block, is_first: bool) -> Result<(), Failure> {
    match packet {
        Packet::Data { block, .. } if !is_first => {
            link.tally.repeated += 1;
            if *block == last { link.repeat() } else { Ok(()) }
        }
        // Later than late: nothing of this transfer has come yet.
        Packet::Data { .. } => Ok(()),
        // The ACK of block 0 was lost.
        Packet::Oack(_) if is_first => link.repeat(),
        Packet::Oack(_) => Ok(()),
        other => Err(Failure::unexpected(other.opcode())),
    }
}
