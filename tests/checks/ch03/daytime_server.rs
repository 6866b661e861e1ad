//! `daytime_server`: RFC 867.

use crate::checks::common;
use crate::checks::daytime::{LINE, ONE_LINE, ZONES, expect_time, text};
use jiff::{Timestamp, tz::Offset};
use netkata_kit::prelude::*;

const RFC867: &str =
    "RFC 867: once a connection is established, the date and time is sent, without regard to the input";
pub fn program() -> Program {
    Program::finished(3, "daytime_server")
        .varies()
        .check("speaks_first", "whoever connects is told the time, without asking", speaks_first)
        .check("ends_the_line_with_cr_lf", "the line ends with CR LF", cr_lf)
        .check("sends_printable_ascii", "the line is printable ASCII, so that any terminal can show it", ascii)
        .check("closes_after_the_line", "after the line comes a FIN", closes)
        .check("tells_the_right_time", "the line has the form of RFC 867's example, and is right", right)
        .with(&["--zone", "UTC"])
        .check("looks_at_the_clock_each_time", "each client is told the time at which it came", each_time)
        .with(&["--zone", "UTC"])
        .check("knows_time_zones", "--zone tells the time of another place", zones)
        .check("survives_a_talker", "a client that talks gets its line and a FIN all the same", talker)
        .check("stops_listening_to_a_talker", "of what a client says, 1 MiB is read, and no more", flood)
        .check("serves_clients_side_by_side", "a client that stays does not hold up the next", side_by_side)
        .check("survives_a_reset", "a peer that resets ends its own connection and no other", reset)
        .check("names_an_unknown_zone", "a time zone that nobody knows is named, with status 2", unknown_zone)
        .finished_only()
        .check("ends_on_sigterm", "SIGTERM ends an idle server", common::ends_on_sigterm)
        .check("ends_on_sigint", "Ctrl-C ends an idle server", common::ends_on_sigint)
        .check("names_a_bad_address", "a bad address is named in one line", common::names_a_bad_address)
        .finished_only()
        .check("names_a_port_in_use", "a port that is taken is named in one line", common::names_a_port_in_use)
        .finished_only()
}

/// Any line end will do here: it has a check of its own.
fn speaks_first(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    let line = c.read_line(LINE).because(RFC867)?;
    c.expect_no_more(ms(20)).because(ONE_LINE)?;
    if line.len() < 10 {
        return Err(Failure::new("the date and the time", format!("{:?}", text(&line)))).because(RFC867);
    }
    Ok(())
}

fn cr_lf(s: &mut Scene) -> Outcome {
    let line = s.connect()?.read_line(LINE)?;
    let body = line.trim_ascii_end();
    if &line[body.len()..] == b"\r\n" {
        return Ok(());
    }
    Err(Failure::new("CR LF (0d 0a) at the end", netkata::hexdump::hex(&line[body.len()..], 4)))
        .because("RFC 854, RFC 5198 §2: a line ends with CR LF on the network, whatever ends it in a file")
}

fn ascii(s: &mut Scene) -> Outcome {
    let line = s.connect()?.read_line(LINE)?;
    let odd = line.trim_ascii_end().iter().find(|o| !(b' '..=b'~').contains(o));
    match odd {
        None => Ok(()),
        Some(octet) => Err(Failure::new("octets from 20 to 7e", format!("{octet:02x}"))).because(ONE_LINE),
    }
}

/// Sooner than any server would give up a client that stays.
fn closes(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    c.read_line(LINE)?;
    c.within(ms(1200))
        .expect_close(Close::Fin)
        .because("RFC 867: the service closes the connection after sending the quote; a client reads until then")
}

/// When the server looks at the clock is not asked here.
fn right(s: &mut Scene) -> Outcome {
    expect_time_since(Timestamp::now(), s, Offset::UTC, "UTC")
}

/// Connects, and expects the time from `first` until the line has come.
fn expect_time_since(first: Timestamp, s: &mut Scene, offset: Offset, zone: &str) -> Outcome {
    let first = first.as_second();
    let line = s.connect()?.read_line(LINE)?;
    expect_time(&line, first, offset, zone)
}

/// A second begins after the start of the server: there is no faster way to see whether it looks at the clock again.
fn each_time(s: &mut Scene) -> Outcome {
    const WHY: &str = "RFC 867: the current date and time, at each connection";
    s.start()?;
    let left = 1_000_000_000 - u64::from(Timestamp::now().subsec_nanosecond().unsigned_abs());
    std::thread::sleep(Duration::from_nanos(left) + ms(1));
    expect_time_since(Timestamp::now(), s, Offset::UTC, "UTC").because(WHY)
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
    let seconds = 3600 * hours + 60 * minutes;
    let offset = Offset::from_seconds(seconds).map_err(|e| Failure::new("an offset", e.to_string()))?;
    s.option("--zone", name);
    expect_time_since(Timestamp::now(), s, offset, short)
}

/// The server is stopped while the client's words arrive, so that they are there before it comes to close.
fn talker(s: &mut Scene) -> Outcome {
    let words = format!("{}\r\n", s.phrase());
    s.hold()?;
    let mut c = s.connect()?;
    c.send(words.as_bytes())?;
    s.release()?;
    c.read_line(LINE)?;
    c.expect_close(Close::Fin)
        .because("RFC 9293 §3.6.1: to close with octets unread is a reset, which may destroy the line on its way")?;
    c.send(words.as_bytes())?;
    c.expect_no_reset(ms(40)).because("RFC 9293 §3.6.1: octets that come after the close are answered with a reset")
}

fn flood(s: &mut Scene) -> Outcome {
    let octets = s.octets(1 << 16);
    let mut c = s.connect()?;
    c.read_line(LINE)?;
    c.expect_close(Close::Fin)?;
    c.within(ms(1200))
        .send_until_reset(&octets)
        .because("reading on is a courtesy, for the sake of a clean close; without a limit, a client could use it up")
}

fn side_by_side(s: &mut Scene) -> Outcome {
    let mut a = s.connect()?;
    a.read_line(LINE)?;
    let mut b = s.connect()?;
    b.within(ms(1200))
        .read_line(LINE)
        .because("accept(2) takes one connection at a time; serving must not keep it from the next")?;
    a.expect_close(Close::Fin)
}

fn reset(s: &mut Scene) -> Outcome {
    let mut a = s.connect()?;
    a.read_line(LINE)?;
    a.expect_close(Close::Fin)?;
    a.reset()?;
    let why = "RFC 9293 §3.5.3: a reset aborts its own connection";
    let mut b = s.connect()?;
    b.read_line(LINE).because(why)?;
    b.expect_close(Close::Fin).because(why)?;
    b.expect_no_reset(ms(80)).because(why)
}

fn unknown_zone(s: &mut Scene) -> Outcome {
    let name = format!("Atlantis/{}", s.rng.usize(100..999));
    s.run_with(&["127.0.0.1:0", "--zone", &name])?;
    let why = "a time of a place that was not asked for is wrong, and nobody would notice";
    s.expect_exit(2, Duration::from_secs(2)).because(why)?;
    s.expect_error(&name).because(why)
}
