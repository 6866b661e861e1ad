//! `udp_daytime_client`: RFC 867 in datagrams, from the other side.

use crate::checks::common;
use netkata_kit::prelude::*;
use std::net::SocketAddr;

/// The most an answer may hold.
const LIMIT: usize = 1024;
const LOST: &str = "RFC 768: delivery and duplicate protection are not guaranteed; who wants an answer asks again";

pub fn program() -> Program {
    Program::finished(5, "udp_daytime_client")
        .check("asks_with_a_datagram", "the client sends one datagram, and waits", asks)
        .check("prints_the_line", "it prints the line without its line end, and nothing else", prints)
        .check("needs_no_line_end", "a line end is no condition", no_line_end)
        .check("skips_empty_lines", "what carries text is printed, a line a line", empty_lines)
        .check("shows_no_control_octets", "what a server says cannot command the terminal", escapes)
        .check("nothing_is_an_error", "an answer without text is an error", nothing)
        .check("hears_its_server_alone", "what a stranger sends to the client's port is not taken", stranger)
        .check("asks_again", "when no answer comes within --timeout, it asks again", again)
        .with(&["--timeout", "100ms"])
        .check("waits_twice_as_long", "each wait is twice as long as the last", back_off)
        .with(&["--timeout", "60ms", "--retries", "2"])
        .check("gives_up", "after --retries it asks no more, and says so", gives_up)
        .with(&["--timeout", "30ms", "--retries", "1"])
        .check("takes_1024_octets", "an answer may have 1,024 octets", longest)
        .check("takes_no_more", "an answer of more than 1,024 octets is an error", too_long)
        .check("tells_a_refusal", "when nobody has the port, it says so at once", refused)
        .with(&["--timeout", "20s"])
        .check("names_a_bad_peer", "a bad address is named in one line", common::names_a_bad_peer)
        .finished_only()
}

/// Starts the client, and waits for its question.
fn serve(s: &mut Scene) -> Outcome<(UdpUpstream, SocketAddr)> {
    let mut server = s.start_client_udp()?;
    let (_, client) = server.receive()?;
    Ok((server, client))
}

fn ends_well(s: &mut Scene) -> Outcome {
    s.expect_output_end()?;
    s.expect_exit(0, Duration::from_secs(2))
}

fn asks(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut server = s.start_client_udp()?;
    let (_, client) = server.receive().because("RFC 867: the server answers datagrams; it does not speak first")?;
    server.expect_silence(ms(60)).because("one question gets one answer; a second one is for when none comes")?;
    server.reply(client, format!("{words}\r\n").as_bytes())?;
    s.expect_output(&words)?;
    s.expect_exit(0, Duration::from_secs(2))
}

fn prints(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let (mut server, client) = serve(s)?;
    server.reply(client, format!("{words}\r\n").as_bytes())?;
    s.expect_line(&words).because("RFC 5198 §2: CR LF ends a line on the network; at a terminal, LF does")?;
    ends_well(s)
}

fn no_line_end(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let (mut server, client) = serve(s)?;
    server.reply(client, words.as_bytes())?;
    s.expect_line(&words).because("RFC 768: a datagram has a length; it needs no mark at its end")?;
    ends_well(s)
}

fn empty_lines(s: &mut Scene) -> Outcome {
    let (first, second) = (s.phrase(), s.phrase());
    let (mut server, client) = serve(s)?;
    server.reply(client, format!("\r\n{first}\r\n\n{second}\n\r\n").as_bytes())?;
    let why = "RFC 867: there is no specific syntax; some servers put an empty line before the time";
    s.expect_line(&first).because(why)?;
    s.expect_line(&second).because(why)?;
    ends_well(s)
}

fn escapes(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let (mut server, client) = serve(s)?;
    server.reply(client, format!("{words}\x1b[2J\0\x07\u{e9}\r\n").as_bytes())?;
    s.expect_line(&format!("{words}\\x1b[2J\\0\\x07\\xc3\\xa9"))
        .because("console_codes(4): ESC [ 2 J clears a screen; a server may say it, and printing it would obey")?;
    ends_well(s)
}

fn nothing(s: &mut Scene) -> Outcome {
    for answer in [&b""[..], b"\r\n"] {
        let (mut server, client) = serve(s)?;
        server.reply(client, answer)?;
        common::fails_with(s, "the answer has no text")
            .because("recv(2): a datagram may have zero octets; here that is not the time of day")?;
    }
    Ok(())
}

fn stranger(s: &mut Scene) -> Outcome {
    let (words, forged) = (s.phrase(), s.phrase());
    let (mut server, client) = serve(s)?;
    server.reply_from_a_foreign_port(client, format!("{forged}\r\n").as_bytes())?;
    let why = "udp(7): a socket that is connected takes datagrams of its peer alone; any other takes what comes";
    s.expect_no_output(ms(60)).because(why)?;
    server.reply(client, format!("{words}\r\n").as_bytes())?;
    s.expect_line(&words).because(why)?;
    ends_well(s)
}

/// The first question is lost, for all that the client knows.
fn again(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let start = Instant::now();
    let (mut server, client) = serve(s)?;
    let (_, second) = server.receive().because(LOST)?;
    common::not_before(start, ms(100))?;
    if second != client {
        return Err(Failure::new(format!("a second question from {client}"), format!("one from {second}")))
            .because("an answer to the first question may still be on its way, to the port that asked");
    }
    server.reply(client, format!("{words}\r\n").as_bytes())?;
    s.expect_line(&words)?;
    ends_well(s)
}

/// From the first question to the end: 60, 120 and 240 ms. Nothing is said of how late anything may come.
fn back_off(s: &mut Scene) -> Outcome {
    let why = "RFC 8085 §3.1.1: where datagrams are lost because there are too many, more of them are no help";
    let start = Instant::now();
    let (mut server, _) = serve(s)?;
    for passed in [60, 180] {
        server.receive().because(LOST)?;
        common::not_before(start, ms(passed)).because(why)?;
    }
    s.expect_exit(1, Duration::from_secs(5))?;
    common::not_before(start, ms(420)).because(why)
}

fn gives_up(s: &mut Scene) -> Outcome {
    let (mut server, _) = serve(s)?;
    server.receive()?;
    s.expect_exit(1, Duration::from_secs(5))
        .because("a client that waits for ever cannot be told from one that hangs")?;
    s.expect_error("no answer; asked 2 times")?;
    server.expect_silence(ms(30)).because("a limit is a limit: two questions are the first and --retries 1")
}

fn longest(s: &mut Scene) -> Outcome {
    let words = format!("{} ", s.phrase()).repeat(LIMIT)[..LIMIT].to_string();
    let (mut server, client) = serve(s)?;
    server.reply(client, words.as_bytes())?;
    s.expect_line(&words).because("a limit belongs to what it allows: 1,024 octets are not too many")?;
    ends_well(s)
}

fn too_long(s: &mut Scene) -> Outcome {
    let length = s.rng.usize(LIMIT + 1..3000);
    let (mut server, client) = serve(s)?;
    server.reply(client, "~".repeat(length).as_bytes())?;
    let said = format!("more than 1,024 octets: {}", netkata::human::thousands(length));
    let why = "recv(2), MSG_TRUNC: what does not fit the buffer is thrown away, and only who asks is told";
    common::fails_with(s, &said).because(why)?;
    s.expect_output_end().because(why)
}

/// The port is closed before the client asks.
fn refused(s: &mut Scene) -> Outcome {
    let server = s.upstream_udp()?;
    server.refuse()?;
    s.run_with(&[&server.address().to_string(), "--timeout", "20s"])?;
    let address = server.address();
    common::fails_with(s, &format!("read udp://{address}: connection refused")).because(
        "RFC 1122 §4.1.3.3: the other host says over ICMP that nobody has the port; a connected socket is told",
    )
}
