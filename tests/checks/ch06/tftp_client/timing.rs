//! RFC 1123, section 4.2.3.2: how long to wait depends on how long answers take.

use super::*;
use crate::checks::common::{fails_with, not_before};

const ADAPTIVE: &str = "RFC 1123 §4.2.3.2: a TFTP implementation must use an adaptive timeout";
const FLOOR: Duration = ms(200);

pub fn checks(program: Program) -> Program {
    program
        .check("follows_the_round_trip", "where blocks come at once, a lost one is not waited for long", follows)
        .check("has_a_floor", "however fast the blocks are, an ACK is not sent again within --min-timeout", floor)
        .finished_only()
        .check(
            "takes_no_copy_for_a_sample",
            "what follows an ACK that was sent twice does not end the longer wait",
            karn,
        )
        .finished_only()
        .check("keeps_to_the_timeout", "a timeout that was agreed on is kept, whatever the round trip", fixed)
        .finished_only()
        .check("gives_up_no_sooner", "short waits are for asking again soon, not for giving up sooner", patient)
        .finished_only()
}

/// A transfer whose blocks come at once up to block 3, and the moment before the last of them.
fn quick(s: &mut Scene, file: &[u8], options: &[&str]) -> Outcome<(Wanted, Transfer, Instant)> {
    let mut wanted = get_adaptively(s, &[&["--dally", "0"], options].concat())?;
    let mut transfer = wanted.server.request()?;
    let mut start = Instant::now();
    for (i, block) in file.chunks(BLOCK).take(3).enumerate() {
        start = Instant::now();
        transfer.data(i as u16 + 1, block)?;
        transfer.expect_ack(i as u16 + 1)?;
    }
    Ok((wanted, transfer, start))
}

fn follows(s: &mut Scene) -> Outcome {
    let file = s.octets(3 * BLOCK + 9);
    let (wanted, mut transfer, _) = quick(s, &file, &["--timeout", "60s"])?;
    s.journal.note("as if block 4 had been lost; --timeout is 60 s");
    transfer.within(Duration::from_secs(5)).expect_ack(3).because(ADAPTIVE)?;
    transfer.data(4, &file[3 * BLOCK..])?;
    transfer.expect_ack(4)?;
    expect_kept(s, &wanted.name, &file)
}

fn floor(s: &mut Scene) -> Outcome {
    let file = s.octets(3 * BLOCK + 9);
    for (options, least) in [(&["--timeout", "60s"][..], FLOOR), (&["--min-timeout", "300ms"], ms(300))] {
        let (_, mut transfer, start) = quick(s, &file, options)?;
        transfer.expect_ack(3)?;
        not_before(start, least).because(
            "RFC 6298 §2.4: a timeout has a lower bound, for an answer can be late for other reasons than the network",
        )?;
    }
    Ok(())
}

fn karn(s: &mut Scene) -> Outcome {
    let file = s.octets(4 * BLOCK + 9);
    let (_, mut transfer, _) = quick(s, &file, &["--timeout", "60s"])?;
    transfer.expect_ack(3)?;
    let start = Instant::now();
    transfer.data(4, &file[3 * BLOCK..4 * BLOCK])?;
    for _ in 0..2 {
        transfer.expect_ack(4)?;
    }
    not_before(start, FLOOR * 2)
        .because("RFC 6298 §3 (Karn): nobody knows which of two equal packets was answered, so nothing was measured")
}

fn fixed(s: &mut Scene) -> Outcome {
    let mut wanted = get_adaptively(s, &["--timeout", "100ms", "--timeout-option", "1"])?;
    let mut transfer = wanted.server.request()?;
    let start = Instant::now();
    transfer.oack(&[("timeout", "1")])?;
    for _ in 0..2 {
        transfer.expect_ack(0)?;
    }
    not_before(start, Duration::from_secs(1))
        .because("RFC 2349: both sides wait as long as was agreed on before they send again")
}

/// Two waits: 400 and 800 ms, if nothing was measured.
fn patient(s: &mut Scene) -> Outcome {
    let file = s.octets(3 * BLOCK + 9);
    let (_, mut transfer, start) = quick(s, &file, &["--timeout", "400ms", "--retries", "1"])?;
    transfer.expect_ack(3)?;
    fails_with(s, "no answer within")?;
    not_before(start, ms(1200))
        .because("a server that waits for a fixed time may need all of ours to send the block again")
}
