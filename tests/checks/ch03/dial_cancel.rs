//! `dial_cancel`: a connect in flight that can be called off.

use super::dialling::{SOON, ends, expect_end_after, expect_in_error, expect_line, refusing};
use crate::checks::common;
use netkata::human;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;

const WHY: &str = "connect(2), EINPROGRESS: poll(2) can wait for the socket and for a cancel at once";

pub fn program() -> Program {
    Program::finished(3, "dial_cancel")
        .check("connects_and_closes", "without a cancel it connects, says so, and closes with a FIN", connects)
        .check("does_not_wait_for_a_cancel", "once connected, nobody waits for a cancel that is still to come", no_wait)
        .finished_only()
        .check("a_cancel_ends_the_connect", "a connect that nobody answers ends when it is cancelled", cancels)
        .finished_only()
        .check("signals_cancel_too", "Ctrl-C and SIGTERM call the connect off", signals)
        .finished_only()
        .check("a_refusal_is_no_cancel", "a connect that was refused says nothing of a cancel", refusal)
        .finished_only()
        .check("names_a_refused_connection", "a refusal names the peer in one line", common::names_a_refused_connection)
        .finished_only()
        .check("names_a_bad_peer", "a host or port that cannot be is named in one line", common::names_a_bad_peer)
        .finished_only()
}

fn connects(s: &mut Scene) -> Outcome {
    let address = s.start_client_unseen()?;
    expect_line(s, &format!("dialling tcp://{address}"))?;
    let mut c = s.accept()?;
    let (theirs, ours) = ends(&c)?;
    s.expect_exit(0, SOON).because("connected and closed: there is nothing left to cancel")?;
    c.expect_close(Close::Fin)?;
    expect_line(s, &format!("connected {theirs} -> {ours}"))
        .because("RFC 9293 §4: a connection is a path identified by a pair of sockets; getsockname(2) tells our own")
}

fn no_wait(s: &mut Scene) -> Outcome {
    let address = s.listen()?.to_string();
    s.run_with(&[&address, "--after", "10s"])?;
    s.expect_output("dialling")?;
    let mut c = s.accept()?;
    s.expect_exit(0, SOON).because("who waits for a cancel must also hear that the work is done")?;
    c.expect_close(Close::Fin)
}

/// Without an address, the program dials a port of its own that never answers.
fn cancels(s: &mut Scene) -> Outcome {
    let start = Instant::now();
    s.run_with(&["--after", "100ms"])?;
    s.expect_output("dialling tcp://")?;
    expect_end_after(s, 1, start, ms(100)).because(WHY)?;
    expect_canceled(s)
}

fn signals(s: &mut Scene) -> Outcome {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        s.run_with(&[])?;
        s.expect_output("dialling tcp://")?;
        s.signal(signal)?;
        s.expect_exit(1, SOON)
            .because("signal-safety(7): a handler cannot end a connect(2), but it can wake who waits")?;
        expect_canceled(s)?;
    }
    Ok(())
}

fn refusal(s: &mut Scene) -> Outcome {
    let address = refusing(s)?.to_string();
    s.run_with(&[&address, "--after", "10s"])?;
    s.expect_exit(1, SOON)?;
    expect_in_error(s, &["connection refused"])?;
    match s.subject()?.stderr.rest().lines().next() {
        None => Ok(()),
        Some(more) => Err(Failure::new("the refusal and no more", format!("{:?}", more.trim())))
            .because("the first cause counts: the peer's answer came, and the cancel had nothing left to end"),
    }
}

/// Cancelled, which is not a timeout, and felt within a second.
fn expect_canceled(s: &mut Scene) -> Outcome {
    let why = "a cancel is a wish and a deadline a limit: whoever reads the error must see which of them it was";
    expect_in_error(s, &["error: connect tcp://127.0.0.1:", "operation was canceled"]).because(why)?;
    let line = s.error_line()?;
    let felt = line.trim().strip_prefix("context: canceled; felt after ").and_then(|t| human::parse_duration(t).ok());
    match felt {
        Some(felt) if felt < ms(1000) => Ok(()),
        Some(_) => {
            Err(Failure::new("a cancel that is felt within a second", format!("{:?}", line.trim()))).because(WHY)
        }
        None => Err(Failure::new("`context: canceled; felt after TIME`", format!("{:?}", line.trim()))).because(why),
    }
}
