//! The request, and the first answer to it.

use crate::agree::Agreed;
use crate::failure::Failure;
use crate::link::Link;
use crate::sink::Sink;
use netkata::tftp::{Block, Mode, Options, Packet, Request, pairs};

/// Asks for the file until there is an answer: block 1 from a server that knows no options, an OACK from one that does.
pub fn ask(link: &mut Link, name: &[u8], asked: &Options, sink: &Sink) -> Result<Agreed, Failure> {
    let texts = asked.texts();
    let request = Request { filename: name, mode: Mode::Octet.name().as_bytes(), options: pairs(&texts) };
    link.send(&Packet::Rrq(request).emit().map_err(|fault| Failure::Unwanted(fault.to_string()))?)?;
    let mut buffer = Link::buffer();
    loop {
        match link.next(&mut buffer)? {
            packet @ Packet::Data { block: Block(1), .. } => {
                link.put_back(&packet)?;
                return Ok(Agreed::plain());
            }
            // A port may have been somebody else's a moment ago, and a block of that transfer late.
            packet @ Packet::Data { .. } => link.disown(&packet)?,
            Packet::Oack(granted) if !asked.is_empty() => {
                let agreed = Agreed::by(asked, &granted)?;
                sink.has_room_for(&agreed)?;
                link.blksize = agreed.blksize;
                link.make_room_for(agreed.blksize * usize::from(agreed.windowsize));
                // Block 0 is the OACK itself: with its ACK, the server may begin.
                link.send(&Packet::ack(Block(0)))?;
                return Ok(agreed);
            }
            other => return Err(Failure::unexpected(other.opcode())),
        }
    }
}
