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

// [mark]
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
            packet => link.came_again(&packet, last, sink)?,
        }
    }
}
// [/mark]
