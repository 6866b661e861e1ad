//! `time_server`: RFC 868, four octets and a close.

use crate::checks::common;
use netkata_kit::prelude::*;
use std::io::Read;
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

/// From 1900-01-01 to 1970-01-01, in seconds.
const EPOCHS_APART: u64 = 2_208_988_800;
const RFC868: &str = "RFC 868: the server returns a 32-bit time value and closes the connection";

pub fn program() -> Program {
    Program::exercise(3, "time_server")
        .check("speaks_first", "the server speaks first: nobody has to ask", speaks_first)
        .check("sends_four_octets", "the time is four octets, and nothing else", four_octets)
        .check("counts_from_1900", "the seconds are counted from 1900-01-01 00:00 UTC", from_1900)
        .check("sends_the_high_octet_first", "the most significant octet goes first", high_first)
        .check("tells_the_time_of_now", "without --at, the time is the clock's", of_now)
        .check("begins_again_in_2036", "after 2^32 - 1 comes 0", begins_again)
        .check("closes_when_it_has_spoken", "after its four octets the server closes its direction (FIN)", closes)
        .check("answers_a_client_that_talks", "a client that sends octets still gets the time, and no RST", talker)
        .check("lets_a_talker_go", "nobody is listened to for longer than --drain", lets_go)
        .with(&["--drain", "200ms"])
        .check("serves_clients_side_by_side", "a client that stays does not hold up the next", side_by_side)
        .check("ends_on_sigterm", "SIGTERM ends an idle server", common::ends_on_sigterm)
        .check("ends_on_sigint", "Ctrl-C ends an idle server", common::ends_on_sigint)
}

/// Sets the server's clock to some second in `range`, and returns what it should count: in full, not cut to 32 bits.
fn set_clock(s: &mut Scene, range: std::ops::Range<u32>) -> u64 {
    let at = s.rng.u32(range);
    s.option("--at", at);
    u64::from(at) + EPOCHS_APART
}

/// A clock between 2001 and 2033, and the four octets it should give.
fn set_common_clock(s: &mut Scene) -> [u8; 4] {
    let seconds = set_clock(s, 1_000_000_000..2_000_000_000);
    low_32_bits(seconds).to_be_bytes()
}

fn big_endian(octets: &[u8]) -> u32 {
    octets.iter().fold(0, |number, &octet| number << 8 | u32::from(octet))
}

fn low_32_bits(seconds: u64) -> u32 {
    (seconds % (1 << 32)) as u32
}

fn speaks_first(s: &mut Scene) -> Outcome {
    set_common_clock(s);
    let mut c = s.connect()?;
    let first = c.read_exactly(1);
    c.leave();
    first.map(drop).map_err(|f| Failure::new("four octets, unasked", f.got)).because(RFC868)
}

fn four_octets(s: &mut Scene) -> Outcome {
    set_common_clock(s);
    let mut c = s.connect()?;
    c.read_exactly(4).because(RFC868)?;
    c.expect_no_more(ms(30)).because(RFC868)
}

/// In either order of octets: that is the next check's affair.
fn from_1900(s: &mut Scene) -> Outcome {
    let right = set_common_clock(s);
    let got = s.connect()?.read_exactly(4)?;
    let number = u32::from_be_bytes(right);
    let is = |n: u32| got == n.to_be_bytes() || got == n.to_le_bytes();
    let why = if is(number) {
        return Ok(());
    } else if is(number.wrapping_sub(low_32_bits(EPOCHS_APART))) {
        "RFC 868 counts from 1900; this counts from 1970, where Unix begins, and is 2,208,988,800 too small"
    } else {
        "RFC 868: 2,208,988,800 corresponds to 00:00 1 Jan 1970 GMT"
    };
    Err(Failure::octets(&right, &got, format!("{}, not {number}", big_endian(&got)))).because(why)
}

fn high_first(s: &mut Scene) -> Outcome {
    let right = set_common_clock(s);
    s.connect()?
        .expect(&right)
        .because("RFC 1700, Data Notations: of a number in several octets, the most significant goes first")
}

/// Not written down in the journal: these octets are others each second.
fn of_now(s: &mut Scene) -> Outcome {
    let address = s.address()?;
    s.journal.note("a client reads four octets and compares them with its own clock");
    let mut octets = [0; 4];
    TcpStream::connect(address)
        .and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            stream.read_exact(&mut octets)
        })
        .map_err(|e| Failure::new("four octets", netkata::error::cause_text(&e)))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let apart = u32::from_be_bytes(octets).wrapping_sub(low_32_bits(now + EPOCHS_APART)).cast_signed();
    if apart.abs() <= 2 {
        return Ok(());
    }
    let seconds = apart.unsigned_abs();
    let size = match seconds / 86_400 {
        0 => netkata::human::duration(Duration::from_secs(u64::from((seconds + 5) / 10 * 10))),
        days => netkata::human::count(days as usize, "day"),
    };
    let way = if apart < 0 { "slow" } else { "fast" };
    Err(Failure::new("the time, give or take 2 s", format!("a clock that is {size} {way}")))
        .because("RFC 868: the time is the number of seconds since 00:00 1 January 1900 GMT, whatever the zone")
}

fn begins_again(s: &mut Scene) -> Outcome {
    let seconds = set_clock(s, 2_085_978_496..u32::MAX);
    let right = low_32_bits(seconds).to_be_bytes();
    s.connect()?.expect(&right).because("RFC 868: the time is a 32-bit number; on 2036-02-07 it begins again at 0")
}

fn closes(s: &mut Scene) -> Outcome {
    let right = set_common_clock(s);
    let mut c = s.connect()?;
    c.expect(&right)?;
    c.within(ms(1000)).expect_close(Close::Fin).because(RFC868)
}

/// What the client says is there before the server looks; then the client says more.
fn talker(s: &mut Scene) -> Outcome {
    let right = set_common_clock(s);
    let (first, second) = (s.phrase(), s.phrase());
    s.hold()?;
    let mut c = s.connect()?;
    c.send(first.as_bytes())?;
    s.release()?;
    let why = "RFC 9293 §3.6.1: a close while received octets are unread, or before more of them come, sends an RST";
    c.expect(&right).because(why)?;
    c.expect_close(Close::Fin).because(why)?;
    c.expect_no_reset(ms(30)).because(why)?;
    c.send(second.as_bytes()).because(why)?;
    c.expect_no_reset(ms(30)).because(why)
}

/// An octet each 50 ms, for five times as long as the server should listen.
fn lets_go(s: &mut Scene) -> Outcome {
    let right = set_common_clock(s);
    let mut c = s.connect()?;
    c.expect(&right)?;
    c.expect_close(Close::Fin)?;
    for _ in 0..20 {
        if c.send(b".").is_err() || c.expect_no_reset(ms(50)).is_err() {
            return Ok(());
        }
    }
    Err(Failure::new("the program to let go of a client that talks and talks", "it still listens after 1 s"))
        .because("socket(7): SO_RCVTIMEO limits each read anew; a client that drips octets needs a deadline")
}

fn side_by_side(s: &mut Scene) -> Outcome {
    let right = set_common_clock(s);
    let mut a = s.connect()?;
    a.expect(&right)?;
    a.expect_close(Close::Fin)?;
    let mut b = s.connect()?;
    let why = "accept(2) takes one connection at a time; serving must not keep it from the next";
    b.within(ms(1000)).expect(&right).because(why)?;
    b.expect_close(Close::Fin)
}
