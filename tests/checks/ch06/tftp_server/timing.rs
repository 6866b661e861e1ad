//! RFC 1123, section 4.2.3.2: how long to wait depends on how long answers take.

use super::serve_adaptively;
use crate::checks::common::not_before;
use netkata_kit::prelude::*;
use netkata_kit::tftp::TftpClient;

const ADAPTIVE: &str = "RFC 1123 §4.2.3.2: a TFTP implementation must use an adaptive timeout";
const FLOOR: Duration = ms(200);

pub fn checks(program: Program) -> Program {
    program
        .check("follows_the_round_trip", "where ACKs come at once, a lost block is not waited for long", follows)
        .check("a_window_follows_it_too", "where ACKs come at once, a lost window is not waited for long", window)
        .check("has_a_floor", "however fast the ACKs are, a block is not sent again within --min-timeout", floor)
        .finished_only()
        .check("waits_twice_as_long", "each time that no ACK comes, the wait for it is doubled", doubles)
        .finished_only()
        .check(
            "takes_no_copy_for_a_sample",
            "the ACK of a block that was sent twice does not end the longer wait",
            karn,
        )
        .finished_only()
        .check("waits_longest_at_the_end", "after the last attempt, an ACK may take --timeout", last)
        .finished_only()
}

/// A transfer whose first three blocks are acknowledged at once, and the moment before the last of these ACKs.
fn quick(s: &mut Scene, octets: &[u8], options: &[&str]) -> Outcome<(TftpClient, Instant)> {
    serve_adaptively(s, octets, &[&["--timeout", "60s"], options].concat())?;
    let mut c = s.tftp()?;
    c.ask("tides.txt")?;
    for block in 1..=3 {
        c.expect_data(block, part(octets, block))?;
        if block < 3 {
            c.ack(block)?;
        }
    }
    let start = Instant::now();
    c.ack(3)?;
    Ok((c, start))
}

fn part(octets: &[u8], block: u16) -> &[u8] {
    &octets[512 * (usize::from(block) - 1)..octets.len().min(512 * usize::from(block))]
}

fn follows(s: &mut Scene) -> Outcome {
    let octets = s.octets(512 * 4);
    let (mut c, _) = quick(s, &octets, &[])?;
    c.expect_data(4, part(&octets, 4))?;
    s.journal.note("as if block 4 had been lost; --timeout is 60 s");
    c.within(Duration::from_secs(5)).expect_data(4, part(&octets, 4)).because(ADAPTIVE)?;
    c.ack(4)?;
    c.expect_data(5, b"")?;
    c.ack(5)
}

fn window(s: &mut Scene) -> Outcome {
    let octets = s.octets(512 * 4);
    serve_adaptively(s, &octets, &["--timeout", "60s"])?;
    let mut c = s.tftp()?;
    c.ask_for("tides.txt", &[("windowsize", "2")])?;
    c.expect_oack(&[("windowsize", "2")])?;
    c.ack(0)?;
    for block in [1, 2, 3, 4] {
        c.expect_data(block, part(&octets, block))?;
        if block == 2 {
            c.ack(2)?;
        }
    }
    s.journal.note("as if blocks 3 and 4 had been lost; --timeout is 60 s");
    c.within(Duration::from_secs(5));
    for block in [3, 4] {
        c.expect_data(block, part(&octets, block)).because(ADAPTIVE)?;
    }
    c.ack(4)
}

fn floor(s: &mut Scene) -> Outcome {
    let octets = s.octets(512 * 4);
    for (options, least) in [(&[][..], FLOOR), (&["--min-timeout", "300ms"], ms(300))] {
        let (mut c, start) = quick(s, &octets, options)?;
        for _ in 0..2 {
            c.expect_data(4, part(&octets, 4))?;
        }
        not_before(start, least).because(
            "RFC 6298 §2.4: a timeout has a lower bound, for an answer can be late for other reasons than the network",
        )?;
        c.ack(4)?;
    }
    Ok(())
}

fn doubles(s: &mut Scene) -> Outcome {
    let octets = s.octets(512 * 4);
    let (mut c, start) = quick(s, &octets, &[])?;
    for _ in 0..3 {
        c.expect_data(4, part(&octets, 4))?;
    }
    not_before(start, FLOOR * 3).because(
        "RFC 1123 §4.2.3.2: at least an exponential back-off; a full network gets no better by more packets",
    )?;
    c.ack(4)
}

fn karn(s: &mut Scene) -> Outcome {
    let octets = s.octets(512 * 4 + 9);
    let (mut c, _) = quick(s, &octets, &[])?;
    for _ in 0..2 {
        c.expect_data(4, part(&octets, 4))?;
    }
    let start = Instant::now();
    c.ack(4)?;
    for _ in 0..2 {
        c.expect_data(5, part(&octets, 5))?;
    }
    not_before(start, FLOOR * 2)
        .because("RFC 6298 §3 (Karn): nobody knows which of two equal packets was answered, so nothing was measured")?;
    c.ack(5)
}

fn last(s: &mut Scene) -> Outcome {
    let octets = s.octets(512 * 4);
    let (mut c, _) = quick(s, &octets, &["--retries", "1"])?;
    c.expect_data(4, part(&octets, 4))?;
    c.expect_silence(ms(300))?;
    c.ack(4)?;
    c.expect_data(5, b"").because("short waits are for sending again soon, and not for giving up sooner")?;
    c.ack(5)
}
