//! `echo_single`: line by line, one client at a time.

use crate::checks::common;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;

/// The longest line of the contract, its end included.
const LONGEST: usize = 65_536;
const STREAM: &str = "RFC 9293 §3.8: TCP carries a stream of octets; where it is cut into segments means nothing";
const ACCEPT: &str = "accept(2) takes one connection at a time; nobody is served whom nobody accepts";

pub fn program() -> Program {
    Program::finished(3, "echo_single")
        .check("serves_the_next_client", "when a client has left, the next one is served", next)
        .check("sends_a_line_back", "a line goes back with its line end", line_back)
        .check("keeps_cr_lf", "a line end goes back as it came, LF or CR LF", cr_lf)
        .check("answers_every_line", "lines that arrive together are answered one by one", together)
        .check("waits_for_the_line_end", "half a line is no line", split)
        .check("keeps_every_octet_value", "an octet that is no text goes back like any other", no_text)
        .check("answers_what_was_not_ended", "at the end of the stream, what is there counts as a line", not_ended)
        .check("survives_a_reset", "a client that resets ends its own connection and not the server", reset)
        .check("second_client_waits", "a second client connects, and waits until the first has left", second_waits)
        .check("carries_the_longest_line", "a line of 65,536 octets goes back", longest)
        .check("refuses_a_longer_line", "a line of more than 65,536 octets ends the conversation with a FIN", too_long)
        .check("stop_ends_the_server", "the line STOP is not answered: the server closes, and ends", stop)
        .check("stop_is_a_whole_line", "STOP inside a line is a part of the line", stop_inside)
        .check("stop_takes_cr_lf", "STOP with CR LF is STOP as well", stop_cr_lf)
        .check("stop_may_be_split", "STOP in two segments is STOP as well", stop_split)
        .check("shows_no_control_octets", "what it prints of a client's line cannot command the terminal", prints)
        .finished_only()
        .check("sends_an_idle_client_away", "a client that sends no line for --idle makes room for the next", idle)
        .with(&["--idle", "200ms"])
        .check("octets_in_drips_are_no_line", "the time is for the line, and single octets do not renew it", drips)
        .with(&["--idle", "300ms"])
        .check("gives_up_who_does_not_read", "the time is for taking the line back, too", does_not_read)
        .with(&["--idle", "300ms"])
        .check("ends_on_sigterm", "SIGTERM ends an idle server", common::ends_on_sigterm)
        .check("ends_on_sigint", "Ctrl-C ends an idle server", common::ends_on_sigint)
        .check("ends_beside_a_client", "after SIGTERM, the client may go on for --grace, and not longer", grace)
        .with(&["--grace", "500ms"])
        .check("names_a_bad_address", "a bad address is named in one line", common::names_a_bad_address)
        .finished_only()
        .check("names_a_port_in_use", "a port that is taken is named in one line", common::names_a_port_in_use)
        .finished_only()
}

/// Sends a line with LF and expects it back.
fn exchange(c: &mut Talk, words: &str) -> Outcome {
    let line = format!("{words}\n");
    c.send(line.as_bytes())?;
    c.expect(line.as_bytes())
}

fn line_back(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase()];
    let mut c = s.connect()?;
    for words in words {
        exchange(&mut c, &words).because("RFC 862: any data received is sent back, the line end as well")?;
    }
    Ok(())
}

fn cr_lf(s: &mut Scene) -> Outcome {
    let line = format!("{}\r\n", s.phrase());
    let mut c = s.connect()?;
    c.send(line.as_bytes())?;
    c.expect(line.as_bytes()).because("RFC 862: any data received is sent back, octet by octet; CR is one of them")
}

/// Three lines in one segment, and one more when these are answered.
fn together(s: &mut Scene) -> Outcome {
    let (a, b, last) = (s.phrase(), s.phrase(), s.phrase());
    let lines = format!("{a}\n\n{b}\r\n");
    let mut c = s.connect()?;
    c.send(lines.as_bytes())?;
    c.expect(lines.as_bytes()).because(STREAM)?;
    exchange(&mut c, &last).because(STREAM)
}

fn split(s: &mut Scene) -> Outcome {
    let line = format!("{}\n", s.phrase());
    let cut = s.rng.usize(1..line.len() - 1);
    let mut c = s.connect()?;
    c.send(&line.as_bytes()[..cut])?;
    c.wait_until_read();
    c.expect_silence(ms(80)).because(STREAM)?;
    c.send(&line.as_bytes()[cut..])?;
    c.expect(line.as_bytes()).because(STREAM)
}

fn no_text(s: &mut Scene) -> Outcome {
    let mut line = s.every_octet();
    line.retain(|o| *o != b'\n');
    line.push(b'\n');
    let mut c = s.connect()?;
    c.send(&line)?;
    c.expect(&line)
        .because("RFC 3629 §1: c0, c1 and f5 to ff appear in no UTF-8 text; an echo of octets need not know that")
}

fn not_ended(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.connect()?;
    c.send(words.as_bytes())?;
    c.half_close()?;
    let why = "RFC 9293 §3.6: a FIN closes one direction; the other is still good for what is due";
    c.expect(words.as_bytes()).because(why)?;
    c.expect_close(Close::Fin).because(why)
}

/// Two clients come, have nothing to say, and leave.
fn next(s: &mut Scene) -> Outcome {
    let (mut a, mut b) = (s.connect()?, s.connect()?);
    b.half_close()?;
    a.half_close()?;
    let why = "recv(2): zero octets is the end of this stream, and of nothing else";
    a.expect_close(Close::Fin).because(why)?;
    b.expect_close(Close::Fin).because(why)
}

/// The second client is in the queue when the first throws its connection away.
fn reset(s: &mut Scene) -> Outcome {
    let (first, second) = (s.phrase(), format!("{}\n", s.phrase()));
    let (mut a, mut b) = (s.connect()?, s.connect()?);
    b.send(second.as_bytes())?;
    a.send(first.as_bytes())?;
    a.wait_until_read();
    a.reset()?;
    b.expect(second.as_bytes()).because("RFC 9293 §3.5.3: a reset aborts its own connection")
}

fn second_waits(s: &mut Scene) -> Outcome {
    let (first, second) = (s.phrase(), format!("{}\n", s.phrase()));
    let mut a = s.connect()?;
    exchange(&mut a, &first)?;
    let mut b = s.connect()?;
    b.send(second.as_bytes())?;
    b.expect_silence(ms(80)).because(ACCEPT)?;
    a.half_close()?;
    a.expect_close(Close::Fin)?;
    b.expect(second.as_bytes()).because("listen(2): what a client sends waits for it in the queue")
}

fn longest(s: &mut Scene) -> Outcome {
    let line = long_line(s, LONGEST);
    let words = s.phrase();
    let mut c = s.connect()?;
    c.send_in_background(&line)?;
    c.expect(&line).because("a limit belongs to what it allows: 65,536 octets are not too many")?;
    exchange(&mut c, &words)
}

/// Much more than is allowed is there when the server turns the client down: it is stopped until then.
fn too_long(s: &mut Scene) -> Outcome {
    let line = long_line(s, 3 * LONGEST);
    s.hold()?;
    let mut c = s.connect()?;
    c.send_until_full(&line, ms(50));
    s.release()?;
    let (answer, close) = c
        .read_until_closed()
        .because("who reads on until a line end comes lets the client choose how much memory that takes")?;
    if !answer.is_empty() {
        return Err(Failure::new("no answer to a part of a line", netkata::human::count(answer.len(), "octet")));
    }
    if close == Close::Fin {
        return Ok(());
    }
    Err(Failure::new("the program to close the connection (FIN)", "it reset the connection (RST)"))
        .because("RFC 9293 §3.6.1: to close with octets unread is a reset; to say goodbye, one has to read on")
}

fn long_line(s: &mut Scene, length: usize) -> Vec<u8> {
    let mut line: Vec<u8> = (1..length).map(|_| s.rng.u8(b'a'..=b'z')).collect();
    line.push(b'\n');
    line
}

fn stop(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.connect()?;
    exchange(&mut c, &words)?;
    c.send(b"STOP\n")?;
    expect_end(s, &mut c, "a word of command is not data: it is obeyed, and not echoed")
}

/// No answer, a FIN, and the program ends well.
fn expect_end(s: &mut Scene, c: &mut Talk, why: &str) -> Outcome {
    c.expect_close(Close::Fin).because(why)?;
    c.half_close()?;
    s.expect_exit(0, Duration::from_secs(2)).because("the server ends when it is told to, with status 0")
}

fn stop_inside(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.connect()?;
    for line in [format!("{words} STOP"), format!("STOP {words}"), "STOPPED".into(), " STOP".into(), "stop".into()] {
        exchange(&mut c, &line)
            .because("only the whole line is the command, or some day a message will end the server")?;
    }
    Ok(())
}

fn stop_cr_lf(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    c.send(b"STOP\r\n")?;
    expect_end(s, &mut c, "RFC 854: Telnet, and with it many a client, ends lines with CR LF")
}

fn stop_split(s: &mut Scene) -> Outcome {
    let cut = s.rng.usize(1..4);
    let mut c = s.connect()?;
    c.send_split(b"STOP\n", &[cut])?;
    expect_end(s, &mut c, STREAM)
}

fn prints(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let line = format!("{words}\x1b[2J\u{e9}\n");
    let mut c = s.connect()?;
    c.send(line.as_bytes())?;
    c.expect(line.as_bytes())?;
    s.expect_line(&format!("-> {words}\\x1b[2J\\xc3\\xa9"))
        .because("console_codes(4): ESC [ 2 J clears a screen; a stranger may send it, and a log must not obey")
}

/// The first client is silent. Its place is taken from it, and not before its time.
fn idle(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    s.start()?;
    let start = Instant::now();
    let mut a = s.connect()?;
    let mut b = s.connect()?;
    exchange(&mut b, &words)
        .because("one client at a time, and no limit to its time: a silent one blocks all others")?;
    common::not_before(start, ms(200))?;
    a.expect_close(Close::Fin)
}

/// Forty octets, one at a time, in at least 1.2 s. The line end never comes.
fn drips(s: &mut Scene) -> Outcome {
    let octets = long_line(s, 41);
    s.start()?;
    let start = Instant::now();
    let mut c = s.connect()?;
    let sent = c.drip(&octets[..40], ms(30));
    common::not_before(start, ms(300))?;
    c.leave();
    if sent < 40 {
        return Ok(());
    }
    Err(Failure::new("the client to be sent away after 300ms", "40 octets and 1.2s later, it still reads"))
        .because("socket(7): SO_RCVTIMEO limits each read anew; a deadline is a point in time")
}

fn does_not_read(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let flood: Vec<u8> = long_line(s, 50_000).repeat(400);
    let mut a = s.connect_slow(4096)?;
    a.send_until_full(&flood, ms(100));
    let mut b = s.connect()?;
    let served = exchange(&mut b, &words);
    a.leave();
    served.because("send(2) blocks while the peer takes nothing: a write needs its deadline as well")
}

fn grace(s: &mut Scene) -> Outcome {
    let (before, after) = (s.phrase(), s.phrase());
    let mut c = s.connect()?;
    exchange(&mut c, &before)?;
    let start = Instant::now();
    s.signal(Signal::SIGTERM)?;
    let why = "a stop is no reason to break off in the middle of a conversation";
    c.expect_silence(ms(120)).because(why)?;
    exchange(&mut c, &after).because(why)?;
    s.expect_exit(0, Duration::from_secs(2)).because("the stop has a limit: nobody waits for a client that stays")?;
    common::not_before(start, ms(500))?;
    c.expect_close(Close::Fin)
}
