//! `dial_timeout`: several addresses, one budget of time, a hook before each connect.

use super::dialling::{SOON, black_hole, ends, expect_bad_usage, expect_end_after, expect_in_error, refusing};
use crate::checks::common;
use netkata::human;
use netkata_kit::prelude::*;

pub fn program() -> Program {
    Program::finished(3, "dial_timeout")
        .check("takes_the_first_that_answers", "the addresses are tried in turn; the first to answer is taken", first)
        .finished_only()
        .check("gives_up_at_the_deadline", "a connect that nobody answers ends at --timeout, as a timeout", gives_up)
        .finished_only()
        .check("leaves_time_for_the_next", "a silent address gets its share of the time and no more", leaves_time)
        .finished_only()
        .check("shares_out_what_is_left", "an address that fails at once leaves its share to the others", shares)
        .finished_only()
        .check("asks_the_hook_first", "a hook that fails ends the attempt before connect(2)", hook_fails)
        .finished_only()
        .check("counts_the_hooks_time", "the time that a hook takes is part of the budget", hook_sleeps)
        .finished_only()
        .check("names_a_refused_connection", "a refusal names the peer in one line", common::names_a_refused_connection)
        .finished_only()
        .check("names_a_bad_peer", "a host or port that cannot be is named in one line", common::names_a_bad_peer)
        .finished_only()
        .check("names_an_unknown_hook", "a hook that does not exist is bad usage", unknown_hook)
        .finished_only()
}

fn first(s: &mut Scene) -> Outcome {
    let why = "getaddrinfo(3): try the addresses one after another, until one of them connects";
    let refuses = refusing(s)?.to_string();
    let answers = s.listen()?.to_string();
    s.run_with(&[&refuses, &answers])?;
    s.expect_output(&format!("{refuses}: connection refused after ")).because(why)?;
    s.expect_output(&format!("{answers}: connected after ")).because(why)?;
    let mut c = s.accept()?;
    let (theirs, ours) = ends(&c)?;
    s.expect_output(&format!("\nconnected {theirs} -> {ours}\n"))?;
    c.expect_close(Close::Fin)?;
    s.expect_exit(0, SOON)
}

/// `--demo` brings its own black hole.
fn gives_up(s: &mut Scene) -> Outcome {
    let (start, limit) = (Instant::now(), ms(250));
    s.run_with(&["--demo", "--timeout", "250ms"])?;
    expect_end_after(s, 1, start, limit)
        .because("tcp(7), tcp_syn_retries: left alone, connect(2) goes on for two minutes")?;
    expect_timeout(s, "deadline exceeded", "deadline exceeded")
}

fn leaves_time(s: &mut Scene) -> Outcome {
    let why = "one deadline for all: if the first address may use all of it, the others are never tried";
    let answers = s.listen()?.to_string();
    s.run_with(&["--demo", &answers, "--timeout", "600ms"])?;
    let share = time_of(s)?;
    if share > ms(300) {
        return Err(Failure::new("half of 600ms for the first of two", human::duration(share))).because(why);
    }
    s.expect_output(&format!("{answers}: connected after ")).because(why)?;
    s.accept()?.expect_close(Close::Fin)?;
    s.expect_exit(0, SOON)
}

fn shares(s: &mut Scene) -> Outcome {
    let refuses = refusing(s)?.to_string();
    let hole = black_hole(s)?;
    let (start, limit) = (Instant::now(), ms(300));
    s.run_with(&[&refuses, &hole.address().to_string(), "--timeout", "300ms"])?;
    expect_end_after(s, 1, start, limit)
        .because("an absolute deadline is shared out anew for each address: what one did not use is not lost")
}

fn hook_fails(s: &mut Scene) -> Outcome {
    let why = "a hook between socket(2) and connect(2) can refuse: no SYN has been sent yet";
    let address = s.listen()?.to_string();
    s.run_with(&["--hook", "fail", &address])?;
    s.expect_exit(1, SOON).because(why)?;
    s.expect_nobody().because(why)?;
    expect_timeout(s, "127.0.0.1: connection timed out", "time is left")
}

/// The hook sleeps past the deadline. It is not interrupted; but after it, nothing is dialled any more.
fn hook_sleeps(s: &mut Scene) -> Outcome {
    let why = "a deadline is a point in time: what comes before connect(2), a lookup or a hook, brings it nearer";
    let address = s.listen()?.to_string();
    let start = Instant::now();
    s.run_with(&["--hook", "sleep=300ms", "--timeout", "150ms", &address])?;
    expect_end_after(s, 1, start, ms(300)).because(why)?;
    s.expect_nobody().because(why)?;
    expect_timeout(s, "deadline exceeded", "deadline exceeded")
}

fn unknown_hook(s: &mut Scene) -> Outcome {
    s.run_with(&["127.0.0.1:9", "--hook", "later"])?;
    expect_bad_usage(s, "unknown hook \"later\"").because("a word that is not understood must not pass for another")
}

/// An error that is a timeout, and a context that stands as it should.
fn expect_timeout(s: &mut Scene, error: &str, context: &str) -> Outcome {
    let why = "connect(2), ETIMEDOUT: a timeout is its own kind of failure; a caller may try again, or give more time";
    expect_in_error(s, &["error: connect tcp://127.0.0.1:", error]).because(why)?;
    expect_in_error(s, &["timeout: yes", &format!("context: {context}")]).because(why)
}

/// `127.0.0.1:7007: has 300ms`
fn time_of(s: &mut Scene) -> Outcome<Duration> {
    let line = s.output_line()?;
    let time = line.split_once(": has ").and_then(|(_, time)| human::parse_duration(time).ok());
    time.ok_or_else(|| Failure::new("a line `ADDRESS: has TIME`", format!("{line:?}")))
}
