//! `tcp_ping`: connects, and says how long that took.

use crate::checks::ch03::dialling::{SOON, black_hole, expect_bad_usage, refusing};
use crate::checks::common;
use netkata::human;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;
use socket2::{Domain, Socket, Type};
use std::net::SocketAddr;

const PING: &str = "ping(8): a line for each try, and a summary at the end";
const STATUS: &str = "ping(8): status 0 if there was any answer, 1 if there was none";
const REFUSED: &str =
    "connect(2), ECONNREFUSED: a host that is up answers with a reset; that is an answer, and no silence";

pub fn program() -> Program {
    Program::finished(4, "tcp_ping")
        .check("connects_and_leaves", "a try is a connect and a close; nothing is sent", leaves)
        .with(&["-c", "1"])
        .check("tries_as_often_as_asked", "there are -c tries, and a line for each", counts)
        .finished_only()
        .check("tries_three_times", "three times, if nobody says how often", three)
        .with(&["-i", "10ms"])
        .check(
            "sums_up",
            "at the end it tells how many tries connected, and the least, average and longest time",
            sums_up,
        )
        .with(&["-i", "10ms"])
        .check("waits_from_try_to_try", "tries are -i apart", apart)
        .with(&["-i", "150ms"])
        .check("none_connected_is_a_failure", "when no try has connected, the status is 1", none)
        .finished_only()
        .check("gives_a_try_its_time", "a try that nobody answers ends after -W, and the next one comes", gives_time)
        .finished_only()
        .check("a_refusal_ends_it", "a refusal is told, and is the last try", refused)
        .finished_only()
        .check("keep_going_goes_on", "with --keep-going it is a try like any other", keeps_going)
        .finished_only()
        .check("goes_on_until_ctrl_c", "with -c 0 it goes on until Ctrl-C, and then sums up", endless)
        .with(&["-c", "0", "-i", "20ms"])
        .check("ctrl_c_ends_a_try", "Ctrl-C ends a try that waits; it does not count", ends_a_try)
        .finished_only()
        .check("sees_a_service_come_back", "--keep-going watches a service that is being restarted", comes_back)
        .finished_only()
        .check("keeps_to_ipv4", "with -4 an IPv6 address is none", only_ipv4)
        .finished_only()
        .check("keeps_to_ipv6", "with -6 an IPv4 address is none", only_ipv6)
        .finished_only()
        .check("names_a_refused_connection", "who refuses is named in one line", common::names_a_refused_connection)
        .finished_only()
        .check("names_a_bad_peer", "a bad address is named in one line", common::names_a_bad_peer)
        .finished_only()
        .check("a_wrong_address_stays_wrong", "--keep-going does not try what cannot be", hopeless)
        .finished_only()
        .check("asks_for_an_address", "no address is bad usage", no_address)
        .finished_only()
}

/// `3 1.234ms`: the number of the try and its time.
fn expect_try(s: &mut Scene, number: usize) -> Outcome<Duration> {
    let line = s.output_line().because(PING)?;
    let time = line.strip_prefix(&format!("{number} ")).and_then(|time| human::parse_duration(time).ok());
    time.ok_or_else(|| Failure::new(format!("a line `{number} TIME`"), format!("{line:?}"))).because(PING)
}

fn expect_head(s: &mut Scene, address: impl std::fmt::Display) -> Outcome {
    s.expect_line(&format!("PING {address}")).because(PING)
}

/// `--- ADDRESS ---`, after the last try.
fn expect_end(s: &mut Scene, address: impl std::fmt::Display) -> Outcome {
    let (line, expected) = (s.output_line().because(PING)?, format!("--- {address} ---"));
    let got = match line.split_once(' ') {
        _ if line == expected => return Ok(()),
        Some((number, _)) if number.parse::<u32>().is_ok() => "a line for one more try".into(),
        _ => format!("{line:?}"),
    };
    Err(Failure::new(format!("the line {expected:?}"), got)).because(PING)
}

fn expect_tail(s: &mut Scene, address: impl std::fmt::Display, counts: &str) -> Outcome {
    expect_end(s, address)?;
    s.expect_line(counts).because(PING)
}

fn leaves(s: &mut Scene) -> Outcome {
    s.start_client_unseen()?;
    let mut c = s.accept()?;
    c.expect_close(Close::Fin).because("RFC 9293 §3.5: the handshake is the answer; a FIN is the politest goodbye")?;
    s.expect_exit(0, SOON)
}

fn counts(s: &mut Scene) -> Outcome {
    let n = s.rng.usize(4..8);
    let address = s.listen()?;
    s.run_unseen(&[&address.to_string(), "-c", &n.to_string(), "-i", "10ms"])?;
    expect_head(s, address)?;
    for number in 1..=n {
        s.accept()?.expect_close(Close::Fin)?;
        expect_try(s, number)?;
    }
    expect_end(s, address)?;
    s.expect_exit(0, SOON)
}

fn three(s: &mut Scene) -> Outcome {
    let address = s.start_client_unseen()?;
    expect_head(s, address)?;
    for number in 1..=3 {
        expect_try(s, number)?;
    }
    expect_end(s, address).because("ping(8) on a forgotten terminal goes on for days")?;
    s.expect_exit(0, SOON)
}

fn sums_up(s: &mut Scene) -> Outcome {
    let address = s.start_client_unseen()?;
    expect_head(s, address)?;
    let mut times = Vec::new();
    for number in 1..=3 {
        times.push(expect_try(s, number)?);
    }
    expect_tail(s, address, "3 sent, 3 connected")?;
    times.sort();
    let average = human::round_to(times.iter().sum::<Duration>() / 3, Duration::from_micros(1));
    let [least, average, most] = [times[0], average, times[2]].map(human::duration);
    let (line, expected) = (s.output_line()?, format!("min/avg/max {least}/{average}/{most}"));
    if line != expected {
        let got = "other numbers than those of the three lines before it";
        return Err(Failure::new("the least, the average and the longest of the three", got)).because(PING);
    }
    s.expect_exit(0, SOON)
}

fn apart(s: &mut Scene) -> Outcome {
    s.start_client_unseen()?;
    s.accept()?.expect_close(Close::Fin)?;
    let start = Instant::now();
    s.accept()?.expect_close(Close::Fin)?;
    s.accept()?.expect_close(Close::Fin)?;
    // The first was seen some time after it was made.
    common::not_before(start, ms(200)).because("each try costs the server a connection: a ping is no flood")?;
    s.expect_exit(0, SOON)
}

/// How long the try took by its own account: `1 fail in 150.2ms: …`.
fn expect_fail(s: &mut Scene, number: usize, why: &str) -> Outcome<Duration> {
    let line = s.output_line()?;
    let rest = line.strip_prefix(&format!("{number} fail in ")).and_then(|rest| rest.strip_suffix(&format!(": {why}")));
    let time = rest.and_then(|time| human::parse_duration(time).ok());
    time.ok_or_else(|| Failure::new(format!("a line `{number} fail in TIME: {why}`"), format!("{line:?}")))
}

fn gives_time(s: &mut Scene) -> Outcome {
    let why = "tcp(7), tcp_syn_retries: left alone, connect(2) goes on for two minutes";
    let hole = black_hole(s)?;
    let address = hole.address();
    s.run_unseen(&[&address.to_string(), "-c", "2", "-i", "10ms", "-W", "150ms"])?;
    expect_head(s, address)?;
    for number in 1..=2 {
        let time = expect_fail(s, number, "deadline exceeded").because(why)?;
        if time < ms(150) {
            return Err(Failure::new("150ms for each try", human::duration(time))).because(why);
        }
    }
    expect_tail(s, address, "2 sent, 0 connected")?;
    s.expect_exit(1, SOON).because(STATUS)
}

fn refused(s: &mut Scene) -> Outcome {
    let address = refusing(s)?;
    s.run_unseen(&[&address.to_string(), "-i", "10ms"])?;
    expect_head(s, address)?;
    expect_fail(s, 1, "connection refused").because(REFUSED)?;
    expect_tail(s, address, "1 sent, 0 connected").because(REFUSED)?;
    s.expect_exit(1, SOON)?;
    s.expect_error("--keep-going").because("a restart takes a second; who watches it wants to know what to ask for")
}

fn keeps_going(s: &mut Scene) -> Outcome {
    let address = refusing(s)?;
    s.run_unseen(&[&address.to_string(), "-c", "2", "-i", "10ms", "--keep-going"])?;
    expect_head(s, address)?;
    for number in 1..=2 {
        expect_fail(s, number, "connection refused").because(REFUSED)?;
    }
    expect_tail(s, address, "2 sent, 0 connected")
        .because("a service that is being restarted refuses; who waits for it must not leave at the first reset")?;
    s.expect_exit(1, SOON)
}

fn none(s: &mut Scene) -> Outcome {
    let address = refusing(s)?;
    s.run_unseen(&[&address.to_string(), "-c", "1", "--keep-going"])?;
    s.expect_exit(1, SOON).because(STATUS)
}

/// The port is ours all the time; at first nobody listens there.
fn comes_back(s: &mut Scene) -> Outcome {
    let bound = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
        let address = socket.local_addr()?.as_socket();
        Ok((socket, address))
    };
    let failed = |e: std::io::Error| Failure::new("a port", e.to_string());
    let (socket, address) = bound().map_err(failed)?;
    let address = address.map(|a| a.to_string()).unwrap_or_default();
    s.journal.note(format!("{address} refuses"));
    s.run_unseen(&[&address, "-c", "0", "-i", "20ms", "--keep-going"])?;
    expect_head(s, &address)?;
    s.expect_line("CTRL+C to stop.")?;
    s.expect_output("1 fail in ")?;
    s.expect_output("2 fail in ").because(REFUSED)?;
    socket.listen(16).map_err(failed)?;
    s.journal.note(format!("{address} listens"));
    let why = "the next SYN finds a listener: only who sends one sees that the service is back";
    s.expect_output("refused\n")?;
    let until = Instant::now() + SOON;
    loop {
        let line = s.output_line().because(why)?;
        match line.split_once(' ') {
            Some((_, time)) if human::parse_duration(time).is_ok() => break,
            _ if Instant::now() > until => return Err(Failure::new("a try that connects", line)).because(why),
            _ => {}
        }
    }
    s.signal(Signal::SIGINT)?;
    s.expect_exit(0, SOON).because(STATUS)
}

fn endless(s: &mut Scene) -> Outcome {
    let address = s.start_client_unseen()?;
    expect_head(s, address)?;
    s.expect_line("CTRL+C to stop.")?;
    for number in 1..=5 {
        s.accept()?.expect_close(Close::Fin)?;
        expect_try(s, number)?;
    }
    s.signal(Signal::SIGINT)?;
    s.expect_output(&format!("--- {address} ---\n"))
        .because("signal(7): SIGINT is Ctrl-C at a terminal; left alone it ends a program without a word")?;
    s.expect_output("\nmin/avg/max ")?;
    s.expect_exit(0, SOON)
}

fn ends_a_try(s: &mut Scene) -> Outcome {
    let hole = black_hole(s)?;
    let address = hole.address();
    s.run_unseen(&[&address.to_string(), "-W", "1m"])?;
    expect_head(s, address)?;
    s.wait_until_still(SOON)?;
    s.signal(Signal::SIGINT)?;
    s.expect_exit(1, SOON)
        .because("connect(2) goes on for two minutes: whoever presses Ctrl-C does not mean to wait")?;
    expect_tail(s, address, "0 sent, 0 connected")
}

fn only_ipv4(s: &mut Scene) -> Outcome {
    keeps_to(s, &["[::1]:9", "-4"], "no address for tcp4")
}

fn only_ipv6(s: &mut Scene) -> Outcome {
    keeps_to(s, &["127.0.0.1:9", "-6"], "no address for tcp6")
}

/// What comes of a try that should not have been made depends on the machine.
fn keeps_to(s: &mut Scene, arguments: &[&str], error: &str) -> Outcome {
    s.run_unseen(arguments)?;
    s.expect_exit(1, SOON)?;
    if s.error_line()?.contains(error) {
        return Ok(());
    }
    Err(Failure::new(format!("an error: {error}"), "another one: it tried"))
        .because("getaddrinfo(3), ai_family: an address of the other family is no answer to what was asked for")
}

fn hopeless(s: &mut Scene) -> Outcome {
    s.run_unseen(&["127.0.0.1:70000", "-c", "0", "-i", "10ms", "--keep-going"])?;
    common::fails_with(s, "invalid port").because("a port beyond 65535 will not be there tomorrow either")
}

fn no_address(s: &mut Scene) -> Outcome {
    s.run_unseen(&["-c", "1"])?;
    expect_bad_usage(s, "<HOST:PORT>").because("whom to ping is not for a default to decide")
}
