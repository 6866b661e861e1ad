//! `daytime_client`: RFC 867 from the other side.

use crate::checks::common;
use netkata_kit::prelude::*;

/// The most a reply may hold.
const LIMIT: usize = 1024;
const TO_THE_END: &str = "RFC 867: the server closes when it is done; no length and no line end say so before";
const BOUND: &str = "who reads to the end of a stream lets the server choose when that is: time and size need a limit";

pub fn program() -> Program {
    Program::finished(3, "daytime_client")
        .check("says_nothing", "the client connects and listens", says_nothing)
        .check("prints_the_line", "it prints the line without its line end, and nothing else", prints)
        .check("reads_to_the_end_of_the_stream", "the end of the stream is the end of the reply", to_the_end)
        .check("skips_empty_lines", "what carries text is printed, a line a line", empty_lines)
        .check("needs_no_line_end", "a line end is no condition", no_line_end)
        .check("shows_no_control_octets", "what a server says cannot command the terminal", escapes)
        .check("nothing_is_an_error", "a server that closes without a word is an error", nothing)
        .check("waits_no_longer_than_asked", "nothing within --timeout is an error", silent)
        .with(&["--timeout", "200ms"])
        .check("prints_what_has_come", "what came before the time was over is printed", no_end)
        .with(&["--timeout", "200ms"])
        .check("drips_do_not_renew_the_time", "the time is for the whole exchange, not for each octet", drips)
        .with(&["--timeout", "300ms"])
        .check("a_reset_is_an_error", "a reset is not the end of a reply", reset)
        .check("takes_1024_octets", "a reply may have 1,024 octets", longest)
        .check("takes_no_more", "more than 1,024 octets are an error, and not waited for", too_long)
        .with(&["--timeout", "400ms"])
        .check("names_a_refused_connection", "who refuses is named in one line", common::names_a_refused_connection)
        .finished_only()
        .check("names_a_bad_peer", "a bad address is named in one line", common::names_a_bad_peer)
        .finished_only()
}

/// Starts the client and plays the server.
fn serve(s: &mut Scene) -> Outcome<Talk> {
    s.start_client()?;
    s.accept()
}

/// Sends a reply and closes. The grader closes its direction only, and so sees what the client does then.
fn reply(c: &mut Talk, octets: &[u8]) -> Outcome {
    c.send(octets)?;
    c.half_close()
}

/// A clean end of the program, with all of its output met before.
fn ends_well(s: &mut Scene) -> Outcome {
    s.expect_output_end()?;
    s.expect_exit(0, Duration::from_secs(2))
}

fn says_nothing(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = serve(s)?;
    c.expect_silence(ms(60)).because("RFC 867: the server sends the time without regard to the input")?;
    reply(&mut c, format!("{words}\r\n").as_bytes())?;
    c.expect_close(Close::Fin).because("RFC 867: any data received is thrown away, so there is nothing to say")?;
    s.expect_exit(0, Duration::from_secs(2))
}

fn prints(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = serve(s)?;
    reply(&mut c, format!("{words}\r\n").as_bytes())?;
    s.expect_line(&words).because("RFC 5198 §2: CR LF ends a line on the network; at a terminal, LF does")?;
    ends_well(s)
}

fn to_the_end(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let cut = s.rng.usize(1..words.len());
    let mut c = serve(s)?;
    c.send_split(format!("{words}\r\n").as_bytes(), &[cut])?;
    let _ = c.half_close();
    s.expect_line(&words).because(TO_THE_END)?;
    ends_well(s)
}

fn empty_lines(s: &mut Scene) -> Outcome {
    let (first, second) = (s.phrase(), s.phrase());
    let mut c = serve(s)?;
    reply(&mut c, format!("\r\n{first}\r\n\n{second}\n\r\n").as_bytes())?;
    s.expect_line(&first).because(TO_THE_END)?;
    s.expect_line(&second).because(TO_THE_END)?;
    ends_well(s)
}

fn no_line_end(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = serve(s)?;
    reply(&mut c, words.as_bytes())?;
    s.expect_line(&words).because(TO_THE_END)?;
    ends_well(s)
}

fn escapes(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = serve(s)?;
    reply(&mut c, format!("{words}\x1b[2J\0\x07\u{e9}\r\n").as_bytes())?;
    s.expect_line(&format!("{words}\\x1b[2J\\0\\x07\\xc3\\xa9"))
        .because("console_codes(4): ESC [ 2 J clears a screen; a server may say it, and printing it would obey")?;
    ends_well(s)
}

fn nothing(s: &mut Scene) -> Outcome {
    let mut c = serve(s)?;
    c.half_close()?;
    common::fails_with(s, "closed without a word")
        .because("recv(2): zero octets is the end of the stream; here that is not the time of day")
}

fn reset(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = serve(s)?;
    c.send(words.as_bytes())?;
    c.wait_until_read();
    c.reset()?;
    s.expect_line(&words)?;
    common::fails_with(s, &format!("connection reset by peer, after {} octets", words.len()))
        .because("RFC 9293 §3.5.3: a reset aborts the connection; what was still on its way is lost")
}

fn silent(s: &mut Scene) -> Outcome {
    let start = Instant::now();
    let mut c = serve(s)?;
    common::fails_with(s, "nothing came within 200ms").because(BOUND)?;
    common::not_before(start, ms(200))?;
    c.expect_close(Close::Fin)
}

fn no_end(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = serve(s)?;
    c.send(format!("{words}\r\n").as_bytes())?;
    s.expect_line(&words).because("the reply was there; that the end of the stream was not is told beside it")?;
    let n = words.len() + 2;
    common::fails_with(s, &format!("no end of the stream within 200ms, after {n} octets")).because(TO_THE_END)
}

/// Forty octets, one at a time, in at least 1.2 s.
fn drips(s: &mut Scene) -> Outcome {
    let octets = [b'.'; 40];
    let start = Instant::now();
    let mut c = serve(s)?;
    let sent = c.drip(&octets, ms(30));
    common::not_before(start, ms(300))?;
    s.expect_output(".\n")?;
    common::fails_with(s, "no end of the stream within 300ms")?;
    c.leave();
    if sent < octets.len() {
        return Ok(());
    }
    Err(Failure::new("it to leave after 300ms", "40 octets and 1.2s later, it still reads"))
        .because("socket(7): SO_RCVTIMEO limits each read anew; a deadline is a point in time")
}

fn longest(s: &mut Scene) -> Outcome {
    let words = format!("{} ", s.phrase()).repeat(LIMIT)[..LIMIT].to_string();
    let mut c = serve(s)?;
    reply(&mut c, words.as_bytes())?;
    s.expect_line(&words).because("a limit belongs to what it allows: 1,024 octets are not too many")?;
    ends_well(s)
}

/// The server goes on and on, and never closes.
fn too_long(s: &mut Scene) -> Outcome {
    let words = format!("{} ", s.phrase()).repeat(LIMIT);
    let mut c = serve(s)?;
    c.send_until_full(words.as_bytes(), ms(100));
    s.expect_output("\n")?;
    common::fails_with(s, "more than 1,024 octets").because(BOUND)?;
    c.leave();
    Ok(())
}
