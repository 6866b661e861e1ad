//! `many_ports`: one server, several sockets.

use crate::checks::common;
use netkata_kit::datagram::Datagrams;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;
use std::net::SocketAddr;

const QUEUE: &str =
    "recv(2) waits for one socket; a server that serves several waits for all of them, or has a thread for each";

pub fn program() -> Program {
    // The ports are in the answers.
    Program::finished(5, "many_ports")
        .varies()
        .check("announces_each_port", "each port is announced on a line of its own, in order", announces)
        .check("answers_on_the_first_port", "an answer is the port's number, a colon, a space and the question", first)
        .check("answers_on_every_port", "every port answers, in its own name", every)
        .check("answers_in_any_order", "a port answers before the ones beside it were asked", any_order)
        .check("goes_on_after_one_datagram", "each port goes on answering", goes_on)
        .check("answers_an_empty_datagram", "to a datagram of no octets the answer is the port's number", empty)
        .check("cuts_what_does_not_fit", "of a longer datagram, 1,024 octets are answered", cuts)
        .check("takes_a_range", "FIRST-LAST is every port from the first to the last", range)
        .finished_only()
        .check("opens_all_or_none", "when one port cannot be had, it is named, and no other is announced", all_or_none)
        .finished_only()
        .check("refuses_a_wrong_range", "a range that is none is named in one line", wrong_range)
        .finished_only()
        .check("stops_every_port", "SIGTERM ends all of them, whichever was asked last", stops)
        .check("sums_up", "at its end it says what came to each port, in order", sums_up)
        .finished_only()
        .check("ends_on_sigint", "Ctrl-C ends it", common::ends_on_sigint)
        .check("names_a_bad_address", "a bad address is named in one line", common::names_a_bad_address)
        .finished_only()
}

/// Starts the program on three free ports; a talk with each.
fn start(s: &mut Scene) -> Outcome<[Datagrams; 3]> {
    s.start_with_arguments(&["127.0.0.1:0".into(), "127.0.0.1:0".into(), "127.0.0.1:0".into()])?;
    let first = s.address()?;
    let others = [next_address(s)?, next_address(s)?];
    Ok([s.datagrams_to(first)?, s.datagrams_to(others[0])?, s.datagrams_to(others[1])?])
}

/// The address on the next line of standard output.
fn next_address(s: &mut Scene) -> Outcome<SocketAddr> {
    let line = s.output_line()?;
    let address = line.strip_prefix("listening on udp://").and_then(|address| address.parse().ok());
    address.ok_or_else(|| Failure::new("a line `listening on udp://ADDRESS:PORT`", format!("{line:?}")))
}

fn ask(c: &mut Datagrams, words: &[u8]) -> Outcome {
    c.send(words)?;
    let (right, got) = ([format!("{}: ", c.peer().port()).as_bytes(), words].concat(), c.receive()?);
    let text = |octets: &[u8]| format!("\"{}\"", netkata::hexdump::text(octets, 60));
    if got == right { Ok(()) } else { Err(Failure::new(text(&right), text(&got))) }
}

fn announces(s: &mut Scene) -> Outcome {
    let free = [s.upstream_udp()?, s.upstream_udp()?, s.upstream_udp()?].map(|held| held.address());
    s.start_with_arguments(&free.map(|address| address.to_string()))?;
    let announced = [s.address()?, next_address(s)?, next_address(s)?];
    if announced == free {
        return Ok(());
    }
    // Not their numbers: they are others each time.
    Err(Failure::new("the ports in the order of the arguments", "another order"))
        .because("who starts a server reads its lines to learn where it is; a line each is easy to read")
}

fn first(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let [mut a, ..] = start(s)?;
    ask(&mut a, words.as_bytes())
        .because("getsockname(2): a socket knows its own port; the datagram says it in its header, too")?;
    a.expect_silence(ms(20))
}

fn every(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    start(s)?.iter_mut().try_for_each(|c| ask(c, words.as_bytes())).because(QUEUE)
}

/// The last port first, and each of them twice.
fn any_order(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut ports = start(s)?;
    for i in [2, 0, 0, 1, 2, 1] {
        ask(&mut ports[i], words.as_bytes()).because(QUEUE)?;
    }
    Ok(())
}

fn goes_on(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase(), s.phrase(), s.phrase(), s.phrase()];
    let [_, mut b, _] = start(s)?;
    for words in &words {
        ask(&mut b, words.as_bytes())
            .because("a thread that ends after one datagram leaves a port that nobody reads")?;
    }
    Ok(())
}

fn empty(s: &mut Scene) -> Outcome {
    let [_, mut b, _] = start(s)?;
    ask(&mut b, b"")
        .because("recv(2): datagrams of zero length are permitted; a return of 0 is the end of a stream only")
}

fn cuts(s: &mut Scene) -> Outcome {
    let long = s.octets(1500);
    let [mut a, ..] = start(s)?;
    a.send(&long)?;
    a.expect(&[format!("{}: ", a.peer().port()).as_bytes(), &long[..1024]].concat())
        .because("recv(2): of a datagram that does not fit the buffer, the rest is thrown away")
}

/// Looks for three free ports in a row. Not by the seed: another check may look for some at the same time.
fn range(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let low = free_range()?;
    s.start_with_arguments(&[format!("127.0.0.1:{low}-{}", low + 2)])?;
    let why = "a range has its last port, and none after it";
    let (second, third) = (next_address(s).because(why)?, next_address(s).because(why)?);
    let announced = [s.address()?.port(), second.port(), third.port()];
    if announced != [low, low + 1, low + 2] {
        return Err(Failure::new("every port of the range, in order", "others"));
    }
    for port in announced {
        ask(&mut s.datagrams_to(SocketAddr::from(([127, 0, 0, 1], port)))?, words.as_bytes())?;
    }
    s.expect_no_output(ms(20)).because(why)
}

fn free_range() -> Outcome<u16> {
    for _ in 0..100 {
        let low = fastrand::u16(20_000..30_000);
        let free = |port| std::net::UdpSocket::bind(("127.0.0.1", port));
        if let (Ok(_), Ok(_), Ok(_)) = (free(low), free(low + 1), free(low + 2)) {
            return Ok(low);
        }
    }
    Err(Failure::new("three free ports in a row", "none"))
}

fn all_or_none(s: &mut Scene) -> Outcome {
    let taken = s.upstream_udp()?;
    let address = taken.address().to_string();
    s.run_unseen(&["127.0.0.1:0", "127.0.0.1:0", &address])?;
    let why = "bind(2), EADDRINUSE: a server with a port less is a fault that shows when somebody needs that port";
    common::fails_with(s, &format!("listen udp://{address}: address already in use")).because(why)?;
    s.expect_output_end().because(why)
}

fn wrong_range(s: &mut Scene) -> Outcome {
    for (address, named) in [
        ("127.0.0.1:7063-7062", "the range ends before it begins"),
        ("127.0.0.1:7063-70620", "invalid port"),
        ("127.0.0.1:0-2", "invalid port"),
        ("127.0.0.1:1-60000", "60000 ports"),
    ] {
        s.run_with(&[address])?;
        common::expect_one_error(s, named)?;
    }
    Ok(())
}

fn stops(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let [mut a, _, mut c] = start(s)?;
    ask(&mut c, words.as_bytes())?;
    ask(&mut a, words.as_bytes())?;
    s.signal(Signal::SIGTERM)?;
    s.expect_exit(0, Duration::from_secs(2))
        .because("recv(2) in one thread does not notice a signal that another has taken: each must be told")
}

fn sums_up(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut ports = start(s)?;
    for i in [0, 2, 2] {
        ask(&mut ports[i], words.as_bytes())?;
    }
    s.signal(Signal::SIGTERM)?;
    s.expect_exit(0, Duration::from_secs(2))?;
    for (port, count) in ports.iter().zip(["1 datagram", "0 datagrams", "2 datagrams"]) {
        common::error_line_is(s, &format!("udp://{}: {count}", port.peer()))
            .because("a queue for each socket, a count for each: a port that nobody asks is seen here")?;
    }
    Ok(())
}
