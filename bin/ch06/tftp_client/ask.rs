//! The request, and the first answer to it.

use crate::agree::Agreed;
use crate::args::Args;
use crate::cleanup::Cleanup;
use crate::failure::{Failed, Failure};
use crate::link::Link;
use crate::sink::Sink;
use netkata::tftp::{Block, ErrorCode, Mode, Options, Packet, Request, pairs};
use std::net::SocketAddr;
use std::time::Duration;

/// Asks the addresses of a name in turn, as long as they are refused: nobody is there, or not under this version of IP.
pub fn in_turn(args: &Args, servers: &[SocketAddr], sink: &Sink, cleanup: &Cleanup) -> Result<(Link, Agreed), Failed> {
    let mut refused = Failed::plain("no address to ask");
    for &server in servers {
        match one(args, server, &args.options(), sink, cleanup) {
            Ok(begun) => return Ok(begun),
            Err(e) if e.is_refusal() => refused = Failed::new(args, server, e),
            Err(e) => return Err(Failed::new(args, server, e)),
        }
    }
    Err(refused)
}

fn one(
    args: &Args,
    server: SocketAddr,
    asked: &Options,
    sink: &Sink,
    cleanup: &Cleanup,
) -> Result<(Link, Agreed), Failure> {
    let mut link = Link::open(server, args, cleanup)?;
    match ask(&mut link, &args.source.name, asked, sink) {
        Ok(agreed) => Ok((link, agreed)),
        // RFC 2347: a client whose options are refused may ask again without. From another port, so that what is still on
        // its way for the first request is no part of the second.
        Err(Failure::Server { code: ErrorCode::OPTION_NEGOTIATION, .. }) if *asked != Options::default() => {
            args.note("the server refuses the options: asking again without");
            one(args, server, &Options::default(), sink, cleanup)
        }
        Err(e) => Err(link.give_up(e)),
    }
}

/// Asks for the file until there is an answer: block 1 from a server that knows no options, an OACK from one that does.
fn ask(link: &mut Link, name: &[u8], asked: &Options, sink: &Sink) -> Result<Agreed, Failure> {
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
                if let Some(seconds) = agreed.timeout {
                    link.patience.agree(Duration::from_secs(seconds.into()));
                }
                // Block 0 is the OACK itself: with its ACK, the server may begin.
                link.send(&Packet::ack(Block(0)))?;
                return Ok(agreed);
            }
            other => return Err(Failure::unexpected(other.opcode())),
        }
    }
}
