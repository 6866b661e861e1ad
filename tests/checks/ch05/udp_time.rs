//! `udp_time`: RFC 868 over UDP, and what is no question.

use crate::checks::common;
use netkata_kit::prelude::*;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

/// From 1900-01-01 to 1970-01-01, in seconds.
const EPOCHS_APART: u64 = 2_208_988_800;
const RFC868: &str = "RFC 868: the server receives the datagram and sends one with the time as a 32-bit number";
const LOOP: &str =
    "CVE-1999-0103: two services that answer whatever comes can be set on each other, by one false sender";

pub fn program() -> Program {
    Program::exercise(5, "udp_time")
        .check("says_nothing_unasked", "the client speaks first, and it gets one answer to each question", unasked)
        .check("sends_four_octets", "the time is four octets, in one datagram", four_octets)
        .check("answers_an_empty_datagram", "an empty datagram asks, as any other", empty)
        .check("counts_from_1900", "the seconds are counted from 1900-01-01 00:00 UTC, the high octet first", from_1900)
        .check("tells_the_time_of_now", "without --at, the time is the clock's", of_now)
        .check("begins_again_in_2036", "after 2^32 - 1 comes 0", begins_again)
        .check("answers_a_long_question", "a question may have any length but one, also more than the buffer", long)
        .check("answers_each_sender", "who asks gets the answer, and nobody else", each_sender)
        .check("answers_no_answer", "a datagram of four octets is not answered", no_answer)
        .check("leaves_services_alone", "a datagram from a port in --services is not answered", services)
        .check("leaves_its_own_kind_alone", "a datagram from a port with its own number is not answered", own_kind)
        .check("survives_a_sender_that_left", "an answer that is refused is no reason to end", leaver)
        .check("answers_from_where_it_was_asked", "on the wildcard, the address that was asked answers", asked)
        .check("ends_on_sigterm", "SIGTERM ends an idle server", common::ends_on_sigterm)
        .check("ends_on_sigint", "Ctrl-C ends an idle server", common::ends_on_sigint)
}

/// Sets the server's clock to some second in `range`, and returns the four octets that it should give.
fn set_clock(s: &mut Scene, range: std::ops::Range<u32>) -> [u8; 4] {
    let at = s.rng.u32(range);
    s.option("--at", at);
    low_32_bits(u64::from(at) + EPOCHS_APART).to_be_bytes()
}

/// A clock between 2001 and 2033.
fn set_common_clock(s: &mut Scene) -> [u8; 4] {
    set_clock(s, 1_000_000_000..2_000_000_000)
}

fn low_32_bits(seconds: u64) -> u32 {
    (seconds % (1 << 32)) as u32
}

/// A question: shorter than an answer, so that nothing of it is cut.
fn question(s: &mut Scene) -> Vec<u8> {
    let length = s.rng.usize(1..4);
    s.octets(length)
}

fn unasked(s: &mut Scene) -> Outcome {
    set_common_clock(s);
    let question = question(s);
    let mut c = s.datagrams()?;
    c.expect_silence(ms(20)).because(RFC868)?;
    for _ in 0..2 {
        c.send(&question)?;
        c.receive().because(RFC868)?;
        c.expect_silence(ms(20)).because(RFC868)?;
    }
    Ok(())
}

fn four_octets(s: &mut Scene) -> Outcome {
    set_common_clock(s);
    let question = question(s);
    let mut c = s.datagrams()?;
    c.send(&question)?;
    match c.receive()?.len() {
        4 => Ok(()),
        n => Err(Failure::new("four octets", netkata::human::count(n, "octet"))),
    }
    .because(RFC868)
}

fn empty(s: &mut Scene) -> Outcome {
    set_common_clock(s);
    let mut c = s.datagrams()?;
    c.send(b"")?;
    c.receive()
        .map(drop)
        .because("RFC 868: the user sends an empty datagram to the port; recv(2): 0 octets are no end here")
}

fn from_1900(s: &mut Scene) -> Outcome {
    let right = set_common_clock(s);
    let question = question(s);
    let mut c = s.datagrams()?;
    c.send(&question)?;
    c.expect(&right).because("RFC 868: 2,208,988,800 corresponds to 00:00 1 Jan 1970 GMT; the high octet goes first")
}

/// Not written down in the journal: these octets are others each second.
fn of_now(s: &mut Scene) -> Outcome {
    let address = s.address()?;
    s.journal.note("a client asks, and compares the answer with its own clock");
    let mut octets = [0; 4];
    netkata::datagram::connect_one(address)
        .and_then(|socket| {
            socket.set_read_timeout(Some(Duration::from_secs(2)))?;
            socket.send(b"")?;
            socket.recv(&mut octets)
        })
        .map_err(|e| Failure::new("four octets", netkata::error::cause_text(&e)))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let apart = u32::from_be_bytes(octets).wrapping_sub(low_32_bits(now + EPOCHS_APART)).cast_signed();
    if apart.abs() <= 2 {
        return Ok(());
    }
    Err(Failure::new(
        "the time, give or take 2 s",
        if apart < 0 { "a clock that is slow" } else { "a clock that is fast" },
    ))
    .because("RFC 868: the time is the number of seconds since 00:00 1 January 1900 GMT, whatever the zone")
}

fn begins_again(s: &mut Scene) -> Outcome {
    let right = set_clock(s, 2_085_978_496..u32::MAX);
    let mut c = s.datagrams()?;
    c.send(b"")?;
    c.expect(&right).because("RFC 868: the time is a 32-bit number; on 2036-02-07 it begins again at 0")
}

fn long(s: &mut Scene) -> Outcome {
    let right = set_common_clock(s);
    let mut c = s.datagrams()?;
    for length in [3, 5, 1000] {
        let question = s.octets(length);
        c.send(&question)?;
        c.expect(&right).because(
            "recv(2): of what does not fit the buffer the rest is lost; how much there was is another number",
        )?;
    }
    Ok(())
}

fn each_sender(s: &mut Scene) -> Outcome {
    let right = set_common_clock(s);
    let mut ships = [s.datagrams()?, s.datagrams()?];
    let why = "recvfrom(2) tells who sent each datagram; the last one says nothing about the next";
    for i in 0..4 {
        ships[i % 2].send(b"")?;
        ships[i % 2].expect(&right).because(why)?;
    }
    ships.iter_mut().try_for_each(|ship| ship.expect_silence(ms(20))).because(why)
}

/// An echo server, as it were: the answer goes back to where it came from.
fn no_answer(s: &mut Scene) -> Outcome {
    let right = set_common_clock(s);
    let other = s.octets(4);
    let mut c = s.datagrams()?;
    c.send(b"")?;
    c.expect(&right)?;
    for octets in [&right[..], &other] {
        c.send(octets)?;
        c.expect_silence(ms(40)).because(LOOP)?;
    }
    Ok(())
}

/// Of two ports that were free, one is a service's and the other is a client's.
fn services(s: &mut Scene) -> Outcome {
    let right = set_common_clock(s);
    let free = s.upstream_udp()?.address();
    s.option("--services", free.port());
    let (server, question) = (s.address()?, question(s));
    let mut service = s.datagrams_between(free, server)?;
    service.send(&question)?;
    service.expect_silence(ms(40)).because(LOOP)?;
    let mut client = s.datagrams()?;
    client.send(b"")?;
    client.expect(&right)
}

/// A second address of loopback has the same port number. Elsewhere than on Linux it must be set up first.
fn own_kind(s: &mut Scene) -> Outcome {
    let right = set_common_clock(s);
    let (server, question) = (s.address()?, question(s));
    let mut kin = s.datagrams_between(SocketAddr::from(([127, 0, 0, 2], server.port())), server)?;
    kin.send(&question)?;
    kin.expect_silence(ms(40)).because(LOOP)?;
    let mut client = s.datagrams()?;
    client.send(b"")?;
    client.expect(&right)
}

/// Who asks has closed when the answer comes: the host refuses it.
fn leaver(s: &mut Scene) -> Outcome {
    let right = set_common_clock(s);
    s.start()?;
    s.hold()?;
    for _ in 0..3 {
        s.datagrams()?.send(b"")?;
    }
    s.release()?;
    let mut c = s.datagrams()?;
    for _ in 0..2 {
        c.send(b"")?;
        c.expect(&right)
            .because("udp(7): an error may be about an earlier datagram; the socket is as good as before")?;
    }
    Ok(())
}

fn asked(s: &mut Scene) -> Outcome {
    let right = set_common_clock(s);
    s.start_on("0.0.0.0:0")?;
    let port = s.address()?.port();
    let mut c = s.datagrams_to(SocketAddr::from(([127, 0, 0, 2], port)))?;
    c.send(b"")?;
    c.expect(&right).because("RFC 1122 §4.1.3.5: a response should come from the address that the request was sent to")
}
