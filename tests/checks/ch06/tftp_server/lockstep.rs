//! RFC 1350: a block, its ACK, the next block.

use super::{name, serve};
use crate::checks::common::not_before;
use netkata_kit::prelude::*;
use netkata_kit::tftp;

const APPRENTICE: &str =
    "RFC 1123 §4.2.3.1: only a timeout sends again; who answers a late ACK with DATA doubles the traffic for good";
const LAST: &str = "RFC 1350 §6: a block of fewer than 512 octets is the last one, and only such a block";

pub fn checks(program: Program) -> Program {
    program
        .check("sends_the_file_block_by_block", "a block, its ACK, the next block", block_by_block)
        .check("waits_for_the_ack", "the next block waits for the ACK of this one", waits)
        .check("ends_with_a_short_block", "the last block is shorter, if need be empty", sizes)
        .check("sends_again_after_the_timeout", "what is not acknowledged is sent again after --timeout", again)
        .check("gives_up", "a silent client is sent --retries packets, the first one included", gives_up)
        .check("answers_no_ack_twice", "an ACK that comes twice is answered once", apprentice)
        .check("a_late_ack_moves_no_deadline", "late ACKs do not put off the next attempt", late)
        .check("takes_no_ack_ahead_of_time", "an ACK for a block that was not sent yet is none", ahead)
        .check("stops_at_an_error", "an ERROR from the client ends the transfer", stops)
        .check("survives_nonsense", "what is no packet is ignored in the middle of a transfer", nonsense)
}

fn block_by_block(s: &mut Scene) -> Outcome {
    let (octets, name) = (s.octets(1300), name(s));
    serve(s, &octets, &[])?;
    let mut c = s.tftp()?;
    c.ask(&name)?;
    c.expect_blocks(1, &octets, 512).because("RFC 1350 §2: blocks of 512 octets, numbered from 1, high octet first")?;
    c.expect_silence(ms(50)).because(LAST)
}

fn waits(s: &mut Scene) -> Outcome {
    let octets = s.octets(1300);
    serve(s, &octets, &[])?;
    let mut c = s.tftp()?;
    c.ask("tides.txt")?;
    let why = "RFC 1350 §2: each block must be acknowledged before the next can be sent";
    c.expect_data(1, &octets[..512])?;
    c.expect_silence(ms(50)).because(why)?;
    c.ack(1)?;
    c.expect_data(2, &octets[512..1024])?;
    c.expect_silence(ms(50)).because(why)?;
    c.ack(2)?;
    c.expect_blocks(3, &octets[1024..], 512)
}

fn sizes(s: &mut Scene) -> Outcome {
    for size in [0, 511, 512, 513, 1024, 75_352] {
        let octets = s.octets(size);
        s.journal.note(format!("the file has {size} octets"));
        serve(s, &octets, &[])?;
        let mut c = s.tftp()?;
        c.ask("tides.txt")?;
        c.expect_blocks(1, &octets, 512).because(LAST)?;
        c.expect_silence(ms(15)).because(LAST)?;
    }
    Ok(())
}

fn again(s: &mut Scene) -> Outcome {
    let octets = s.octets(1000);
    serve(s, &octets, &["--timeout", "120ms"])?;
    let mut c = s.tftp()?;
    let start = Instant::now();
    c.ask("tides.txt")?;
    c.expect_data(1, &octets[..512])?;
    let why = "RFC 1350 §2: the sender of a lost packet must send it again after a timeout; nobody else will";
    c.expect_data(1, &octets[..512]).because(why)?;
    not_before(start, ms(120)).because("RFC 1350 §2: the timeout has to pass first")?;
    c.ack(1)?;
    c.expect_data(2, &octets[512..])?;
    c.expect_data(2, &octets[512..]).because(why)?;
    c.ack(2)
}

fn gives_up(s: &mut Scene) -> Outcome {
    let octets = s.octets(1000);
    serve(s, &octets, &["--timeout", "40ms", "--retries", "4"])?;
    let mut c = s.tftp()?;
    c.ask("tides.txt")?;
    for _ in 0..4 {
        c.expect_data(1, &octets[..512]).because("--retries 4: four packets in all, three of them again")?;
    }
    c.expect_silence(ms(150)).because("a client that is silent for good must not be sent to for ever")
}

fn apprentice(s: &mut Scene) -> Outcome {
    let octets = s.octets(1300);
    serve(s, &octets, &[])?;
    let mut c = s.tftp()?;
    c.ask("tides.txt")?;
    c.expect_data(1, &octets[..512])?;
    c.ack(1)?;
    c.expect_data(2, &octets[512..1024])?;
    c.ack(1)?;
    c.expect_silence(ms(60)).because(APPRENTICE)?;
    c.ack(2)?;
    c.expect_data(3, &octets[1024..])?;
    c.ack(2)?;
    c.ack(1)?;
    c.expect_silence(ms(60)).because(APPRENTICE)?;
    c.ack(3)
}

/// A late ACK every 20 ms, and a timeout of 200 ms.
fn late(s: &mut Scene) -> Outcome {
    let octets = s.octets(1000);
    serve(s, &octets, &["--timeout", "200ms"])?;
    let mut c = s.tftp()?;
    c.ask("tides.txt")?;
    c.expect_data(1, &octets[..512])?;
    c.ack(1)?;
    c.expect_data(2, &octets[512..])?;
    s.journal.note("ACK 1 again, every 20 ms");
    let babble = c.babble(&tftp::ack(1), ms(20))?;
    c.within(ms(1500))
        .expect_data(2, &octets[512..])
        .because("the deadline counts from the last DATA, or else a babbling client is never sent anything again")?;
    drop(babble);
    c.ack(2)
}

fn ahead(s: &mut Scene) -> Outcome {
    let octets = s.octets(1300);
    serve(s, &octets, &[])?;
    let mut c = s.tftp()?;
    c.ask("tides.txt")?;
    c.expect_data(1, &octets[..512])?;
    c.ack(2)?;
    c.ack(0)?;
    c.expect_silence(ms(50)).because("RFC 1350 §5: an ACK carries the number of the block that it acknowledges")?;
    c.ack(1)?;
    c.expect_blocks(2, &octets[512..], 512)
}

fn stops(s: &mut Scene) -> Outcome {
    let octets = s.octets(1000);
    serve(s, &octets, &["--timeout", "60ms"])?;
    let mut c = s.tftp()?;
    c.ask("tides.txt")?;
    c.expect_data(1, &octets[..512])?;
    c.send(&tftp::error(3, "no room for the tides"))?;
    c.expect_silence(ms(200)).because("RFC 1350 §7: an ERROR ends the transfer at once, and is not answered")
}

fn nonsense(s: &mut Scene) -> Outcome {
    let octets = s.octets(1000);
    serve(s, &octets, &[])?;
    let mut c = s.tftp()?;
    c.ask("tides.txt")?;
    c.expect_data(1, &octets[..512])?;
    let mut long = tftp::ack(1);
    long.extend(s.octets(3000));
    for packet in [&b""[..], b"\0", b"\0\x04\0", b"\0\x09\0\x01", b"\0\x03\0\x01ebb", b"\0\x06blksize\0", &long] {
        c.send(packet)?;
    }
    c.expect_silence(ms(50)).because("a datagram that is no ACK acknowledges nothing")?;
    c.ack(1)?;
    c.expect_data(2, &octets[512..]).because("RFC 1350 §7: only an ERROR packet ends a transfer")?;
    c.ack(2)
}
