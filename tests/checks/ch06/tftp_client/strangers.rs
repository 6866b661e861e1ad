//! Datagrams from elsewhere.

use super::*;

const WHY: &str = "RFC 1350 §4: a packet from elsewhere is refused with ERROR 5, and the transfer is not disturbed";

pub fn checks(program: Program) -> Program {
    program
        .check("refuses_another_port", "a block from another port is no part of the file, and gets ERROR 5", other_port)
        .check("refuses_another_host", "neither is one from another host, before the server has answered", other_host)
        .check("answers_no_error", "an ERROR from a stranger ends nothing, and is not answered", stranger_s_error)
        .check("minds_no_stranger_s_refusal", "a stranger who has gone is nothing to the transfer", stranger_has_gone)
        .check("refuses_a_late_block", "a block that cannot be an answer to the request gets ERROR 5", late_block)
}

fn other_port(s: &mut Scene) -> Outcome {
    let file = s.octets(BLOCK + 9);
    let (wanted, mut transfer) = asked(s, &["--timeout", "10s"])?;
    transfer.data(1, &file[..BLOCK])?;
    transfer.expect_ack(1)?;
    let mut stranger = transfer.stranger()?;
    stranger.data(2, b"high water")?;
    stranger.expect_error(5).because(WHY)?;
    transfer.data(2, &file[BLOCK..])?;
    transfer.expect_ack(2).because(WHY)?;
    expect_kept(s, &wanted.name, &file).because(WHY)
}

fn other_host(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let (wanted, mut transfer) = asked(s, &["--timeout", "10s"])?;
    let mut stranger = transfer.stranger_at([127, 0, 0, 2].into())?;
    stranger.data(1, b"high water")?;
    stranger.expect_error(5).because(
        "RFC 1123 §2.3: a server answers from the address that was asked; who guesses the port answers from elsewhere",
    )?;
    transfer.data(1, words.as_bytes())?;
    transfer.expect_ack(1).because(WHY)?;
    expect_kept(s, &wanted.name, words.as_bytes()).because(WHY)
}

fn stranger_s_error(s: &mut Scene) -> Outcome {
    let file = s.octets(BLOCK + 9);
    let (wanted, mut transfer) = asked(s, &["--timeout", "10s"])?;
    transfer.data(1, &file[..BLOCK])?;
    transfer.expect_ack(1)?;
    let mut stranger = transfer.stranger()?;
    stranger.error(2, b"go away")?;
    stranger.expect_silence(ms(40)).because("two sides that answer each ERROR with another would never stop")?;
    transfer.data(2, &file[BLOCK..])?;
    transfer.expect_ack(2).because(WHY)?;
    expect_kept(s, &wanted.name, &file)
}

/// The stranger's port is closed before the client is awake: its ERROR 5 meets with a refusal.
fn stranger_has_gone(s: &mut Scene) -> Outcome {
    let file = s.octets(2 * BLOCK + 9);
    let (wanted, mut transfer) = asked(s, &["--timeout", "10s"])?;
    transfer.data(1, &file[..BLOCK])?;
    transfer.expect_ack(1)?;
    s.journal.note("the program is held up (SIGSTOP)");
    s.subject()?.hold()?;
    let mut stranger = transfer.stranger()?;
    stranger.data(2, b"high water")?;
    stranger.leave()?;
    s.journal.note("the program goes on (SIGCONT)");
    s.subject()?.release()?;
    for block in [1, 2] {
        let payload = &file[block * BLOCK..file.len().min((block + 1) * BLOCK)];
        transfer.data(block as u16 + 1, payload)?;
        transfer
            .expect_ack(block as u16 + 1)
            .because("ip(7), IP_RECVERR: the error queue says whom a refusal is about")?;
    }
    expect_kept(s, &wanted.name, &file)
}

fn late_block(s: &mut Scene) -> Outcome {
    let (words, number) = (s.phrase(), s.rng.u16(2..60_000));
    let (wanted, mut transfer) = asked(s, &["--timeout", "10s"])?;
    let mut late = transfer.stranger()?;
    late.data(number, b"ebb")?;
    late.expect_error(5)
        .because("RFC 1350 §4: the answer to a request is block 1; the port may have been another's before")?;
    transfer.data(1, words.as_bytes())?;
    transfer.expect_ack(1).because(WHY)?;
    expect_kept(s, &wanted.name, words.as_bytes())
}
