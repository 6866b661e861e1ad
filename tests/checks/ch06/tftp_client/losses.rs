//! Datagrams that come twice, late, or never.

use super::*;
use crate::checks::common::{fails_with, not_before};

const SORCERER: &str =
    "RFC 1123 §4.2.3.1: one packet too many for each packet, and every block goes over the net twice";
const AGAIN: &str = "RFC 1350 §2: whoever waits too long sends its last packet again";

pub fn checks(program: Program) -> Program {
    program
        .check("acknowledges_the_last_block_again", "when the last block comes again, so does its ACK", duplicate)
        .check("ignores_older_blocks", "a block before the last is a late copy: it gets no ACK", old)
        .check(
            "asks_again",
            "a request without an answer is sent again, --retries times, and then given up",
            asks_again,
        )
        .check("waits_longer_each_time", "each wait is twice the one before", backs_off)
        .check("sends_its_ack_again", "an ACK that no block follows is sent again", acks_again)
        .check("begins_anew_with_each_block", "a block that comes is a new beginning for the retries", begins_anew)
        .check("a_copy_is_no_progress", "a server that sends the same block for ever is left", for_ever)
        .check("tells_that_the_server_has_gone", "a transfer's port that nobody has any more is told at once", gone)
}

fn duplicate(s: &mut Scene) -> Outcome {
    let file = s.octets(BLOCK + 9);
    let (wanted, mut transfer) = asked(s, &["--timeout", "10s", "--dally", "0"])?;
    transfer.data(1, &file[..BLOCK])?;
    transfer.expect_ack(1)?;
    transfer.data(1, &file[..BLOCK])?;
    transfer.expect_ack(1).because("RFC 1350 §2: a block comes again when its ACK was lost: it is due once more")?;
    transfer.expect_silence(ms(20)).because(SORCERER)?;
    transfer.data(2, &file[BLOCK..])?;
    transfer.expect_ack(2)?;
    expect_kept(s, &wanted.name, &file).because("a block that comes again is in the file once")
}

fn old(s: &mut Scene) -> Outcome {
    let file = s.octets(2 * BLOCK + 9);
    let (wanted, mut transfer) = asked(s, &["--timeout", "10s", "--dally", "0"])?;
    for block in [1, 2] {
        transfer.data(block, &file[(block as usize - 1) * BLOCK..][..BLOCK])?;
        transfer.expect_ack(block)?;
    }
    transfer.data(1, &file[..BLOCK])?;
    transfer.expect_silence(ms(40)).because(SORCERER)?;
    transfer.data(3, &file[2 * BLOCK..])?;
    transfer.expect_ack(3)?;
    expect_kept(s, &wanted.name, &file)
}

fn asks_again(s: &mut Scene) -> Outcome {
    let mut wanted = get(s, &["--timeout", "40ms", "--retries", "2"])?;
    let first = wanted.server.request()?;
    for _ in 0..2 {
        let again = wanted.server.request().because(AGAIN)?;
        if (&again.request, again.client()) != (&first.request, first.client()) {
            return Err(Failure::new("the same request, from the same port", "another")).because(AGAIN);
        }
    }
    fails_with(s, "no answer within").because("a server that is silent for good must not keep its client for good")?;
    wanted.server.expect_silence(ms(1)).because("--retries 2: one request, and two repetitions")
}

fn backs_off(s: &mut Scene) -> Outcome {
    const WHY: &str =
        "RFC 1123 §4.2.3.2: at least an exponential back-off; a full network gets no better by more packets";
    // What happens before the first request only adds to it.
    let start = Instant::now();
    let mut wanted = get(s, &["--timeout", "30ms", "--retries", "4"])?;
    for _ in 0..5 {
        wanted.server.request()?;
    }
    // 30, 60, 120 and 240 ms.
    not_before(start, ms(450)).because(WHY)?;
    fails_with(s, "no answer within")
}

fn acks_again(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let block = s.octets(BLOCK);
    let (wanted, mut transfer) = asked(s, &["--timeout", "50ms", "--dally", "0"])?;
    let start = Instant::now();
    transfer.data(1, &block)?;
    transfer.expect_ack(1)?;
    transfer.expect_ack(1).because(AGAIN)?;
    not_before(start, ms(50)).because(AGAIN)?;
    transfer.data(2, words.as_bytes())?;
    // A slow machine may have made it repeat itself once more.
    let last = loop {
        match transfer.expect_ack(2) {
            Ok(()) => break Ok(()),
            Err(e) if start.elapsed() > Duration::from_secs(2) => break Err(e),
            Err(_) => {}
        }
    };
    last.because(AGAIN)?;
    expect_kept(s, &wanted.name, &[&block, words.as_bytes()].concat())
}

fn begins_anew(s: &mut Scene) -> Outcome {
    let file = s.octets(2 * BLOCK + 9);
    let (wanted, mut transfer) = asked(s, &["--timeout", "200ms", "--retries", "1", "--dally", "0"])?;
    for block in [1, 2] {
        transfer.data(block, &file[(block as usize - 1) * BLOCK..][..BLOCK])?;
        transfer.expect_ack(block)?;
        transfer.expect_ack(block).because("--retries counts in a row: what got through is a new beginning")?;
    }
    transfer.data(3, &file[2 * BLOCK..])?;
    transfer.expect_ack(3)?;
    expect_kept(s, &wanted.name, &file)
}

fn for_ever(s: &mut Scene) -> Outcome {
    let block = s.octets(BLOCK);
    // The server's port stays: on a busy machine, the program may ask there once more before it is answered.
    let (_server, mut transfer) = asked(s, &["--timeout", "100ms", "--retries", "1"])?;
    s.journal.note("block 1, again and again");
    let until = Instant::now() + Duration::from_secs(2);
    while s.subject()?.poll()?.is_none() {
        if Instant::now() > until {
            return Err(Failure::new("the program to give up", "it is still there after 2 s"))
                .because("a wait is for something new: what came before does not prolong it");
        }
        transfer.data_unseen(1, &block)?;
        let _ = transfer.within(ms(10)).expect_ack_unseen(1);
    }
    fails_with(s, "no answer within")
}

fn gone(s: &mut Scene) -> Outcome {
    let block = s.octets(BLOCK);
    let (_, mut transfer) = asked(s, &["--timeout", "10s"])?;
    s.journal.note("the program is held up (SIGSTOP)");
    s.subject()?.hold()?;
    transfer.data(1, &block)?;
    transfer.leave()?;
    s.journal.note("the program goes on (SIGCONT)");
    s.subject()?.release()?;
    fails_with(s, "connection refused")
        .because("RFC 1122 §4.1.3.3: what ICMP says of a datagram is handed to who sent it")
}
