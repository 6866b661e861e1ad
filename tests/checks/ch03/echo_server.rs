//! `echo_server`: RFC 862, a thread per connection.

use crate::checks::common;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;
use std::io::{Read, Write};
use std::net::TcpStream;

const RFC862: &str = "RFC 862: any data received is sent back to the originating source";

pub fn program() -> Program {
    Program::finished(3, "echo_server")
        .check("says_where_it_listens", "port 0 asks for any port, and the announce line tells which", announces)
        .check("sends_back_what_it_gets", "the octets that arrive go back, and nothing else", sends_back)
        .check("goes_on_after_one_read", "a connection is a stream: there may always be more to read", goes_on)
        .check("waits_for_no_line_end", "an echo knows no lines: octets go back as they come", no_lines)
        .check("keeps_every_octet_value", "every octet comes back as it was sent, text or not", every_octet)
        .check("carries_a_mebibyte", "there is no largest echo", mebibyte)
        .check(
            "answers_the_half_close",
            "a client that has finished sending still gets the rest, then a FIN",
            half_close,
        )
        .check("loses_nothing_to_a_slow_reader", "a slow reader gets everything, in its own time", slow_reader)
        .check(
            "serves_clients_side_by_side",
            "a silent client does not hold up the next",
            common::serves_clients_side_by_side,
        )
        .check("survives_a_reset", "a peer that resets ends its own connection and no other", common::survives_a_reset)
        .check("goes_on_after_a_stop", "a server that was stopped for a while serves those it had", stopped)
        .finished_only()
        .check(
            "serves_a_thousand_beside_a_stuck_one",
            "one reader that is stuck does not slow a thousand others",
            thousand,
        )
        .check("holds_ten_thousand_clients", "ten thousand clients may be connected at once", ten_thousand)
        .alone()
        .check("closes_an_idle_connection", "a connection on which nothing moves is closed after --idle", idle)
        .with(&["--idle", "200ms"])
        .check("traffic_keeps_a_connection_open", "every octet moves the idle limit on", pushed_on)
        .with(&["--idle", "400ms"])
        .check("refuses_beyond_the_limit", "connections beyond --max-connections are closed at once", refuses)
        .with(&["--max-connections", "2"])
        .check("a_leaver_makes_room", "a connection that ends gives its place back", leaver)
        .with(&["--max-connections", "2"])
        .check(
            "survives_without_descriptors",
            "running out of descriptors slows the server down and never ends it",
            descriptors,
        )
        .finished_only()
        .alone()
        .check("ends_on_sigterm", "SIGTERM ends an idle server", common::ends_on_sigterm)
        .check("ends_on_sigint", "Ctrl-C ends an idle server", common::ends_on_sigint)
        .check("accepts_nobody_after_sigterm", "after SIGTERM, new clients are refused", no_more)
        .check(
            "finishes_what_it_accepted",
            "after SIGTERM, a connection that was accepted is served to its end",
            finishes,
        )
        .check("names_a_bad_address", "a bad address is named in one line", common::names_a_bad_address)
        .finished_only()
        .check("names_a_port_in_use", "a port that is taken is named in one line", common::names_a_port_in_use)
        .finished_only()
}

fn announces(s: &mut Scene) -> Outcome {
    s.start()?;
    let address = s.address()?;
    if address.port() == 0 {
        return Err(Failure::new("the port that was given", "port 0"))
            .because("bind(2): port 0 asks for any free port; getsockname(2) tells which it became");
    }
    s.connect().map(drop)
}

fn sends_back(s: &mut Scene) -> Outcome {
    let line = format!("{}\r\n", s.phrase());
    let mut c = s.connect()?;
    c.send(line.as_bytes())?;
    c.expect(line.as_bytes()).because(RFC862)?;
    c.expect_no_more(ms(30)).because(RFC862)
}

/// In lock step: the second message leaves only when the first has come back.
fn goes_on(s: &mut Scene) -> Outcome {
    let lines = [format!("{}\r\n", s.phrase()), format!("{}\r\n", s.phrase()), format!("{}\r\n", s.phrase())];
    let mut c = s.connect()?;
    let why = "RFC 862: the echo continues until the calling user terminates the connection";
    for line in lines {
        c.send(line.as_bytes())?;
        c.expect(line.as_bytes()).because(why)?;
        c.expect_silence(ms(20)).because(why)?;
    }
    Ok(())
}

fn no_lines(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.connect()?;
    for part in words.as_bytes().chunks(5) {
        c.send(part)?;
        c.expect(part).because("RFC 9293 §3.8: TCP carries a stream of octets; lines are an agreement above it")?;
    }
    Ok(())
}

fn every_octet(s: &mut Scene) -> Outcome {
    let octets = s.every_octet();
    let mut c = s.connect()?;
    c.send(&octets)?;
    c.expect(&octets).because(RFC862)
}

fn mebibyte(s: &mut Scene) -> Outcome {
    let octets = s.octets(1 << 20);
    let mut c = s.connect()?;
    c.send_in_background(&octets)?;
    c.expect(&octets).because(RFC862)
}

/// Ctrl-Z and fg, with a client inside that says nothing meanwhile.
fn stopped(s: &mut Scene) -> Outcome {
    let words = s.octets(30);
    let mut c = s.connect()?;
    c.send(&words)?;
    c.expect(&words)?;
    // Now its thread waits in a read, or will before it stands.
    s.wait_until_still(PATIENCE)?;
    s.hold()?;
    s.release()?;
    c.expect_silence(ms(50))
        .because("signal(7): after SIGCONT, a read with a timeout fails with EINTR; the connection is as it was")?;
    let more = s.octets(30);
    c.send(&more)?;
    c.expect(&more)
}

fn half_close(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.connect()?;
    c.send(words.as_bytes())?;
    c.half_close()?;
    let why = "RFC 9293 §3.6: a FIN closes one direction; the other is still good for what is due";
    c.expect(words.as_bytes()).because(why)?;
    c.expect_close(Close::Fin).because(why)
}

fn slow_reader(s: &mut Scene) -> Outcome {
    let octets = s.octets(48 << 20);
    let mut c = s.connect_slow(1 << 16)?;
    let sent = c.send_until_full(&octets, ms(300));
    c.half_close()?;
    c.expect(&octets[..sent])
        .because("RFC 9293 §3.8.6: a full window makes the sender wait, for as long as it takes")?;
    c.expect_close(Close::Fin)
}

fn thousand(s: &mut Scene) -> Outcome {
    let (flood, words) = (s.octets(48 << 20), s.octets(8));
    let mut stuck = s.connect_slow(4096)?;
    stuck.send_until_full(&flood, ms(100));
    let crowd = s.crowd(1000)?;
    echo_all(s, &crowd, &words).because("what one connection waits for must hold up no other")?;
    stuck.reset()
}

fn ten_thousand(s: &mut Scene) -> Outcome {
    let allowed = netkata::sys::limits::raise_descriptors().unwrap_or(1024).saturating_sub(200);
    let clients = allowed.min(10_000) as usize;
    s.start()?;
    let crowd = s.crowd(clients)?;
    let words = s.octets(8);
    echo_all(s, &crowd, &words)
}

/// Each client gets its own octets back, the last that came first.
fn echo_all(s: &mut Scene, crowd: &[TcpStream], words: &[u8]) -> Outcome {
    s.journal.note(format!("each of {} clients sends {} octets", crowd.len(), words.len()));
    for (i, mut client) in crowd.iter().enumerate().rev() {
        let mut reply = vec![0; words.len()];
        let _ = client.set_read_timeout(Some(Duration::from_secs(10)));
        let answer = client.write_all(words).and_then(|()| client.read_exact(&mut reply));
        if let Err(e) = answer {
            let state = if netkata::error::is_timeout(&e) { "nothing for 10 s" } else { "the connection was closed" };
            let got = format!("client {} of {}: {state}", i + 1, crowd.len());
            return Err(Failure::new("every client to get its octets back", got));
        }
        if reply != words {
            return Err(Failure::octets(words, &reply, format!("client {} of {}", i + 1, crowd.len())));
        }
    }
    Ok(())
}

fn idle(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    c.expect_close(Close::Fin)
        .because("an idle connection costs a thread and a descriptor, and its peer may be long gone")
}

/// Five messages, each well within the limit, together well beyond it.
fn pushed_on(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.connect()?;
    for _ in 0..5 {
        c.expect_silence(ms(120)).because("the limit counts from the last octet, not from the first")?;
        c.send(words.as_bytes())?;
        c.expect(words.as_bytes()).because("the limit counts from the last octet, not from the first")?;
    }
    Ok(())
}

fn refuses(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut inside = [s.connect()?, s.connect()?];
    for c in &mut inside {
        c.send(words.as_bytes())?;
        c.expect(words.as_bytes())?;
    }
    s.connect()?
        .expect_close(Close::Fin)
        .because("a cap that is not enforced is no cap: threads and memory run out instead")
}

fn leaver(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    for _ in 0..5 {
        let why = "a place that is not given back is lost until the server is restarted";
        let mut c = s.connect()?;
        c.expect_silence(ms(20)).because(why)?;
        c.send(words.as_bytes())?;
        c.expect(words.as_bytes()).because(why)?;
        c.half_close()?;
        c.expect_close(Close::Fin)?;
    }
    Ok(())
}

/// Thirty-two descriptors, forty clients. Those inside are served, the processor is left alone, and when some leave
/// the others get in.
fn descriptors(s: &mut Scene) -> Outcome {
    let words = s.octets(8);
    s.limit_descriptors(32);
    s.start()?;
    let mut crowd = s.crowd(40)?;
    s.expect_error("accept: too many open files")?;
    let busy = s.processor_time(ms(300))?;
    if busy > ms(60) {
        return Err(Failure::new("the processor to be left alone", "a fifth of one is busy, for nothing"))
            .because("accept(2), EMFILE: the connection stays in the queue, so a loop without a pause spins");
    }
    let waiting = crowd.split_off(20);
    let why = "getrlimit(2): descriptors come back when a client leaves; a server that has ended does not";
    echo_all(s, &crowd, &words).because(why)?;
    drop(crowd);
    echo_all(s, &waiting, &words).because(why)
}

fn finishes(s: &mut Scene) -> Outcome {
    let (before, after) = (s.phrase(), s.phrase());
    let mut c = s.connect()?;
    c.send(before.as_bytes())?;
    c.expect(before.as_bytes())?;
    s.signal(Signal::SIGTERM)?;
    s.expect_refusal()?;
    let why = "a stop is no reason to break a promise: whoever was accepted is served";
    c.expect_silence(ms(100)).because(why)?;
    c.send(after.as_bytes())?;
    c.expect(after.as_bytes()).because(why)?;
    c.half_close()?;
    c.expect_close(Close::Fin)?;
    s.expect_exit(0, Duration::from_secs(2))
        .because("with its last connection gone, a stopping server has nothing to wait for")
}

fn no_more(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.connect()?;
    c.send(words.as_bytes())?;
    c.expect(words.as_bytes())?;
    s.signal(Signal::SIGTERM)?;
    s.expect_refusal().because(
        "listen(2): while the socket listens, the kernel completes handshakes for clients that nobody will serve",
    )?;
    drop(c);
    s.expect_exit(0, Duration::from_secs(2))
}
