//! `head_client`: HTTP/1.0 over a bare socket, to the end of the stream.

use crate::checks::ch03::dialling::expect_bad_usage;
use crate::checks::common;
use netkata::human;
use netkata_kit::prelude::*;

const LINE: &str = "RFC 1945 §5: Method SP Request-URI SP HTTP-Version CRLF, the header lines, CRLF";
const END: &str = "RFC 1945 §1.3: in HTTP/1.0 the server closes the connection after its answer; nothing else ends it";
const BOUND: &str = "who reads to the end of a stream lets the server choose when that is: time and size need a limit";

pub fn program() -> Program {
    Program::finished(4, "head_client")
        .check("asks_for_the_header", "it sends HEAD, a path, HTTP/1.0, the host, and an empty line", asks)
        .check("asks_for_the_path", "--path is what it asks for", path)
        .finished_only()
        .check("keeps_its_direction_open", "it sends no FIN: it still wants something", stays)
        .check("prints_the_header", "it prints the lines up to the empty one, without their line ends", prints)
        .check("reads_to_the_end", "an answer may come in several segments", to_the_end)
        .check("reads_by_hand_to_the_end", "read by hand, it is the same answer", by_hand)
        .with(&["--read", "hand"])
        .check("leaves_a_body_out", "octets after the empty line are not printed, and counted", body)
        .check("shows_no_control_octets", "what a server says cannot command the terminal", escapes)
        .check("nothing_is_an_error", "a server that closes without a word is an error", nothing)
        .check("other_protocols_are_an_error", "what does not begin with HTTP/ is printed, and an error", no_http)
        .check("misses_the_end_of_the_header", "a header without its empty line is an error", cut_off)
        .check("a_reset_is_an_error", "a reset is not the end of an answer", reset)
        .check("takes_the_limit", "an answer may have --limit octets", at_the_limit)
        .with(&["--limit", "1000"])
        .check("takes_no_more", "more than --limit octets are an error, and not waited for", over_the_limit)
        .with(&["--limit", "1000"])
        .check("takes_no_more_by_hand", "nor are they when read by hand", over_the_limit_by_hand)
        .with(&["--limit", "1000", "--read", "hand"])
        .check("waits_no_longer_than_asked", "an answer that does not end within --timeout is an error", silent)
        .with(&["--timeout", "250ms"])
        .check("drips_do_not_renew_the_time", "the time is for the whole exchange, not for each octet", drips)
        .with(&["--timeout", "600ms"])
        .check("drips_do_not_by_hand", "nor is it when read by hand", drips_by_hand)
        .with(&["--timeout", "600ms", "--read", "hand"])
        .check("sends_one_request_only", "a path that would end the line is bad usage", smuggles)
        .finished_only()
        .check("names_a_refused_connection", "who refuses is named in one line", common::names_a_refused_connection)
        .finished_only()
        .check("names_a_bad_peer", "a bad address is named in one line", common::names_a_bad_peer)
        .finished_only()
}

/// Starts the client and takes its request.
fn asked(s: &mut Scene) -> Outcome<Talk> {
    // What it prints, and when, is chance once it goes wrong: the dialogue leaves it out.
    let address = s.start_client_unseen()?;
    let mut c = s.accept()?;
    c.expect(format!("HEAD / HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).because(LINE)?;
    Ok(c)
}

/// A header, its lines without their ends.
fn header(s: &mut Scene) -> [String; 3] {
    ["HTTP/1.0 200 OK".into(), format!("Server: {}", s.phrase()), format!("Content-Length: {}", s.rng.u16(100..1000))]
}

fn on_the_wire(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\r\n")).chain(["\r\n".into()]).collect()
}

fn expect_lines(s: &mut Scene, lines: &[String]) -> Outcome {
    lines.iter().try_for_each(|line| s.expect_line(line).because(END))?;
    s.expect_output_end()
}

fn asks(s: &mut Scene) -> Outcome {
    let lines = header(s);
    let mut c = asked(s)?;
    c.send(on_the_wire(&lines).as_bytes())?;
    c.half_close()?;
    s.expect_exit(0, Duration::from_secs(2))?;
    c.expect_close(Close::Fin)
}

fn path(s: &mut Scene) -> Outcome {
    let (path, lines) = (format!("/{}", s.phrase().replace(' ', "%20")), header(s));
    let address = s.listen()?;
    s.run_unseen(&[&address.to_string(), "--path", &path])?;
    let mut c = s.accept()?;
    c.expect(format!("HEAD {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).because(LINE)?;
    c.send(on_the_wire(&lines).as_bytes())?;
    c.half_close()?;
    s.expect_exit(0, Duration::from_secs(2))
}

fn stays(s: &mut Scene) -> Outcome {
    let lines = header(s);
    let mut c = asked(s)?;
    c.expect_silence(ms(60)).because(
        "RFC 9112 §9.6: a server may take a client's close for the end of its interest, and say nothing more",
    )?;
    c.send(on_the_wire(&lines).as_bytes())?;
    c.half_close()?;
    s.expect_exit(0, Duration::from_secs(2))
}

fn prints(s: &mut Scene) -> Outcome {
    let lines = header(s);
    let mut c = asked(s)?;
    c.send(on_the_wire(&lines).as_bytes())?;
    c.half_close()?;
    expect_lines(s, &lines)?;
    s.expect_exit(0, Duration::from_secs(2))
}

/// Longer than 512 octets, in pieces of which none is.
fn in_pieces(s: &mut Scene) -> Outcome {
    let mut lines = header(s).to_vec();
    lines.extend((0..30).map(|i| format!("X-Berth-{i}: {}", s.phrase())));
    let text = on_the_wire(&lines);
    let cuts = [s.rng.usize(1..400), s.rng.usize(400..800)];
    let mut c = asked(s)?;
    c.send(&text.as_bytes()[..100])?;
    c.expect_silence(ms(30)).because(END)?;
    c.send_split(&text.as_bytes()[100..], &cuts)?;
    c.half_close()?;
    expect_lines(s, &lines)?;
    s.expect_exit(0, Duration::from_secs(2))
}

fn to_the_end(s: &mut Scene) -> Outcome {
    in_pieces(s)
}

fn by_hand(s: &mut Scene) -> Outcome {
    in_pieces(s).because("read(2): it is no error if fewer octets are read than asked for; that many were there")
}

fn body(s: &mut Scene) -> Outcome {
    let (lines, body) = (header(s), s.phrase());
    let mut c = asked(s)?;
    c.send(format!("{}{body}\r\n", on_the_wire(&lines)).as_bytes())?;
    c.half_close()?;
    let why = "RFC 9110 §9.3.2: the answer to HEAD has no content; some servers have not read that";
    lines.iter().try_for_each(|line| s.expect_line(line))?;
    s.expect_output_end().because(why)?;
    s.expect_exit(0, Duration::from_secs(2))?;
    s.expect_error(&format!("{} after the header", human::count(body.len() + 2, "octet"))).because(why)
}

fn escapes(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = asked(s)?;
    c.send(format!("HTTP/1.0 200 {words}\x1b[2J\x07\u{e9}\r\n\r\n").as_bytes())?;
    c.half_close()?;
    s.expect_line(&format!("HTTP/1.0 200 {words}\\x1b[2J\\x07\\xc3\\xa9"))
        .because("console_codes(4): ESC [ 2 J clears a screen; a server may say it, and printing it would obey")?;
    s.expect_exit(0, Duration::from_secs(2))
}

fn nothing(s: &mut Scene) -> Outcome {
    let mut c = asked(s)?;
    c.half_close()?;
    common::fails_with(s, "closed without a word")
        .because("recv(2): zero octets is the end of the stream; here that is no answer")
}

fn no_http(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = asked(s)?;
    c.send(format!("220 {words}\r\n\r\n").as_bytes())?;
    c.half_close()?;
    s.expect_line(&format!("220 {words}"))?;
    common::fails_with(s, "the answer is not HTTP")
        .because("RFC 1945 §6.1: Status-Line = HTTP-Version SP Status-Code …")
}

fn cut_off(s: &mut Scene) -> Outcome {
    let lines = header(s);
    let text = on_the_wire(&lines);
    let mut c = asked(s)?;
    c.send(text.strip_suffix("\r\n").unwrap_or_default().as_bytes())?;
    c.half_close()?;
    expect_lines(s, &lines)?;
    common::fails_with(s, "closed before the empty line")
        .because("a FIN says that no more comes, and not that it was all; the missing empty line does")
}

fn reset(s: &mut Scene) -> Outcome {
    let lines = header(s);
    let text = on_the_wire(&lines);
    let mut c = asked(s)?;
    c.send(text.as_bytes())?;
    c.wait_until_read();
    c.reset()?;
    s.expect_line(&lines[0])?;
    common::fails_with(s, &format!("connection reset by peer, after {} octets", text.len()))
        .because("RFC 9293 §3.5.3: a reset aborts the connection; what was still on its way is lost")
}

/// A header of so many octets.
fn long(s: &mut Scene, n: usize) -> Vec<String> {
    let mut lines = header(s).to_vec();
    let have = on_the_wire(&lines).len() + "X-Tide: \r\n".len();
    lines.push(format!("X-Tide: {}", "~".repeat(n - have)));
    lines
}

fn at_the_limit(s: &mut Scene) -> Outcome {
    let lines = long(s, 1000);
    let mut c = asked(s)?;
    c.send(on_the_wire(&lines).as_bytes())?;
    c.half_close()?;
    expect_lines(s, &lines).because("a limit belongs to what it allows: 1,000 octets are not too many")?;
    s.expect_exit(0, Duration::from_secs(2))
}

/// The server goes on and on, and never closes.
fn over_the_limit(s: &mut Scene) -> Outcome {
    let lines = long(s, 800);
    let mut c = asked(s)?;
    c.send(on_the_wire(&lines).as_bytes())?;
    c.send_until_reset(&[b'~'; 5000]).because(BOUND)?;
    s.expect_line(&lines[0])?;
    common::fails_with(s, "more than 1,000 octets").because(BOUND)
}

fn over_the_limit_by_hand(s: &mut Scene) -> Outcome {
    over_the_limit(s)
}

fn silent(s: &mut Scene) -> Outcome {
    let (start, lines) = (Instant::now(), header(s));
    let text = on_the_wire(&lines);
    let mut c = asked(s)?;
    c.send(text.as_bytes())?;
    expect_lines(s, &lines).because("the answer was there; that the end of the stream was not is told beside it")?;
    common::fails_with(s, &format!("no end of the stream within 250ms, after {} octets", text.len())).because(BOUND)?;
    common::not_before(start, ms(250))
}

/// Forty octets, one at a time, in at least 1.2 s.
fn drips(s: &mut Scene) -> Outcome {
    let octets = [b'.'; 40];
    let mut c = asked(s)?;
    let sent = c.drip(&octets, ms(30));
    c.leave();
    let why = "socket(7): SO_RCVTIMEO limits each read anew; a deadline is a point in time";
    if sent == octets.len() {
        return Err(Failure::new("it to leave after 600ms", "40 octets and 1.2s later, it still reads")).because(why);
    }
    common::fails_with(s, "no end of the stream within 600ms").because(why)
}

fn drips_by_hand(s: &mut Scene) -> Outcome {
    drips(s)
}

fn smuggles(s: &mut Scene) -> Outcome {
    for path in ["/tides HTTP/1.0\r\nX-Tide: ebb", "/high water", "tides", ""] {
        let address = s.listen()?;
        s.run_with(&[&address.to_string(), "--path", path])?;
        expect_bad_usage(s, "a path ")
            .because("RFC 9112 §11.2: octets that end a line of the request make another request of it")?;
        s.expect_nobody()?;
    }
    Ok(())
}
