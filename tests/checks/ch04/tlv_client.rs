//! `tlv_client`: sends values as frames, in order, and prints what comes back.

use super::tlv_frames::*;
use crate::checks::common;
use netkata_kit::prelude::*;

const END: &str = "shutdown(2), SHUT_WR: the FIN says that this was all; what the server owes us still comes";

pub fn program() -> Program {
    Program::finished(4, "tlv_client")
        .check("sends_a_frame", "--string is sent as a String, to the octet", sends)
        .check("sends_octets", "--binary is sent as a Binary, to the octet", sends_octets)
        .check("keeps_the_order", "values go out in the order of the command line", in_order)
        .check("sends_a_file", "--file - is standard input, as one Binary, to the last octet", file)
        .check("waits_for_the_answer", "the next frame is sent when the last one is answered", in_turn)
        .check("sends_lines", "without values, each line of standard input is a String, at once", lines)
        .check("prints_the_answer", "what it prints is what the server said", prints)
        .check("joins_what_was_cut", "an answer may come in several segments", cut)
        .check("keeps_what_came_early", "an answer may come together with the next one", together)
        .check("shows_no_control_characters", "what a server says cannot command the terminal", escapes)
        .check("notices_another_answer", "an answer that is not what was sent ends it with status 1", another)
        .check("names_a_wrong_answer", "an answer that is no frame is named, with its offset", wrong)
        .check("names_a_long_answer", "an answer of more than 10 MiB is refused, from its header", long)
        .check("misses_an_answer", "a server that closes without an answer is an error", no_answer)
        .check("misses_the_end_of_an_answer", "a server that closes inside an answer is an error", half_answer)
        .check("half_closes_at_the_end", "after the last answer it sends a FIN, and waits for the server's", ends)
        .check("notices_one_frame_too_many", "a frame after the last answer is an error", too_many)
        .check("reads_while_it_writes", "the server may answer before it has taken everything", both_ways)
        .check("waits_no_longer_than_asked", "no answer within --timeout is an error", silent)
        .with(&["--string", "slack", "--timeout", "200ms"])
        .check("waits_for_the_fin_in_vain", "a server that does not close is left after --timeout", stays_open)
        .with(&["--string", "slack", "--timeout", "200ms"])
        .check("sends_nothing_that_is_too_long", "a file of more than 10 MiB is refused before it connects", too_long)
        .with(&["--file", "/dev/zero"])
        .check("names_a_refused_connection", "who refuses is named in one line", common::names_a_refused_connection)
        .finished_only()
        .check("names_a_bad_peer", "a bad address is named in one line", common::names_a_bad_peer)
        .finished_only()
}

/// Starts the client with a value, and takes its frame.
fn asked(s: &mut Scene) -> Outcome<(Talk, String)> {
    let words = s.phrase();
    s.option("--string", &words);
    s.start_client()?;
    let mut c = s.accept()?;
    c.expect(&frame(STRING, words.as_bytes()))?;
    Ok((c, words))
}

/// Sends the answer, and waits until it is printed: what the client does next comes after that.
fn answer(s: &mut Scene, c: &mut Talk, words: &str) -> Outcome {
    c.send(&frame(STRING, words.as_bytes()))?;
    s.expect_line(&format!("[String] \"{words}\""))
}

/// The same client once more.
fn asked_again(s: &mut Scene, words: &str) -> Outcome<Talk> {
    s.start_client()?;
    let mut c = s.accept()?;
    c.expect(&frame(STRING, words.as_bytes()))?;
    Ok(c)
}

fn sends(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    s.option("--string", &words);
    s.start_client()?;
    let mut c = s.accept()?;
    c.expect(&frame(STRING, words.as_bytes())).because(
        "the length is that of the value alone; its most significant octet goes first (RFC 1700, Data Notations)",
    )?;
    s.keep(c);
    Ok(())
}

fn sends_octets(s: &mut Scene) -> Outcome {
    let octets = [s.octets(6), b"\0\n\xff".to_vec()].concat();
    s.option("--binary", netkata::hexdump::hex(&octets, 9));
    s.start_client()?;
    let mut c = s.accept()?;
    c.expect(&frame(BINARY, &octets))
        .because("the type says how the octets are to be read; 2 says that they are UTF-8")?;
    s.keep(c);
    Ok(())
}

fn in_order(s: &mut Scene) -> Outcome {
    let why = "frames of two types on one stream have one order: that in which they were given";
    let words = [s.phrase(), s.phrase()];
    let octets = s.octets(4);
    let hex = netkata::hexdump::hex(&octets, 4);
    s.option("--string", &words[0]);
    s.option("--binary", &hex);
    s.option("--string", &words[1]);
    s.start_client()?;
    let mut c = s.accept()?;
    c.expect(&frame(STRING, words[0].as_bytes())).because(why)?;
    answer(s, &mut c, &words[0])?;
    c.expect(&frame(BINARY, &octets)).because(why)?;
    c.send(&frame(BINARY, &octets))?;
    s.expect_line(&format!("[Binary] {hex}"))?;
    c.expect(&frame(STRING, words[1].as_bytes())).because(why)?;
    s.keep(c);
    Ok(())
}

fn file(s: &mut Scene) -> Outcome {
    let octets = [s.octets(300), b"\r\n".to_vec()].concat();
    s.option("--file", "-");
    s.start_client()?;
    s.type_octets(&octets)?;
    s.end_input()?;
    let mut c = s.accept()?;
    c.expect(&frame(BINARY, &octets)).because("a file is octets; its last line end is two of them")?;
    s.keep(c);
    Ok(())
}

/// The answer to the first line comes before the second is typed.
fn lines(s: &mut Scene) -> Outcome {
    let (first, second) = (s.phrase(), s.phrase());
    s.start_client()?;
    s.type_octets(format!("{first}\n").as_bytes())?;
    let why = "a person at a terminal waits for the answer before the next line";
    let mut c = s.accept().because(why)?;
    let sent = frame(STRING, first.as_bytes());
    c.expect(&sent).because(why)?;
    c.send(&sent)?;
    s.expect_line(&format!("[String] \"{first}\""))?;
    s.type_octets(format!("{second}\r\n").as_bytes())?;
    c.expect(&frame(STRING, second.as_bytes())).because("a line end is LF or CR LF, and no part of the line")?;
    s.keep(c);
    Ok(())
}

fn in_turn(s: &mut Scene) -> Outcome {
    let (first, second) = (s.phrase(), s.phrase());
    s.option("--string", &first);
    s.option("--string", &second);
    s.start_client()?;
    let mut c = s.accept()?;
    let sent = frame(STRING, first.as_bytes());
    c.expect(&sent)?;
    let why = "one frame, one answer: what is wrong with a frame is known before the next one is on its way";
    c.expect_silence(ms(80)).because(why)?;
    answer(s, &mut c, &first)?;
    c.expect(&frame(STRING, second.as_bytes())).because(why)?;
    s.keep(c);
    Ok(())
}

fn prints(s: &mut Scene) -> Outcome {
    let answer = s.phrase();
    let (mut c, _) = asked(s)?;
    c.send(&frame(STRING, answer.as_bytes()))?;
    s.expect_line(&format!("[String] \"{answer}\""))
        .because("only the server knows what it answered; a client that prints what it sent proves nothing")?;
    s.expect_exit(1, Duration::from_secs(2))
}

fn cut(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    s.option("--string", &words);
    // What is printed may come before the last piece is sent, or after it.
    s.start_client_unseen()?;
    let mut c = s.accept()?;
    c.expect(&frame(STRING, words.as_bytes()))?;
    let answer = frame(STRING, words.as_bytes());
    let at = s.rng.usize(6..answer.len());
    c.send_split(&answer, &[1, 4, at])?;
    s.expect_line(&format!("[String] \"{words}\"")).because(STREAM)?;
    s.keep(c);
    Ok(())
}

/// The server answers the second value before it was sent.
fn together(s: &mut Scene) -> Outcome {
    let (first, second) = (s.phrase(), s.phrase());
    s.option("--string", &first);
    s.option("--string", &second);
    s.start_client()?;
    let mut c = s.accept()?;
    c.expect(&frame(STRING, first.as_bytes()))?;
    c.send(&[frame(STRING, first.as_bytes()), frame(STRING, second.as_bytes())].concat())?;
    s.expect_line(&format!("[String] \"{first}\"")).because(STREAM)?;
    c.expect(&frame(STRING, second.as_bytes()))?;
    s.expect_line(&format!("[String] \"{second}\"")).because(STREAM)?;
    s.keep(c);
    Ok(())
}

fn escapes(s: &mut Scene) -> Outcome {
    let (mut c, _) = asked(s)?;
    c.send(&frame(STRING, b"ebb\x1b]0;\"flood\"\x07\t"))?;
    s.expect_line("[String] \"ebb\\u{1b}]0;\\\"flood\\\"\\u{7}\\t\"").because(
        "console_codes(4): ESC ] 0 sets a terminal's title; a server may say it, and printing it would obey",
    )?;
    s.expect_exit(1, Duration::from_secs(2))
}

fn another(s: &mut Scene) -> Outcome {
    let (mut c, words) = asked(s)?;
    c.send(&frame(BINARY, words.as_bytes()))?;
    s.expect_output("[Binary] ")?;
    common::fails_with(s, "the answer is not what was sent")
        .because("the same octets as another type are another value; a script looks at the exit status")
}

fn wrong(s: &mut Scene) -> Outcome {
    let (mut c, words) = asked(s)?;
    for (answer, said) in [
        (frame(9, b"ebb"), "offset 0: unknown type 9 (known: 1 Binary, 2 String)"),
        (frame(STRING, b"ebb\xff"), "offset 8: not UTF-8: octet 3 of a String of 4 octets is ff"),
    ] {
        c.send(&answer)?;
        common::fails_with(s, said).because("the octet that made it wrong is the one to look at in a capture")?;
        c.leave();
        c = asked_again(s, &words)?;
    }
    s.keep(c);
    Ok(())
}

fn long(s: &mut Scene) -> Outcome {
    let (mut c, words) = asked(s)?;
    for (code, name) in [(BINARY, "Binary"), (STRING, "String")] {
        c.send(&header(code, LIMIT + 1))?;
        let said = format!("offset 1: too long: a {name} of 10,485,761 octets (limit 10,485,760)");
        common::fails_with(s, &said).because(CLAIM)?;
        c.leave();
        c = asked_again(s, &words)?;
    }
    s.keep(c);
    Ok(())
}

fn no_answer(s: &mut Scene) -> Outcome {
    let (mut c, words) = asked(s)?;
    c.half_close()?;
    common::fails_with(s, &format!("the server closed; no answer to [String] \"{words}\""))
        .because("recv(2): zero octets is the end of the stream, and no frame")
}

fn half_answer(s: &mut Scene) -> Outcome {
    let (mut c, words) = asked(s)?;
    let there = s.rng.usize(6..words.len());
    c.send(&frame(STRING, words.as_bytes())[..there])?;
    c.half_close()?;
    common::fails_with(s, &format!("offset {there}: truncated value: {} of {} octets", there - 5, words.len()))
        .because("a FIN says that no more comes, and not that it was all; the length says what all is")
}

fn ends(s: &mut Scene) -> Outcome {
    let (mut c, words) = asked(s)?;
    answer(s, &mut c, &words)?;
    c.expect_close(Close::Fin).because(END)?;
    c.half_close()?;
    s.expect_exit(0, Duration::from_secs(2))
}

fn too_many(s: &mut Scene) -> Outcome {
    let (mut c, words) = asked(s)?;
    answer(s, &mut c, &words)?;
    c.expect_close(Close::Fin)?;
    let late = string(s);
    c.send(&late)?;
    c.half_close()?;
    common::fails_with(s, "one frame too many: [String]").because(END)
}

/// Both sides write 10 MiB, and neither has read anything yet.
fn both_ways(s: &mut Scene) -> Outcome {
    let octets = vec![7; LIMIT as usize];
    s.option("--file", "-");
    s.start_client_unseen()?;
    s.type_octets(&octets)?;
    s.end_input()?;
    let mut c = s.accept()?;
    let sent = frame(BINARY, &octets);
    c.send(&sent)
        .because("a client that writes to the end before it reads, and a server that does the same, wait for ever")?;
    c.expect(&sent)?;
    c.expect_close(Close::Fin)?;
    c.half_close()?;
    s.expect_exit(0, Duration::from_secs(2))
}

fn taken(s: &mut Scene) -> Outcome<(Talk, Instant)> {
    let start = Instant::now();
    s.start_client()?;
    let mut c = s.accept()?;
    c.expect(&frame(STRING, b"slack"))?;
    Ok((c, start))
}

fn silent(s: &mut Scene) -> Outcome {
    let (c, start) = taken(s)?;
    common::fails_with(s, "timed out after 200ms; no answer to [String] \"slack\"").because(
        "recv(2) waits for ever, and TCP does not tell whether the server still thinks or has lost its cable",
    )?;
    c.leave();
    common::not_before(start, ms(200))
}

fn stays_open(s: &mut Scene) -> Outcome {
    let (mut c, _) = taken(s)?;
    let start = Instant::now();
    answer(s, &mut c, "slack")?;
    c.expect_close(Close::Fin)?;
    common::fails_with(s, "timed out after 200ms; the server has not closed").because(
        "RFC 9293 §3.6: after our FIN the other side may go on for as long as it likes; only our limit ends it",
    )?;
    common::not_before(start, ms(200))
}

fn too_long(s: &mut Scene) -> Outcome {
    s.start_client()?;
    common::fails_with(s, "/dev/zero: more than 10,485,760 octets")?;
    s.expect_nobody().because("a frame that cannot be sent whole is not begun; neither is a connection for it")
}
