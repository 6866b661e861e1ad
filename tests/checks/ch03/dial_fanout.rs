//! `dial_fanout`: many dial, one wins, the others are told to stop and are waited for.
//!
//! Who wins is up to the scheduler, so what the program prints is not shown in the dialogue.

use super::dialling::{SOON, black_hole, expect_end_after, expect_in_error, refusing};
use crate::checks::common;
use netkata_kit::prelude::*;
use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr};

pub fn program() -> Program {
    Program::finished(3, "dial_fanout")
        .check(
            "one_wins_and_the_others_are_told",
            "one dialer wins; each of the others learns that it is late",
            one_wins,
        )
        .finished_only()
        .check("every_dialer_connects", "no dialer waits for another: all connect, and all close", all_connect)
        .finished_only()
        .check("a_winner_ends_the_other_dials", "when one has won, the dials in flight are called off", called_off)
        .finished_only()
        .check("the_deadline_ends_every_dial", "at the deadline every dial in flight ends, as a timeout", deadline)
        .finished_only()
        .check("connected_is_not_taken", "the deadline also ends a race that nobody has decided", undecided)
        .finished_only()
        .check("ends_when_all_have_failed", "when every dialer has failed there is nothing to wait for", all_failed)
        .finished_only()
        .check("names_a_refused_connection", "a refusal names the peer in one line", common::names_a_refused_connection)
        .finished_only()
        .check("names_a_bad_peer", "a host or port that cannot be is named in one line", common::names_a_bad_peer)
        .finished_only()
}

/// Its own listener accepts one connection; all dialers have connected before one is taken.
fn one_wins(s: &mut Scene) -> Outcome {
    let n = s.rng.u16(3..9);
    s.run_unseen(&["--dialers", &n.to_string(), "--take-after", "300ms"])?;
    s.expect_exit(0, SOON)?;
    let lines = output(s)?;
    let winner = lines.iter().find_map(|l| number(l, " retrieved the resource"));
    let late = (1..=n).filter(|id| Some(*id) != winner).collect::<Vec<_>>();
    let told = lines.iter().filter_map(|l| number(l, ": connected, too late")).collect::<Vec<_>>();
    let context = lines.last().map(String::as_str).unwrap_or_default();
    let won = lines.iter().filter(|l| l.ends_with("retrieved the resource")).count();
    let why = "a channel without a buffer hands over to one; the cancel reaches all who still wait";
    if won != 1 {
        return Err(Failure::new("one winner", won.to_string())).because(why);
    }
    if told != late {
        let got = format!("{} of {} late", told.len(), late.len());
        return Err(Failure::new("every dialer but the winner to be late", got)).because(why);
    }
    if context != "context: canceled" {
        return Err(Failure::new("\"context: canceled\" at the end", format!("{context:?}"))).because(why);
    }
    Ok(())
}

/// Nobody accepts before it is all over.
fn all_connect(s: &mut Scene) -> Outcome {
    let address = s.listen()?.to_string();
    s.run_unseen(&[&address, "--dialers", "4", "--take-after", "300ms"])?;
    s.expect_exit(0, SOON)?;
    for _ in 0..4 {
        s.accept()?.expect_close(Close::Fin).because(
            "listen(2): the kernel completes handshakes and queues them; a connect does not wait for an accept",
        )?;
    }
    s.expect_nobody().because("four dialers, four connections")
}

/// A listener with room for two: the other dialers wait for an answer that does not come.
fn called_off(s: &mut Scene) -> Outcome {
    let why = "a dial in flight ends when its context does; if it is left alone, the program waits for it, or leaks it";
    let (_crowded, address) = crowded().map_err(|e| Failure::new("a listener", e.to_string()))?;
    s.journal.note(format!("{address} has room for two, and six dial"));
    s.run_unseen(&[&address.to_string(), "--dialers", "6"])?;
    s.expect_exit(0, SOON).because(why)?;
    let lines = output(s)?;
    let canceled = lines.iter().filter(|l| l.ends_with("operation was canceled")).count();
    // Linux keeps to the number; other systems round it up, and everyone gets in.
    if cfg!(target_os = "linux") && canceled == 0 {
        return Err(Failure::new("dials that were canceled", "none")).because(why);
    }
    match lines.last().map(String::as_str) {
        Some("context: canceled") => Ok(()),
        other => Err(Failure::new("\"context: canceled\"", format!("{other:?}"))).because(why),
    }
}

fn deadline(s: &mut Scene) -> Outcome {
    let why = "the first cause sticks: a cancel that comes after the deadline changes nothing";
    let hole = black_hole(s)?;
    let start = Instant::now();
    s.run_with(&[&hole.address().to_string(), "--dialers", "3", "--deadline", "200ms"])?;
    expect_end_after(s, 1, start, ms(200)).because(why)?;
    for id in 1..=3 {
        let line = format!("dialer {id}: connect tcp://{}: deadline exceeded\n", hole.address());
        s.expect_output(&line).because(why)?;
    }
    s.expect_output("context: deadline exceeded\n").because(why)?;
    expect_in_error(s, &["error: connect", "deadline exceeded"]).because(why)
}

fn undecided(s: &mut Scene) -> Outcome {
    let why = "a deadline must reach everyone who waits, in connect(2) or at a channel";
    let start = Instant::now();
    s.run_with(&["--dialers", "3", "--deadline", "300ms", "--take-after", "10s"])?;
    expect_end_after(s, 1, start, ms(300)).because(why)?;
    for id in 1..=3 {
        s.expect_output(&format!("dialer {id}: connected, too late\n")).because(why)?;
    }
    s.expect_output("context: deadline exceeded\n").because(why)?;
    expect_in_error(s, &["error: connect", "deadline exceeded"]).because(why)
}

fn all_failed(s: &mut Scene) -> Outcome {
    let address = refusing(s)?;
    s.run_with(&[&address.to_string(), "--dialers", "3"])?;
    s.expect_exit(1, SOON)
        .because("a channel whose senders are all gone says so: to go on reading it is to wait in vain")?;
    for id in 1..=3 {
        s.expect_output(&format!("dialer {id}: connect tcp://{address}: connection refused\n"))?;
    }
    Ok(())
}

fn crowded() -> std::io::Result<(Socket, SocketAddr)> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(1)?;
    let address = socket.local_addr()?.as_socket().ok_or(std::io::ErrorKind::InvalidData)?;
    Ok((socket, address))
}

fn output(s: &mut Scene) -> Outcome<Vec<String>> {
    Ok(s.subject()?.stdout.all().lines().map(str::to_string).collect())
}

/// The number in `dialer 3: connected, too late`.
fn number(line: &str, end: &str) -> Option<u16> {
    line.strip_prefix("dialer ")?.strip_suffix(end)?.parse().ok()
}
