//! `tcp_info`: an echo client that looks at the connection while it talks. Here the check is the echo server.
//!
//! The numbers differ from run to run, so what the program prints is not shown in the dialogue.

use super::dialling::{SOON, expect_end_after};
use crate::checks::common;
use netkata_kit::prelude::*;

pub fn program() -> Program {
    Program::finished(3, "tcp_info")
        .check("sends_one_message_at_a_time", "a message leaves when the one before has come back", one_at_a_time)
        .with(&["--rounds", "3", "--size", "100"])
        .check("an_echo_may_come_in_pieces", "an echo is complete when all its octets are there", pieces)
        .with(&["--rounds", "2", "--size", "300"])
        .check("shows_the_connection_at_each_step", "a line when connected, sent and echoed", table)
        .finished_only()
        .check("knows_its_own_words", "an echo that differs is an error", wrong_words)
        .with(&["--rounds", "1", "--size", "100"])
        .check("half_an_echo_is_an_error", "a peer that closes in the middle of an echo is an error", half)
        .with(&["--rounds", "1", "--size", "100"])
        .check("names_a_reset", "a peer that resets is named in one line", reset)
        .with(&["--size", "100"])
        .check("gives_a_stalled_peer_up", "an echo that does not come within --timeout is given up", stalled)
        .with(&["--size", "100", "--timeout", "200ms"])
        .check("drips_do_not_move_the_deadline", "the whole echo must be there within --timeout", drips)
        .with(&["--size", "100", "--timeout", "500ms"])
        .check("stops_at_a_closed_window", "--flood writes until nothing can be written, and says how much", flood)
        .finished_only()
        .check("names_a_refused_connection", "a refusal names the peer in one line", common::names_a_refused_connection)
        .finished_only()
        .check("names_a_bad_peer", "a host or port that cannot be is named in one line", common::names_a_bad_peer)
        .finished_only()
}

fn one_at_a_time(s: &mut Scene) -> Outcome {
    s.start_client_unseen()?;
    let mut c = s.accept()?;
    for _ in 0..3 {
        let message = c.read_exactly(100).because("--size 100: a hundred octets a message")?;
        c.expect_silence(ms(50)).because("the next message waits for the echo: the round trip is what is measured")?;
        c.send(&message)?;
    }
    c.expect_close(Close::Fin).because("--rounds 3: after the third echo there is nothing more to say")?;
    s.expect_exit(0, SOON)
}

fn pieces(s: &mut Scene) -> Outcome {
    s.start_client_unseen()?;
    let mut c = s.accept()?;
    let why = "RFC 9293 §3.8: a stream of octets: what was sent at once may arrive in pieces";
    for _ in 0..2 {
        let message = c.read_exactly(300)?;
        c.send(&message[..100])?;
        c.expect_silence(ms(100)).because(why)?;
        c.send(&message[100..])?;
    }
    c.expect_close(Close::Fin).because(why)?;
    s.expect_exit(0, SOON)
}

fn table(s: &mut Scene) -> Outcome {
    let address = s.listen()?.to_string();
    s.run_unseen(&[&address, "--rounds", "2", "--size", "100"])?;
    let mut c = s.accept()?;
    for _ in 0..2 {
        let message = c.read_exactly(100)?;
        c.send(&message)?;
    }
    c.expect_close(Close::Fin)?;
    s.expect_exit(0, SOON)?;
    let said = s.subject()?.stdout.all();
    let mut lines = said.lines().skip(1);
    for step in ["connected", "sent 1", "echo 1", "sent 2", "echo 2"] {
        expect_row(step, lines.next().unwrap_or_default())?;
    }
    Ok(())
}

/// The step, the state, and nine numbers; a round trip that took no time was not measured.
fn expect_row(step: &str, line: &str) -> Outcome {
    let why = "tcp(7), TCP_INFO: the kernel's view of one moment: state, round trip, windows, retransmissions";
    let fields = line.strip_prefix(step).unwrap_or_default().split_whitespace().collect::<Vec<_>>();
    if fields.len() != 10 || fields[0] != "ESTABLISHED" {
        let got = line.get(..30).unwrap_or(line).trim();
        return Err(Failure::new(format!("a line {step:?} with its state and nine numbers"), format!("{got:?}")))
            .because(why);
    }
    let number = |at: usize| fields[at].parse::<f64>().unwrap_or_default();
    if number(1) <= 0.0 {
        return Err(Failure::new("a round trip in milliseconds", fields[1])).because(why);
    }
    if number(4) < 500.0 {
        return Err(Failure::new("a maximum segment size, in octets", fields[4])).because(why);
    }
    Ok(())
}

fn wrong_words(s: &mut Scene) -> Outcome {
    let why = "a peer that answers with other octets is no echo server (RFC 862), and what it measures is not an echo";
    let at = s.rng.usize(..100);
    let address = s.start_client_unseen()?;
    let mut c = s.accept()?;
    let mut message = c.read_exactly(100)?;
    message[at] ^= 1;
    c.send(&message)?;
    s.expect_exit(1, SOON).because(why)?;
    s.expect_error(&format!("error: read tcp://{address}: not what was sent")).because(why)
}

fn half(s: &mut Scene) -> Outcome {
    let why =
        "read(2): zero octets is the end of the stream; only who knows what was due can tell that some is missing";
    let address = s.start_client_unseen()?;
    let mut c = s.accept()?;
    let message = c.read_exactly(100)?;
    c.send(&message[..60])?;
    c.half_close()?;
    s.expect_exit(1, SOON).because(why)?;
    s.expect_error(&format!("error: read tcp://{address}: the peer closed in the middle of an echo")).because(why)
}

fn reset(s: &mut Scene) -> Outcome {
    let why = "RFC 9293 §3.5.3: a reset is no close: it says that the connection was thrown away";
    let address = s.start_client_unseen()?;
    let mut c = s.accept()?;
    c.read_exactly(100)?;
    c.reset()?;
    s.expect_exit(1, SOON).because(why)?;
    s.expect_error(&format!("error: read tcp://{address}: connection reset by peer")).because(why)
}

fn stalled(s: &mut Scene) -> Outcome {
    let start = Instant::now();
    let address = s.start_client_unseen()?;
    let mut c = s.accept()?;
    c.read_exactly(100)?;
    expect_end_after(s, 1, start, ms(200)).because("without a deadline, recv(2) waits for ever")?;
    s.expect_error(&format!("error: read tcp://{address}: deadline passed"))
}

/// An octet every 40 ms: each comes well within the limit, the whole echo does not.
fn drips(s: &mut Scene) -> Outcome {
    let address = s.start_client_unseen()?;
    let mut c = s.accept()?;
    let message = c.read_exactly(100)?;
    // The client may be gone meanwhile: that is what is waited for.
    let gone = message[..30].chunks(1).any(|octet| c.send(octet).is_err() || c.expect_silence(ms(40)).is_err());
    if !gone {
        return Err(Failure::new("the client to give up after 500ms", "it still waits"))
            .because("a limit for each read begins anew with each octet; a deadline is a point in time");
    }
    s.expect_exit(1, SOON)?;
    s.expect_error(&format!("error: read tcp://{address}: deadline passed"))
}

/// The check reads nothing before the program has given up.
fn flood(s: &mut Scene) -> Outcome {
    let why = "RFC 9293 §3.8.6: a receiver that does not read closes its window; what was written waits on both sides";
    let address = s.listen()?.to_string();
    s.run_unseen(&[&address, "--flood", "--stall", "200ms"])?;
    let mut c = s.accept()?;
    s.expect_output("the peer's window is closed: ").because(why)?;
    let line = s.output_line()?;
    let written = line.trim_end_matches(" octets written").replace(',', "").parse::<usize>();
    let written = written.map_err(|_| Failure::new("a number of octets", format!("{line:?}")))?;
    let read = c.read_to_end()?.len();
    if read != written {
        return Err(Failure::new("as many octets to arrive as it says it wrote", "another number"))
            .because("write(2): a write that cannot be finished returns how much of it was taken");
    }
    s.expect_exit(0, SOON)
}
