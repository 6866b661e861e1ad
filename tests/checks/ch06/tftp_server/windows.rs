//! RFC 7440: several blocks, one ACK.

use super::serve;
use netkata_kit::prelude::*;
use netkata_kit::tftp::TftpClient;

const GO_ON: &str = "RFC 7440 §4: an ACK inside a window tells what came in order; the next window begins behind it";

pub fn checks(program: Program) -> Program {
    program
        .check("fills_the_window", "a window's blocks leave together; then an ACK is awaited", fills)
        .check("goes_on_behind_the_ack", "an ACK inside the window moves it: what follows is sent again", goes_on)
        .check("answers_no_window_twice", "an ACK of an earlier window is answered once", twice)
        .check("sends_the_window_again", "a window that is not acknowledged is sent again as a whole", again)
        .check(
            "ends_a_window_with_a_short_block",
            "the last block is shorter, if need be empty, in a window too",
            sizes,
        )
        .check("limits_the_windowsize", "a larger windowsize than --max-windowsize becomes that", limits)
        .finished_only()
        .check("counts_beyond_65535", "after block 65,535 comes block 0", wraps)
}

/// Asks for windows of `n` blocks of 200 octets, and agrees.
fn open(s: &mut Scene, n: &str) -> Outcome<TftpClient> {
    let mut c = s.tftp()?;
    c.ask_for("tides.txt", &[("blksize", "200"), ("windowsize", n)])?;
    c.expect_oack(&[("blksize", "200"), ("windowsize", n)])?;
    c.ack(0)?;
    Ok(c)
}

/// Blocks `from..=to` of 200 octets each.
fn expect(c: &mut TftpClient, octets: &[u8], from: u16, to: u16) -> Outcome {
    for block in from..=to {
        let start = 200 * (usize::from(block) - 1);
        c.expect_data(block, &octets[start..octets.len().min(start + 200)])?;
    }
    Ok(())
}

fn fills(s: &mut Scene) -> Outcome {
    let octets = s.octets(200 * 6 + 50);
    serve(s, &octets, &[])?;
    let mut c = open(s, "3")?;
    for (from, to) in [(1, 3), (4, 6)] {
        let why = "RFC 7440 §3: windowsize blocks are sent, then the sender waits for the ACK of the last";
        expect(&mut c, &octets, from, to).because(why)?;
        c.expect_silence(ms(40)).because(why)?;
        c.ack(to)?;
    }
    expect(&mut c, &octets, 7, 7)?;
    c.ack(7)?;
    c.expect_silence(ms(40))
}

fn goes_on(s: &mut Scene) -> Outcome {
    let octets = s.octets(200 * 9 + 50);
    serve(s, &octets, &[])?;
    let mut c = open(s, "4")?;
    expect(&mut c, &octets, 1, 4)?;
    s.journal.note("as if block 3 had been lost");
    c.ack(2)?;
    expect(&mut c, &octets, 3, 6).because(GO_ON)?;
    c.expect_silence(ms(40)).because(GO_ON)?;
    c.ack(6)?;
    expect(&mut c, &octets, 7, 10).because(GO_ON)?;
    c.ack(9)?;
    expect(&mut c, &octets, 10, 10).because(GO_ON)?;
    c.ack(10)?;
    c.expect_silence(ms(40))
}

fn twice(s: &mut Scene) -> Outcome {
    let octets = s.octets(200 * 9 + 50);
    serve(s, &octets, &[])?;
    let mut c = open(s, "4")?;
    expect(&mut c, &octets, 1, 4)?;
    c.ack(4)?;
    expect(&mut c, &octets, 5, 8)?;
    c.ack(4)?;
    c.ack(2)?;
    c.expect_silence(ms(60))
        .because("RFC 1123 §4.2.3.1: a late ACK that is answered by a window would double all further windows")?;
    c.ack(8)?;
    expect(&mut c, &octets, 9, 10)?;
    c.ack(10)
}

fn again(s: &mut Scene) -> Outcome {
    let octets = s.octets(200 * 4 + 50);
    serve(s, &octets, &["--timeout", "100ms", "--retries", "3"])?;
    let mut c = open(s, "3")?;
    for _ in 0..3 {
        let why = "RFC 7440 §4: without an ACK, the sender cannot know which of the window's blocks arrived";
        expect(&mut c, &octets, 1, 3).because(why)?;
    }
    c.ack(3)?;
    expect(&mut c, &octets, 4, 5)?;
    c.ack(5)
}

fn sizes(s: &mut Scene) -> Outcome {
    for (size, last) in [(0, 1), (199, 1), (200, 2), (600, 4), (800, 5)] {
        let octets = s.octets(size);
        s.journal.note(format!("the file has {size} octets"));
        serve(s, &octets, &[])?;
        let mut c = open(s, "3")?;
        let mut from = 1;
        while from <= last {
            let to = last.min(from + 2);
            expect(&mut c, &octets, from, to)
                .because("RFC 2348: a block of fewer octets than agreed on ends the transfer")?;
            c.ack(to)?;
            from = to + 1;
        }
        c.expect_silence(ms(15))?;
    }
    Ok(())
}

fn limits(s: &mut Scene) -> Outcome {
    let octets = s.octets(200 * 3);
    serve(s, &octets, &["--max-windowsize", "2"])?;
    let mut c = s.tftp()?;
    c.ask_for("tides.txt", &[("blksize", "200"), ("windowsize", "9")])?;
    c.expect_oack(&[("blksize", "200"), ("windowsize", "2")])
        .because("RFC 7440 §3: the server may answer with a smaller value")?;
    c.ack(0)?;
    expect(&mut c, &octets, 1, 2)?;
    c.expect_silence(ms(40))?;
    c.ack(2)?;
    expect(&mut c, &octets, 3, 4)?;
    c.ack(4)
}

/// Blocks of eight octets, so that half a mebibyte does what would take 32 otherwise.
fn wraps(s: &mut Scene) -> Outcome {
    const BLOCKS: usize = 65_536 + 40;
    let octets = s.octets(8 * BLOCKS + 3);
    serve(s, &octets, &[])?;
    let mut c = s.tftp()?;
    c.ask_for("tides.txt", &[("blksize", "8"), ("windowsize", "64")])?;
    c.expect_oack(&[("blksize", "8"), ("windowsize", "64")])?;
    c.ack(0)?;
    c.expect_windows(&octets, 8, 64)
        .because("RFC 1350 gives a block's number sixteen bits; a longer file counts on from 0, as everybody does")
}
