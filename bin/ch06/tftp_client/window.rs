//! Several blocks for each ACK (RFC 7440).

use crate::agree::Agreed;
use crate::failure::Failure;
use crate::link::Link;
use crate::receive::late;
use crate::sink::Sink;
use netkata::tftp::{Block, Packet};

/// Receives the file; returns the number of its last block. An ACK says "up to here": for the last block of a window, for the
/// last block of all, and when one is missing. Then the server goes back to the block after it.
pub fn receive(link: &mut Link, sink: &mut Sink, agreed: &Agreed) -> Result<Block, Failure> {
    let (mut last, mut gap_told, mut buffer) = (Block(0), false, Link::buffer());
    loop {
        match link.next(&mut buffer)? {
            Packet::Data { block, payload } if block == last.next() => {
                let is_the_end = payload.len() < agreed.blksize;
                sink.put(payload, is_the_end)?;
                (last, gap_told) = (block, false);
                // Counted from the last ACK, whatever made us send it: that is where the server's window begins.
                if is_the_end || last.since(link.acked) >= agreed.windowsize {
                    link.send(&Packet::ack(last))?;
                } else {
                    link.will_repeat(&Packet::ack(last));
                }
                if is_the_end {
                    return Ok(last);
                }
            }
            // A block is missing before this one. What follows it in the same window is no news: one ACK is enough, and one
            // for each of them would make the server send as many windows.
            Packet::Data { block, .. } if is_ahead(block, last) => {
                if !gap_told {
                    link.repeat()?;
                    gap_told = true;
                }
            }
            Packet::Data { block, .. } if block == last && !sink.is_empty() => link.repeat()?,
            packet => late(link, &packet, sink)?,
        }
    }
}

/// Whether a block is one of those to come: half of the numbers are ahead, half behind.
fn is_ahead(block: Block, last: Block) -> bool {
    (2..=u16::MAX / 2).contains(&block.since(last))
}
