//! `chargen_server`: RFC 864, to clients that leave, stall and talk.

use crate::checks::common;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;
use std::io::Read;
use std::net::TcpStream;

const PATTERN: &str = "RFC 864: put characters (0+N mod 95) through (71+N mod 95) on line N; end it with CR LF";
const WIDTH: usize = 72;
/// Growth of memory that needs no explanation.
const MEMORY: u64 = 8 << 20;

pub fn program() -> Program {
    Program::exercise(3, "chargen_server")
        .check("speaks_first", "the server speaks first: nobody has to ask", speaks_first)
        .check("begins_with_the_space", "line 0 is the first 72 printing characters, from the space on", line_0)
        .check("ends_lines_with_cr_lf", "after 72 characters come CR and LF", cr_lf)
        .check("moves_on_by_one", "each line begins one character further on than the line before", moves_on)
        .check("goes_round_the_ring", "after ~ comes the space again: 95 characters in a ring", ring)
        .check("survives_clients_that_leave", "a client that leaves ends its own connection and no other", leaves)
        .check("a_leaver_makes_room", "a client that leaves gives its place back", makes_room)
        .with(&["--max-connections", "1"])
        .check("ignores_what_it_is_sent", "what a client sends changes nothing", ignores)
        .check("goes_on_after_a_half_close", "a client that only reads may close its own direction", half_close)
        .check("keeps_no_lines_for_a_stuck_reader", "lines that nobody takes are not made", memory)
        .check("a_stuck_reader_blocks_only_itself", "a client that does not read holds up no other", stuck)
        .check("waits_for_a_slow_reader", "a client that takes something within --stall is served on", slow)
        .with(&["--stall", "500ms"])
        .check("drops_a_stuck_reader", "a client that takes nothing for --stall is dropped", dropped)
        .with(&["--stall", "100ms", "--max-connections", "1"])
        .check("stops_after_a_whole_line", "after SIGTERM, a stream ends with a whole line and a FIN", stops)
        .check("ends_on_sigterm", "SIGTERM ends an idle server", common::ends_on_sigterm)
        .check("ends_on_sigint", "Ctrl-C ends an idle server", common::ends_on_sigint)
}

/// The pattern of RFC 864.
fn lines(range: std::ops::Range<usize>) -> Vec<u8> {
    let line = |n: usize| (n..n + WIDTH).map(|i| b' ' + (i % 95) as u8).chain(*b"\r\n");
    range.flat_map(line).collect()
}

fn speaks_first(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    let first = c.read_exactly(1);
    s.keep(c);
    first
        .map(drop)
        .map_err(|f| Failure::new("a line, unasked", f.got))
        .because("RFC 864: once a connection is established a stream of data is sent out the connection")
}

fn line_0(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    c.expect(&lines(0..1)[..WIDTH]).because(PATTERN)?;
    s.keep(c);
    Ok(())
}

fn cr_lf(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    c.expect(&lines(0..1)).because(PATTERN)?;
    s.keep(c);
    Ok(())
}

fn moves_on(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    c.expect(&lines(0..1))?;
    c.expect(&lines(1..2)).because(PATTERN)?;
    c.expect(&lines(2..3)).because(PATTERN)?;
    s.keep(c);
    Ok(())
}

/// Twice round.
fn ring(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    c.expect(&lines(0..200)).because(PATTERN)?;
    s.keep(c);
    Ok(())
}

/// One leaves by RST, one with lines unread, and a third is served.
fn leaves(s: &mut Scene) -> Outcome {
    let mut a = s.connect()?;
    a.expect(&lines(0..3))?;
    a.reset()?;
    let mut b = s.connect()?;
    b.expect(&lines(0..3))?;
    b.leave();
    let mut c = s.connect()?;
    c.expect(&lines(0..100))
        .because("RFC 864: the service continues until the calling user terminates the connection")?;
    s.keep(c);
    // A thread that panics takes a moment to say so.
    s.wait_until_still(ms(500)).map(drop)
}

fn makes_room(s: &mut Scene) -> Outcome {
    let mut a = s.connect()?;
    a.expect(&lines(0..3))?;
    a.reset()?;
    next_is_served(s)
        .because("write(2): EPIPE and ECONNRESET say that nobody is there any more; the conversation is over")
}

/// The octets are there before the server looks.
fn ignores(s: &mut Scene) -> Outcome {
    let words = format!("{}\r\n", s.phrase());
    s.hold()?;
    let mut c = s.connect()?;
    c.send(words.as_bytes())?;
    s.release()?;
    c.expect(&lines(0..100)).because("RFC 864: any data received is thrown away")?;
    s.keep(c);
    Ok(())
}

fn half_close(s: &mut Scene) -> Outcome {
    s.hold()?;
    let mut c = s.connect()?;
    c.half_close()?;
    s.release()?;
    c.expect(&lines(0..100)).because("RFC 9293 §3.6: a FIN says that one side will send no more; it may still read")?;
    s.keep(c);
    Ok(())
}

fn stuck(s: &mut Scene) -> Outcome {
    let a = s.connect_slow(4096)?;
    wait_until_stuck(s)?;
    let mut b = s.connect()?;
    b.expect(&lines(0..100))
        .because("a write to a full connection waits; nothing that others need may wait with it")?;
    s.keep(a);
    s.keep(b);
    Ok(())
}

/// Watched until it waits; a program that never waits is watched for 2 s.
fn memory(s: &mut Scene) -> Outcome {
    s.start()?;
    let before = s.subject()?.memory();
    let c = s.connect_slow(4096)?;
    s.journal.note("nobody reads");
    let until = Instant::now() + Duration::from_secs(2);
    while !s.wait_until_still(ms(80))? && Instant::now() < until {
        if s.subject()?.memory() > before.map(|octets| octets + MEMORY) {
            return Err(Failure::new(
                "a program that waits for its reader",
                "it works on, and takes 8 MiB and more for that",
            ))
            .because(
                "RFC 9293 §3.8.6: a full window makes the sender wait; who makes lines all the same must keep them",
            );
        }
    }
    s.keep(c);
    Ok(())
}

/// Two pauses, each well within `--stall`, together beyond it; then more is read than the buffers on the way can hold.
fn slow(s: &mut Scene) -> Outcome {
    let mut c = s.connect_slow(1 << 16)?;
    let page = lines(0..95);
    for (pause, pages) in [(ms(300), 200), (ms(300), 1200)] {
        c.pause(pause);
        for _ in 0..pages {
            let got = c.read_exactly(page.len()).map_err(|f| {
                let how = f.got.rsplit(", then ").next().unwrap_or_default().to_string();
                Failure::new("lines to the end", how)
            });
            let got = got
                .because("RFC 9293 §3.8.6: a slow reader is no dead reader; each octet it takes gives it time again")?;
            if got != page {
                return Err(Failure::octets(&page, &got, "after a pause")).because(PATTERN);
            }
        }
    }
    s.keep(c);
    Ok(())
}

fn dropped(s: &mut Scene) -> Outcome {
    let mut c = s.connect_slow(1 << 16)?;
    s.journal.note("nobody reads");
    next_is_served(s).because("socket(7): without a deadline, a write to a reader that is stuck waits for ever")?;
    c.read_to_end().map(drop)
}

fn stops(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    c.expect(&lines(0..3))?;
    s.signal(Signal::SIGTERM)?;
    let why = "a stream without end must look between two lines whether the server is to stop";
    let rest = c.within(ms(1500)).read_to_end();
    let rest =
        rest.map_err(|_| Failure::new("the stream to end (FIN)", "line after line, 1.5 s later")).because(why)?;
    match rest.len() % (WIDTH + 2) {
        0 => s.expect_exit(0, Duration::from_secs(2)).because(why),
        _ => Err(Failure::new("a whole line at the end", "a line that is cut off")).because(why),
    }
}

/// The program has filled all buffers that there are, and waits.
fn wait_until_stuck(s: &mut Scene) -> Outcome {
    s.journal.note("nobody reads, until the program can write no more");
    s.wait_until_still(Duration::from_secs(2)).map(drop)
}

/// Connects until it is let in, for 2 s. Not written down one by one: how often it takes is chance.
fn next_is_served(s: &mut Scene) -> Outcome {
    let address = s.address()?;
    let right = lines(0..1);
    s.journal.note("another client tries to get in");
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        let Ok(mut stream) = TcpStream::connect_timeout(&address, ms(500)) else { continue };
        let _ = stream.set_read_timeout(Some(ms(500)));
        let mut line = vec![0; right.len()];
        if stream.read_exact(&mut line).is_ok() {
            s.journal.note("it is served");
            return if line == right { Ok(()) } else { Err(Failure::octets(&right, &line, "another line 0")) };
        }
        // Closed at once: the place is still taken.
        std::thread::sleep(ms(5));
    }
    Err(Failure::new("the one place to be free again", "2 s later it is still taken"))
}
