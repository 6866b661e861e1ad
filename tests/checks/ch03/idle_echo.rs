//! `idle_echo`: lines, and the deadline that only a line moves on.

use crate::checks::common;
use netkata_kit::prelude::*;

const ABSOLUTE: &str = "socket(7): SO_RCVTIMEO limits each read anew; only a deadline limits a line";
const LONGEST: usize = 1024;

pub fn program() -> Program {
    Program::exercise(3, "idle_echo")
        .check("sends_lines_back", "each line goes back as it came", lines)
        .check("waits_for_the_line_end", "a line goes back when it is complete, not before", whole)
        .check("keeps_lines_that_come_together", "two lines in one segment are two lines", together)
        .check("keeps_every_octet_value", "a line is octets, text or not", every_octet)
        .check("returns_the_rest_at_the_end", "after the half-close, an unfinished line goes back; then a FIN", rest)
        .check("takes_a_line_of_1024_octets", "a line has up to 1,024 octets, LF included", longest)
        .check("ends_at_a_longer_line", "a line that is longer ends the conversation, at once", longer)
        .check("closes_without_a_reset", "octets that nobody reads do not make the close a reset", no_reset)
        .check("closes_a_silent_client", "a client that says nothing is closed after --idle, with a FIN", silent)
        .with(&["--idle", "250ms"])
        .check("a_line_moves_the_deadline_on", "each line has --idle from the line before", moved_on)
        .with(&["--idle", "300ms"])
        .check("an_octet_does_not_move_it_on", "an octet now and then is no line", drip)
        .with(&["--idle", "250ms"])
        .check("the_echo_has_the_same_deadline", "a client that does not take its lines back is dropped, too", stuck)
        .with(&["--idle", "250ms"])
        .check("serves_clients_side_by_side", "a silent client does not hold up the next", side_by_side)
        .check("survives_a_reset", "a peer that resets ends its own connection and no other", reset)
        .check("ends_on_sigterm", "SIGTERM ends an idle server", common::ends_on_sigterm)
        .check("ends_on_sigint", "Ctrl-C ends an idle server", common::ends_on_sigint)
}

fn line(s: &mut Scene) -> Vec<u8> {
    format!("{}\r\n", s.phrase()).into_bytes()
}

/// `n` octets, none of them LF.
fn long(s: &mut Scene, n: usize) -> Vec<u8> {
    (0..n).map(|_| s.rng.u8(b'a'..=b'z')).collect()
}

fn lines(s: &mut Scene) -> Outcome {
    let lines = [line(s), line(s), line(s)];
    let mut c = s.connect()?;
    for line in &lines {
        c.send(line)?;
        c.expect(line).because("RFC 862: any data received is sent back to the originating source")?;
    }
    c.expect_no_more(ms(20))
}

fn whole(s: &mut Scene) -> Outcome {
    let line = line(s);
    let mut c = s.connect()?;
    c.send(&line[..5])?;
    c.expect_silence(ms(30)).because("this server's contract: a line goes back when it is complete")?;
    c.send(&line[5..])?;
    c.expect(&line)
}

fn together(s: &mut Scene) -> Outcome {
    let lines = [line(s), line(s), line(s)].concat();
    let mut c = s.connect()?;
    c.send(&lines)?;
    c.expect(&lines).because("RFC 9293 §3.8: TCP carries octets; where a segment ends means nothing")
}

fn every_octet(s: &mut Scene) -> Outcome {
    let mut octets = s.every_octet();
    octets.retain(|&o| o != b'\n');
    octets.push(b'\n');
    let mut c = s.connect()?;
    c.send(&octets)?;
    c.expect(&octets).because("a line is what stands before LF; nobody said that it is UTF-8")
}

fn rest(s: &mut Scene) -> Outcome {
    let (line, rest) = (line(s), s.phrase());
    let mut c = s.connect()?;
    c.send(&line)?;
    c.send(rest.as_bytes())?;
    c.half_close()?;
    c.expect(&line)?;
    let why = "RFC 9293 §3.6: a FIN closes one direction; the other is still good for what is due";
    c.expect(rest.as_bytes()).because(why)?;
    c.expect_close(Close::Fin).because(why)
}

fn longest(s: &mut Scene) -> Outcome {
    let mut line = long(s, LONGEST - 1);
    line.push(b'\n');
    let mut c = s.connect()?;
    c.send(&line)?;
    c.expect(&line).because("a limit is part of the contract: what keeps to it is served")
}

fn longer(s: &mut Scene) -> Outcome {
    let (good, bad) = (line(s), long(s, LONGEST));
    let mut c = s.connect()?;
    c.send(&good)?;
    c.expect(&good)?;
    c.send(&bad)?;
    c.within(ms(1000))
        .expect_close(Close::Fin)
        .because("a line without a limit is memory without a limit, in the hands of whoever connects")
}

/// All of it is there before the server looks, more than it will read as lines.
fn no_reset(s: &mut Scene) -> Outcome {
    let (good, bad) = (line(s), long(s, 20 * LONGEST));
    s.hold()?;
    let mut c = s.connect()?;
    c.send(&good)?;
    c.send(&bad)?;
    s.release()?;
    let why = "RFC 9293 §3.6.1: a close while received octets are unread sends an RST, which can destroy the last echo";
    c.expect(&good).because(why)?;
    c.expect_close(Close::Fin).because(why)?;
    c.expect_no_reset(ms(30)).because(why)
}

fn silent(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    c.expect_silence(ms(180)).because("--idle is a promise, too: until then the client may think")?;
    c.within(ms(1000))
        .expect_close(Close::Fin)
        .because("a silent connection costs a thread and a descriptor, and its peer may be long gone")
}

/// Four lines, each well within the limit, together well beyond it.
fn moved_on(s: &mut Scene) -> Outcome {
    let line = line(s);
    let mut c = s.connect()?;
    for _ in 0..4 {
        let why = "the deadline counts from the last line, not from the connect";
        c.expect_silence(ms(170)).because(why)?;
        c.send(&line).because(why)?;
        c.expect(&line).because(why)?;
    }
    Ok(())
}

/// An octet each 50 ms, for four times as long as a line may take.
fn drip(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    for _ in 0..20 {
        c.send(b".").because(ABSOLUTE)?;
        c.expect_no_more(ms(50))?;
        if c.closed().is_some() {
            return c.expect_close(Close::Fin);
        }
    }
    Err(Failure::new("the program to close (FIN) after 250ms without a line", "1 s later it is still waiting"))
        .because(ABSOLUTE)
}

fn stuck(s: &mut Scene) -> Outcome {
    let mut flood = long(s, 1000);
    flood.push(b'\n');
    let mut c = s.connect_slow(4096)?;
    c.send_until_reset(&flood).because(
        "socket(7): a write to a reader that is stuck waits as long as a read does, unless it has a deadline",
    )?;
    c.leave();
    Ok(())
}

fn side_by_side(s: &mut Scene) -> Outcome {
    common::side_by_side(s, line, common::echo)
}

fn reset(s: &mut Scene) -> Outcome {
    common::next_after_a_reset(s, line, common::echo)
}
