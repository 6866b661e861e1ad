//! `udp_daytime_server`: RFC 867 in datagrams.

use crate::checks::common;
use crate::checks::daytime::{LINE, ONE_LINE, ZONES, expect_time, text};
use jiff::{Timestamp, tz::Offset};
use netkata_kit::datagram::Datagrams;
use netkata_kit::prelude::*;
use std::net::{Ipv4Addr, SocketAddr};

const RFC867: &str =
    "RFC 867: when a datagram is received, an answering datagram is sent containing the current date and time";
const MIRROR: &str =
    "a source address is a claim: two servers that answer everything talk for ever about one forged datagram";

pub fn program() -> Program {
    Program::finished(5, "udp_daytime_server")
        .varies()
        .check("answers_a_datagram", "any datagram asks for the time", answers)
        .check("answers_an_empty_datagram", "a datagram without data asks, too", answers_empty)
        .check("answers_the_longest_datagram", "a datagram of 65,507 octets asks, too", answers_long)
        .check("sends_one_datagram", "the answer is one line, in one datagram", one_datagram)
        .check("ends_the_line_with_cr_lf", "the line ends with CR LF", cr_lf)
        .check("sends_printable_ascii", "the line is printable ASCII, so that any terminal can show it", ascii)
        .check("tells_the_right_time", "the line has the form of RFC 867's example, and is right", right)
        .with(&["--zone", "UTC"])
        .check("looks_at_the_clock_each_time", "each question is told the time at which it came", each_time)
        .with(&["--zone", "UTC"])
        .check("knows_time_zones", "--zone tells the time of another place", zones)
        .check("answers_the_sender", "the answer goes to the one who asked, and to nobody else", sender)
        .check("answers_from_where_it_was_asked", "on the wildcard, the address that was asked answers", from_there)
        .check("is_no_mirror", "a question from a port like its own is not answered", mirror)
        .check("answers_no_more_than_its_rate", "a host gets --rate answers in a second", rate)
        .with(&["--rate", "3"])
        .check("names_an_unknown_zone", "a time zone that nobody knows is named, with status 2", unknown_zone)
        .finished_only()
        .check("ends_on_sigterm", "SIGTERM ends an idle server", common::ends_on_sigterm)
        .check("ends_on_sigint", "Ctrl-C ends an idle server", common::ends_on_sigint)
        .check("names_a_bad_address", "a bad address is named in one line", common::names_a_bad_address)
        .finished_only()
        .check("names_a_port_in_use", "a port that is taken is named in one line", common::names_a_udp_port_in_use)
        .finished_only()
}

/// Asks with these octets, and gives the answer.
fn asked(s: &mut Scene, question: &[u8]) -> Outcome<Vec<u8>> {
    let mut c = s.datagrams()?;
    c.send(question)?;
    c.receive()
}

/// As [`Datagrams::expect_silence`], without the time of day in what it says.
fn nothing_more(c: &mut Datagrams, time: Duration) -> Outcome {
    c.expect_silence(time).map_err(|failure| Failure::new(failure.expected_words(), "a datagram"))
}

/// Any line end will do here: it has a check of its own.
fn expect_answer(answer: &[u8]) -> Outcome {
    if answer.len() >= 10 {
        return Ok(());
    }
    Err(Failure::new("the date and the time", format!("{:?}", text(answer)))).because(RFC867)
}

fn answers(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    expect_answer(&asked(s, words.as_bytes()).because(RFC867)?)
}

fn answers_empty(s: &mut Scene) -> Outcome {
    let answer =
        asked(s, b"").because("recv(2): zero octets are no end here: a datagram without data is a datagram")?;
    expect_answer(&answer)
}

/// A question that is longer than any buffer of the server, and then another.
fn answers_long(s: &mut Scene) -> Outcome {
    let why = "recv(2): what does not fit the buffer is thrown away; RFC 867: the data in the question is ignored";
    let octets = s.octets(65_507);
    let mut c = s.datagrams()?;
    for question in [&octets[..], b"\n"] {
        c.send(question)?;
        expect_answer(&c.receive().because(why)?)?;
    }
    Ok(())
}

fn one_datagram(s: &mut Scene) -> Outcome {
    let mut c = s.datagrams()?;
    c.send(b"\n")?;
    let answer = c.receive()?;
    nothing_more(&mut c, ms(40)).because(ONE_LINE)?;
    match answer.iter().filter(|o| **o == b'\n').count() {
        1 if answer.ends_with(b"\n") && answer.len() <= LINE => Ok(()),
        n => Err(Failure::new("one line", format!("{n} line ends, {} octets", answer.len()))).because(ONE_LINE),
    }
}

fn cr_lf(s: &mut Scene) -> Outcome {
    let line = asked(s, b"\n")?;
    let body = line.trim_ascii_end();
    if &line[body.len()..] == b"\r\n" {
        return Ok(());
    }
    Err(Failure::new("CR LF (0d 0a) at the end", netkata::hexdump::hex(&line[body.len()..], 4)))
        .because("RFC 854, RFC 5198 §2: a line ends with CR LF on the network, whatever ends it in a file")
}

fn ascii(s: &mut Scene) -> Outcome {
    let line = asked(s, b"\n")?;
    match line.trim_ascii_end().iter().find(|o| !(b' '..=b'~').contains(o)) {
        None => Ok(()),
        Some(octet) => Err(Failure::new("octets from 20 to 7e", format!("{octet:02x}"))).because(ONE_LINE),
    }
}

fn expect_time_since(first: Timestamp, s: &mut Scene, offset: Offset, zone: &str) -> Outcome {
    let line = asked(s, b"\n")?;
    expect_time(&line, first.as_second(), offset, zone)
}

fn right(s: &mut Scene) -> Outcome {
    s.start()?;
    expect_time_since(Timestamp::now(), s, Offset::UTC, "UTC")
}

/// A second begins after the start of the server: there is no faster way to see whether it looks at the clock again.
fn each_time(s: &mut Scene) -> Outcome {
    s.start()?;
    let left = 1_000_000_000 - u64::from(Timestamp::now().subsec_nanosecond().unsigned_abs());
    std::thread::sleep(Duration::from_nanos(left) + ms(1));
    expect_time_since(Timestamp::now(), s, Offset::UTC, "UTC").because("RFC 867: the current date and time")
}

/// A machine may have no time zones installed; then the program has to say that it does not know them.
fn zones(s: &mut Scene) -> Outcome {
    let (name, hours, minutes, short) = ZONES[s.rng.usize(..ZONES.len())];
    if jiff::tz::TimeZone::get(name).is_err() {
        s.run_with(&["127.0.0.1:0", "--zone", name])?;
        s.journal.note("this machine has no time zone database");
        s.expect_exit(2, Duration::from_secs(2))?;
        return s.expect_error(name);
    }
    let offset = Offset::from_seconds(3600 * hours + 60 * minutes);
    let offset = offset.map_err(|e| Failure::new("an offset", e.to_string()))?;
    s.option("--zone", name);
    s.start()?;
    expect_time_since(Timestamp::now(), s, offset, short)
}

/// Two clients, and the second asks first.
fn sender(s: &mut Scene) -> Outcome {
    let why = "recvfrom(2): every datagram brings its sender's address; there is nobody else to answer";
    let (mut a, mut b) = (s.datagrams()?, s.datagrams()?);
    b.send(b"\n")?;
    b.receive().because(why)?;
    a.send(b"\n")?;
    a.receive().because(why)?;
    nothing_more(&mut b, ms(40)).because(why)
}

/// Two addresses of loopback. Elsewhere than on Linux, the second must be set up first.
fn from_there(s: &mut Scene) -> Outcome {
    s.start_on("0.0.0.0:0")?;
    let port = s.address()?.port();
    for last in [2, 1] {
        let mut c = s.datagrams_to(SocketAddr::from(([127, 0, 0, last], port)))?;
        c.send(b"\n")?;
        c.receive()
            .because("RFC 1122 §4.1.3.5: a response should come from the address that the request was sent to")?;
    }
    Ok(())
}

/// From 127.0.0.2, and the port that the server has at 127.0.0.1. Not every system has that address.
fn mirror(s: &mut Scene) -> Outcome {
    let server = s.address()?;
    let twin = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), server.port()));
    let Ok(mut twin) = s.datagrams_between(twin, server) else {
        s.journal.note("this machine has no 127.0.0.2 with that port");
        return Ok(());
    };
    twin.send(b"\n")?;
    nothing_more(&mut twin, ms(100)).because(MIRROR)?;
    expect_answer(&asked(s, b"\n")?)
}

/// All five are there when the server looks; a second later, it answers again.
fn rate(s: &mut Scene) -> Outcome {
    let why = "the question may be forged, and the answer is longer: what a server sends to one host needs a limit";
    s.hold()?;
    let mut c = s.datagrams()?;
    for _ in 0..5 {
        c.send(b"\n")?;
    }
    s.release()?;
    for _ in 0..3 {
        expect_answer(&c.receive()?)?;
    }
    nothing_more(&mut c, ms(1050)).because(why)?;
    expect_answer(&asked(s, b"\n").because("a limit for each second begins anew with the next")?)
}

fn unknown_zone(s: &mut Scene) -> Outcome {
    let name = format!("Atlantis/{}", s.rng.usize(100..999));
    s.run_with(&["127.0.0.1:0", "--zone", &name])?;
    let why = "a time of a place that was not asked for is wrong, and nobody would notice";
    s.expect_exit(2, Duration::from_secs(2)).because(why)?;
    s.expect_error(&name).because(why)
}
