//! `udp_echo_client`: what comes, what does not, and who says so.

use crate::checks::common;
use netkata_kit::prelude::*;

const SOON: Duration = Duration::from_secs(5);
const FRAME: &str = "RFC 768: a datagram has a length; no line end is needed to find its end";
const LATE: &str =
    "RFC 768: delivery and duplicate protection are not guaranteed: what comes may answer an earlier datagram";
const REFUSED: &str = "udp(7), ECONNREFUSED: the host of the peer said over ICMP that nobody has the port";

pub fn program() -> Program {
    Program::finished(5, "udp_echo_client")
        .check("sends_each_line", "each line is a datagram, without its end", sends)
        .with(&["--timeout", "5s"])
        .check("sends_an_empty_line", "an empty line is a datagram of no octets, and no end", empty)
        .with(&["--timeout", "5s"])
        .check("sends_the_last_line", "the last line of the input is sent, even if it has no end", last_line)
        .with(&["--timeout", "5s"])
        .check("waits_for_the_echo", "the next line is sent when the last one came back", in_turn)
        .with(&["--timeout", "5s"])
        .check("ends_with_its_input", "at the end of the input it leaves, with 0 when all came back", ends)
        .with(&["--timeout", "5s"])
        .check("shows_what_is_no_echo", "another datagram of the server's is shown as it came", shows_other)
        .with(&["--timeout", "5s"])
        .check("waits_on_after_another", "what is not the echo may be a late one: the wait goes on", late)
        .with(&["--timeout", "5s"])
        .check("shows_no_control_octets", "what a server says cannot command the terminal", escapes)
        .with(&["--timeout", "5s"])
        .check("carries_the_longest_payload", "65,507 octets go out and back in one datagram", longest)
        .with(&["--timeout", "5s"])
        .check("sends_its_arguments", "each argument is a datagram, and standard input is left alone", arguments)
        .finished_only()
        .check("stop_is_the_last", "STOP is sent, and nothing after it", stop)
        .with(&["--timeout", "5s"])
        .check("hears_no_stranger", "what comes from another port does not get in", no_stranger)
        .with(&["--timeout", "5s"])
        .check("names_a_refusal", "a closed port is told at once, long before --timeout", refusal)
        .finished_only()
        .check("misses_the_echo", "no echo within --timeout is an error, and says that it is no refusal", misses)
        .with(&["--timeout", "200ms"])
        .check("drips_are_no_echo", "what else comes does not renew the time", drips)
        .with(&["--timeout", "600ms"])
        .check(
            "goes_on_after_a_failure",
            "the line after a lost one is sent all the same; in the end the status is 1",
            goes_on,
        )
        .with(&["--timeout", "300ms"])
        .check("sends_again", "with --retries 2, a line is sent three times at the most", retries)
        .with(&["--timeout", "100ms", "--retries", "2"])
        .check("a_retry_may_succeed", "an echo of a later try is as good as the first one's", second_try)
        .with(&["--timeout", "500ms", "--retries", "1"])
        .check("tells_a_cut_echo", "an echo that lost its end is an error that says so", cut)
        .with(&["--timeout", "5s"])
        .check("tells_its_own_cut", "a reply that is longer than --buffer is an error that says so", own_cut)
        .with(&["--timeout", "5s", "--buffer", "10"])
        .check("hears_strangers_unconnected", "with --unconnected, anybody gets in, and is named", strangers)
        .with(&["--timeout", "5s", "--unconnected"])
        .check(
            "a_stranger_is_no_echo",
            "with --unconnected, the right octets from the wrong port are no echo",
            false_echo,
        )
        .with(&["--timeout", "5s", "--unconnected"])
        .check("hears_no_refusal_unconnected", "with --unconnected, a closed port is silent", deaf)
        .finished_only()
        .check("asks_at_a_terminal", "at a terminal it asks for each line", prompts)
        .with(&["--timeout", "5s"])
        .check("leaves_when_nobody_reads", "who reads its output has gone: it ends", nobody_reads)
        .with(&["--timeout", "5s"])
        .check("sends_no_longer_line", "a line that no datagram can hold is an error, and not sent", too_long)
        .with(&["--timeout", "200ms"])
        .check("names_a_bad_peer", "a bad address is named in one line", common::names_a_bad_peer)
        .finished_only()
}

/// A line is typed, arrives, and comes back.
fn echoed(s: &mut Scene, server: &mut UdpUpstream, words: &str) -> Outcome {
    s.type_line(words)?;
    let from = server.expect(words.as_bytes())?;
    server.reply(from, words.as_bytes())?;
    s.expect_line(&format!("Reply: {words}"))
}

fn sends(s: &mut Scene) -> Outcome {
    let mut server = s.start_client_udp()?;
    for _ in 0..2 {
        let words = s.phrase();
        echoed(s, &mut server, &words).because(FRAME)?;
    }
    Ok(())
}

fn empty(s: &mut Scene) -> Outcome {
    const WHY: &str = "send(2), recv(2): datagrams of zero length are permitted; 0 is the end of a stream only";
    let words = s.phrase();
    let mut server = s.start_client_udp()?;
    echoed(s, &mut server, "").because(WHY)?;
    echoed(s, &mut server, &words).because(WHY)
}

fn last_line(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut server = s.start_client_udp()?;
    s.type_octets(words.as_bytes())?;
    s.end_input()?;
    server
        .expect(words.as_bytes())
        .map(drop)
        .because("printf(1) writes no line end of its own, and neither do many editors")
}

fn in_turn(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase()];
    let why = "whoever sends faster than the answers come fills a buffer somewhere, and UDP drops what does not fit";
    let mut server = s.start_client_udp()?;
    s.type_line(&words[0])?;
    s.type_line(&words[1])?;
    let from = server.expect(words[0].as_bytes())?;
    server.expect_silence(ms(50)).because(why)?;
    server.reply(from, words[0].as_bytes())?;
    server.expect(words[1].as_bytes()).map(drop).because(why)
}

fn ends(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut server = s.start_client_udp()?;
    echoed(s, &mut server, &words)?;
    s.end_input()?;
    server.expect_silence(ms(50)).because("UDP has no end of a stream: the end of the input is not sent")?;
    s.expect_exit(0, SOON).because("a script asks by the exit status whether a service is alive")
}

fn shows_other(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase()];
    let mut server = s.start_client_udp()?;
    s.type_line(&words[0])?;
    let from = server.expect(words[0].as_bytes())?;
    server.reply(from, words[1].as_bytes())?;
    s.expect_line(&format!("Reply: {}", words[1])).because(LATE)?;
    s.expect_error(": not the echo: ")
}

fn late(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase(), s.phrase()];
    let mut server = s.start_client_udp()?;
    s.type_line(&words[0])?;
    s.type_line(&words[2])?;
    let from = server.expect(words[0].as_bytes())?;
    for late in [words[1].as_str(), "", "no"] {
        server.reply(from, late.as_bytes())?;
        s.expect_line(&format!("Reply: {late}"))?;
        server.expect_silence(ms(20)).because(LATE)?;
    }
    server.reply(from, words[0].as_bytes())?;
    s.expect_line(&format!("Reply: {}", words[0]))?;
    server.expect(words[2].as_bytes()).map(drop).because(LATE)
}

fn escapes(s: &mut Scene) -> Outcome {
    let mut server = s.start_client_udp()?;
    s.type_octets(b"\x1b[2J \x07 \xff\n")?;
    let from = server.receive()?.1;
    server.reply(from, b"\x1b[2J \x07 \xff")?;
    s.expect_line("Reply: \\x1b[2J \\x07 \\xff")
        .because("an escape sequence in a reply can clear the screen or worse (console_codes(4))")
}

fn longest(s: &mut Scene) -> Outcome {
    let mut line: Vec<u8> = (0..65_507).map(|_| s.rng.u8(b'a'..=b'z')).collect();
    let mut server = s.start_client_udp_unseen()?;
    line.push(b'\n');
    s.type_octets(&line)?;
    let why = "RFC 768: the length has 16 bits, for 8 octets of header and the payload; IPv4's own 20 leave 65,507";
    let from = server.expect(&line[..65_507]).because(why)?;
    server.reply(from, &line[..65_507])?;
    s.end_input()?;
    s.expect_exit(0, SOON).because(why)
}

fn arguments(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase()];
    let mut server = s.upstream_udp()?;
    s.run(&[server.address().to_string(), words[0].clone(), words[1].clone()])?;
    for words in &words {
        let from =
            server.expect(words.as_bytes()).because("an argument is a message: joined, they would be one datagram")?;
        server.reply(from, words.as_bytes())?;
        s.expect_line(&format!("Reply: {words}"))?;
    }
    s.expect_exit(0, SOON).because("with everything sent, there is nothing to read: a terminal would be waited for")
}

fn stop(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut server = s.start_client_udp()?;
    s.type_octets(format!("STOP\n{words}\n").as_bytes())?;
    let from = server.expect(b"STOP")?;
    server.reply(from, b"STOP")?;
    let why = "STOP is for the client as well: it leaves, whatever is left of its input";
    s.expect_line("Reply: STOP")?;
    s.expect_exit(0, SOON).because(why)?;
    server.expect_silence(ms(20)).because(why)
}

fn no_stranger(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase()];
    let mut server = s.start_client_udp_unseen()?;
    s.type_line(&words[0])?;
    let from = server.expect(words[0].as_bytes())?;
    server.reply_from_a_foreign_port(from, words[1].as_bytes())?;
    server.reply(from, words[0].as_bytes())?;
    s.expect_line(&format!("Reply: {}", words[0]))
        .because("udp(7): once a socket is connected, datagrams are received from that address only")
}

fn refusal(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let server = s.upstream_udp()?;
    server.refuse()?;
    s.run(&[server.address().to_string(), words, "--timeout".into(), "60s".into()])?;
    common::fails_with(s, &format!("{server}: connection refused")).because(REFUSED)
}

fn misses(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut server = s.start_client_udp()?;
    s.type_line(&words)?;
    s.end_input()?;
    server.expect(words.as_bytes())?;
    common::fails_with(s, &format!("read {server}: no echo of \"{words}\" in 200ms"))
        .because("nobody says that a datagram was lost: it is known by the time alone")
}

/// Something each 50 ms, for more than twice as long as the client should wait.
fn drips(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut server = s.start_client_udp_unseen()?;
    s.type_line(&words)?;
    s.end_input()?;
    let from = server.expect(words.as_bytes())?;
    for _ in 0..30 {
        if s.subject()?.poll()?.is_some() {
            return s.expect_exit(1, SOON);
        }
        server.expect_silence(ms(50))?;
        server.reply(from, b"wait")?;
    }
    Err(Failure::new("the program to give up after 600 ms", "after 1.5 s, it still waits")).because(
        "socket(7): SO_RCVTIMEO limits each receive anew; whoever sends now and then keeps the client for ever",
    )
}

fn goes_on(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase()];
    let mut server = s.start_client_udp()?;
    s.type_line(&words[0])?;
    s.type_line(&words[1])?;
    s.end_input()?;
    server.expect(words[0].as_bytes())?;
    s.expect_error("no echo of")?;
    let from = server
        .expect(words[1].as_bytes())
        .because("a datagram that was lost breaks nothing: the next one is as good as the first")?;
    server.reply(from, words[1].as_bytes())?;
    s.expect_exit(1, SOON).because("an exit status of 0 would say that everything came back")
}

fn retries(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut server = s.start_client_udp()?;
    s.type_line(&words)?;
    s.end_input()?;
    for _ in 0..3 {
        server.expect(words.as_bytes()).because("UDP sends nothing again: whoever needs it does so")?;
    }
    s.expect_exit(1, SOON)?;
    server.expect_silence(ms(20)).because("a client that never gives up is a flood when everybody has one")
}

fn second_try(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut server = s.start_client_udp()?;
    s.type_line(&words)?;
    server.expect(words.as_bytes())?;
    let from = server.expect(words.as_bytes())?;
    server.reply(from, words.as_bytes())?;
    s.expect_line(&format!("Reply: {words}"))?;
    s.end_input()?;
    s.expect_exit(0, SOON).because("what was lost and repaired is not lost")
}

fn cut(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let length = words.len();
    let mut server = s.start_client_udp()?;
    s.type_line(&words)?;
    s.end_input()?;
    let from = server.expect(words.as_bytes())?;
    server.reply(from, &words.as_bytes()[..5])?;
    common::fails_with(s, &format!("{length} octets went, and the server cut them to 5"))
        .because("recv(2): a server whose buffer is too short gets the beginning, and need not notice")
}

fn own_cut(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let length = words.len();
    let mut server = s.start_client_udp()?;
    s.type_line(&words)?;
    s.end_input()?;
    let from = server.expect(words.as_bytes())?;
    server.reply(from, words.as_bytes())?;
    common::fails_with(s, &format!("{length} octets came, cut to 10"))
        .because("recv(2), MSG_TRUNC: the kernel cuts in silence, and tells the true length only who asks")
}

fn strangers(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase()];
    let mut server = s.start_client_udp()?;
    s.type_line(&words[0])?;
    let from = server.expect(words[0].as_bytes())?;
    let stranger = server.reply_from_a_foreign_port(from, words[1].as_bytes())?;
    let why = "recvfrom(2): a socket that is not connected takes datagrams from anybody, and tells who sent each";
    s.expect_line(&format!("Reply from {stranger}: {}", words[1])).because(why)?;
    s.expect_error(&format!("{stranger}: a stranger")).because(why)?;
    server.reply(from, words[0].as_bytes())?;
    s.expect_line(&format!("Reply from {}: {}", server.address(), words[0]))
}

/// The right octets from the wrong port; the server itself says nothing.
fn false_echo(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase()];
    let mut server = s.start_client_udp()?;
    s.type_line(&words[0])?;
    s.type_line(&words[1])?;
    let from = server.expect(words[0].as_bytes())?;
    let stranger = server.reply_from_a_foreign_port(from, words[0].as_bytes())?;
    s.expect_line(&format!("Reply from {stranger}: {}", words[0]))?;
    server
        .expect_silence(ms(50))
        .because("whoever sees or guesses the question can answer it: the sender must be compared")
}

fn deaf(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let server = s.upstream_udp()?;
    server.refuse()?;
    s.run(&[server.address().to_string(), words, "--timeout".into(), "200ms".into(), "--unconnected".into()])?;
    common::fails_with(s, &format!("read {server}: no echo of")).because(
        "RFC 1122 §4.1.3.3: a refusal is passed up to the socket that it can be matched with; ours has no peer",
    )
}

fn prompts(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    s.at_a_terminal();
    let mut server = s.start_client_udp()?;
    for _ in 0..2 {
        s.expect_output(">> ").because("a person must see that it is their turn")?;
        s.type_line(&words)?;
        let from = server.expect(words.as_bytes())?;
        server.reply(from, words.as_bytes())?;
        s.expect_output(&format!("Reply: {words}"))?;
    }
    Ok(())
}

fn nobody_reads(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase()];
    let mut server = s.start_client_udp()?;
    echoed(s, &mut server, &words[0])?;
    s.close_output();
    s.type_line(&words[1])?;
    let from = server.expect(words[1].as_bytes())?;
    server.reply(from, words[1].as_bytes())?;
    s.expect_exit(1, SOON).because("write(2), EPIPE: nobody will read what is still to come")
}

fn too_long(s: &mut Scene) -> Outcome {
    let line = vec![b'x'; 65_540];
    let mut server = s.start_client_udp()?;
    s.type_octets(&line)?;
    s.end_input()?;
    common::fails_with(s, "a line that is longer than any datagram")
        .because("RFC 768: the length has 16 bits; a line that is sent in pieces would be several messages")?;
    server.expect_silence(ms(20))
}
