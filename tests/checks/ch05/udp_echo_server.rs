//! `udp_echo_server`: RFC 862 over UDP.

use crate::checks::common;
use netkata_kit::datagram::Datagrams;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

const RFC862: &str = "RFC 862: when a datagram is received, the data from it is sent back in an answering datagram";
const BOUNDS: &str = "udp(7): a receive returns one datagram, whole; UDP keeps their bounds, as TCP does not";

pub fn program() -> Program {
    Program::finished(5, "udp_echo_server")
        .check("sends_back_what_it_gets", "a datagram comes back to its sender, to the octet", sends_back)
        .check("goes_on_after_one_datagram", "the next datagram is echoed, too", goes_on)
        .check("forgets_the_last_datagram", "a short datagram after a long one brings nothing of it back", forgets)
        .check("echoes_an_empty_datagram", "a datagram of no octets is echoed, and is no end", empty)
        .check("keeps_datagrams_apart", "what came as three datagrams goes back as three", apart)
        .check("keeps_every_octet_value", "every octet comes back as it was sent, text or not", every_octet)
        .check("answers_each_sender", "senders who speak in turns each get their own", each_sender)
        .check("survives_a_sender_that_left", "an echo that is refused is no reason to end", leaver)
        .check("cuts_what_does_not_fit", "of a datagram that is longer than --buffer, so many octets are echoed", cuts)
        .with(&["--buffer", "700"])
        .check("says_what_was_cut", "a cut is logged: who sent how much, and what is left", says_cut)
        .with(&["--buffer", "1000"])
        .check("carries_the_longest_payload", "65,507 octets go there and back in one datagram", longest)
        .with(&["--buffer", "65535"])
        .check("answers_from_where_it_was_asked", "on the wildcard, the address that was asked answers", asked)
        .check("stops_at_no_word", "unless it is asked to, nothing that a stranger sends ends the server", no_word)
        .check("stops_at_the_stop_word", "with --stop-word, that word is echoed and ends the server", stop_word)
        .with(&["--stop-word", "Feierabend"])
        .check("stops_at_the_whole_word", "more than the stop word is not the stop word", whole_word)
        .with(&["--stop-word", "Feierabend"])
        .check("ends_while_somebody_talks", "SIGTERM ends it at once, whatever still comes", traffic)
        .check("sums_up", "at its end it says how much came: datagrams, octets, cuts", sums_up)
        .with(&["--buffer", "100"])
        .check("ends_on_sigterm", "SIGTERM ends an idle server", common::ends_on_sigterm)
        .check("ends_on_sigint", "Ctrl-C ends an idle server", common::ends_on_sigint)
        .check("names_a_bad_address", "a bad address is named in one line", common::names_a_bad_address)
        .finished_only()
        .check("names_a_port_in_use", "a port that is taken is named in one line", common::names_a_udp_port_in_use)
        .finished_only()
}

/// There and back.
fn echo(c: &mut Datagrams, octets: &[u8]) -> Outcome {
    c.send(octets)?;
    c.expect(octets)
}

fn sends_back(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.datagrams()?;
    echo(&mut c, words.as_bytes()).because(RFC862)?;
    c.expect_silence(ms(30)).because(RFC862)
}

fn goes_on(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.datagrams()?;
    for _ in 0..3 {
        echo(&mut c, words.as_bytes())
            .because("there is no connection that could end: the next datagram may be anybody's")?;
    }
    Ok(())
}

fn forgets(s: &mut Scene) -> Outcome {
    let (long, short) = (format!("{}, {}", s.phrase(), s.phrase()), s.phrase());
    let mut c = s.datagrams()?;
    echo(&mut c, long.as_bytes())?;
    echo(&mut c, short.as_bytes())
        .because("recv(2) returns the datagram's length: behind it, the buffer has what came before")
}

fn empty(s: &mut Scene) -> Outcome {
    const WHY: &str = "recv(2): datagrams of zero length are permitted; a return of 0 is the end of a stream only";
    let words = s.phrase();
    let mut c = s.datagrams()?;
    echo(&mut c, b"").because(WHY)?;
    echo(&mut c, words.as_bytes()).because(WHY)
}

/// All three are in the receive buffer when the server looks.
fn apart(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase(), s.phrase()];
    s.hold()?;
    let mut c = s.datagrams()?;
    words.iter().try_for_each(|words| c.send(words.as_bytes()))?;
    s.release()?;
    words.iter().try_for_each(|words| c.expect(words.as_bytes())).because(BOUNDS)?;
    c.expect_silence(ms(30)).because(BOUNDS)
}

fn every_octet(s: &mut Scene) -> Outcome {
    let octets = s.every_octet();
    echo(&mut s.datagrams()?, &octets).because(RFC862)
}

fn each_sender(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase(), s.phrase(), s.phrase()];
    let mut ships = [s.datagrams()?, s.datagrams()?];
    let why = "recvfrom(2) tells who sent each datagram; the last one says nothing about the next";
    for (i, words) in words.iter().enumerate() {
        echo(&mut ships[i % 2], words.as_bytes()).because(why)?;
    }
    ships.iter_mut().try_for_each(|ship| ship.expect_silence(ms(20))).because(why)
}

/// Who asks has closed when the echo comes: the host refuses it.
fn leaver(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    s.hold()?;
    for _ in 0..3 {
        s.datagrams()?.send(words.as_bytes())?;
    }
    let mut c = s.datagrams()?;
    c.send(words.as_bytes())?;
    s.release()?;
    let why = "udp(7): an error may be about an earlier datagram; the socket is as good as before";
    c.expect(words.as_bytes()).because(why)?;
    echo(&mut c, words.as_bytes()).because(why)
}

fn cuts(s: &mut Scene) -> Outcome {
    let more = s.rng.usize(1..500);
    let (long, fitting) = (s.octets(700 + more), s.octets(700));
    let why =
        "recv(2): of a datagram that does not fit the buffer, the rest is thrown away; it is not the next datagram";
    let mut c = s.datagrams()?;
    c.send(&long)?;
    c.expect(&long[..700]).because(why)?;
    c.expect_silence(ms(20)).because(why)?;
    echo(&mut c, &fitting).because(why)
}

/// The line names who sent the long one. One that fills the buffer was not cut.
fn says_cut(s: &mut Scene) -> Outcome {
    let (fitting, long) = (s.octets(1000), s.octets(1234));
    let mut c = s.datagrams()?;
    echo(&mut c, &fitting)?;
    c.send(&long)?;
    c.expect(&long[..1000])?;
    let line = format!("{}: 1,234 octets, cut to 1,000", c.address()?);
    common::error_line_is(s, &line)
        .because("recv(2), MSG_TRUNC: the kernel cuts in silence, and tells the true length only who asks")
}

fn longest(s: &mut Scene) -> Outcome {
    let octets = s.octets(65_507);
    echo(&mut s.datagrams()?, &octets)
        .because("RFC 768: the length has 16 bits, for 8 octets of header and the payload; IPv4's own 20 leave 65,507")
}

/// A second address of loopback. Elsewhere than on Linux it must be set up first.
fn asked(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    s.start_on("0.0.0.0:0")?;
    let port = s.address()?.port();
    for last in [2, 1] {
        let mut c = s.datagrams_to(SocketAddr::from(([127, 0, 0, last], port)))?;
        echo(&mut c, words.as_bytes())
            .because("RFC 1122 §4.1.3.5: a response should come from the address that the request was sent to")?;
    }
    Ok(())
}

fn no_word(s: &mut Scene) -> Outcome {
    let mut c = s.datagrams()?;
    for words in ["STOP", "STOP\n", "quit", ""] {
        echo(&mut c, words.as_bytes()).because("whoever reaches the port could end the server: for everybody")?;
    }
    Ok(())
}

fn stop_word(s: &mut Scene) -> Outcome {
    for end in ["", "\n", "\r\n"] {
        s.start()?;
        echo(&mut s.datagrams()?, format!("Feierabend{end}").as_bytes())
            .because("no FIN tells a sender that its datagram has arrived: only an answer does")?;
        s.expect_exit(0, Duration::from_secs(2)).because("--stop-word: a datagram of this word ends the server")?;
    }
    Ok(())
}

fn whole_word(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.datagrams()?;
    for words in ["Feierabend!", "Feier", "feierabend", " Feierabend", "Feierabend\n\n", words.as_str()] {
        echo(&mut c, words.as_bytes())
            .because("a datagram is the whole message: what has other octets is another one")?;
    }
    Ok(())
}

/// A datagram each 10 ms, for as long as the server is there.
fn traffic(s: &mut Scene) -> Outcome {
    let (server, words) = (s.address()?, s.octets(10));
    echo(&mut s.datagrams()?, &words)?;
    let ship = netkata::datagram::connect_one(server).map_err(|e| Failure::new("a socket", e.to_string()))?;
    s.journal.note("somebody sends a datagram each 10 ms");
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Relaxed) {
                // Refused, as soon as the server has gone.
                let _ = ship.send(&words);
                thread::sleep(ms(10));
            }
        });
        let outcome = s.signal(Signal::SIGTERM).and_then(|()| s.expect_exit(0, Duration::from_secs(2)));
        ended.store(true, Relaxed);
        outcome.because("nobody is owed an echo: a stop that waits for silence waits as long as somebody talks")
    })
}

fn sums_up(s: &mut Scene) -> Outcome {
    let sent = [s.octets(30), s.octets(170), s.octets(0)];
    let mut c = s.datagrams()?;
    for octets in &sent {
        c.send(octets)?;
        c.expect(&octets[..octets.len().min(100)])?;
    }
    s.expect_error(": 170 octets, cut to 100\n")?;
    s.signal(Signal::SIGTERM)?;
    s.expect_exit(0, Duration::from_secs(2))?;
    common::error_line_is(s, "stopping: 3 datagrams, 130 octets, 1 cut")
        .because("nobody sees a datagram that was lost: what was counted on both sides is all there is to compare")
}
