//! `echo_client`: sends lines, prints the lines that answer.

use crate::checks::common;
use netkata_kit::prelude::*;

/// The longest line of the contract, its end included.
const LONGEST: usize = 65_536;
const STREAM: &str = "RFC 9293 §3.8: TCP carries a stream of octets; where it is cut into segments means nothing";
const HALF: &str = "shutdown(2), SHUT_WR: a FIN says that we are done; what the server owes us still comes";

pub fn program() -> Program {
    Program::finished(3, "echo_client")
        .check("sends_each_line", "each line of the input is sent, with LF", sends)
        .check("ends_the_last_line", "the last line of the input is sent with LF, even if it has none", ends_last)
        .check("sends_every_octet", "input that is no text is sent like any other", sends_octets)
        .check("waits_for_the_answer", "the next line is sent when the last one is answered", in_turn)
        .check("prints_the_answer", "what it prints is what the server said", prints)
        .check("prints_no_line_end", "the line end of an answer is LF or CR LF, and no part of it", line_ends)
        .check("prints_nothing_else", "into a pipe it prints the answers alone: no prompt", no_prompt)
        .check("asks_at_a_terminal", "at a terminal it asks for each line", prompts)
        .check("joins_what_was_cut", "an answer may come in several segments", cut)
        .check("keeps_what_came_early", "an answer may come together with the next one", together)
        .check("shows_no_control_octets", "what a server says cannot command the terminal", escapes)
        .check("half_closes_at_the_end", "at the end of the input it sends a FIN, and prints what still comes", rest)
        .check("stop_is_sent_last", "the line STOP is sent, and then a FIN", stop)
        .check("misses_an_answer", "a server that closes without an answer is an error", no_answer)
        .check(
            "misses_the_end_of_an_answer",
            "a server that closes in the middle of an answer is an error",
            half_answer,
        )
        .check("waits_no_longer_than_asked", "no answer within --timeout is an error", silent)
        .with(&["--timeout", "200ms"])
        .check("drips_are_no_answer", "the time is for the answer, and single octets do not renew it", drips)
        .with(&["--timeout", "300ms"])
        .check("waits_for_the_fin_in_vain", "a server that does not close is left after --timeout", stays_open)
        .with(&["--timeout", "200ms"])
        .check("takes_a_long_answer", "an answer may have 65,536 octets", long_answer)
        .check("refuses_a_longer_answer", "an answer of more than 65,536 octets is an error", longer_answer)
        .with(&["--timeout", "400ms"])
        .check("sends_no_longer_line", "a line of more than 65,536 octets is an error, and not sent", longer_line)
        .with(&["--timeout", "400ms"])
        .check("leaves_a_server_that_goes_on", "after the half-close it reads 1 MiB at the most", goes_on)
        .with(&["--timeout", "2s"])
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

/// One exchange: a line is typed, arrives, and is answered.
fn exchange(s: &mut Scene, c: &mut Talk, answer: &str) -> Outcome {
    let words = s.phrase();
    s.type_line(&words)?;
    c.expect(format!("{words}\n").as_bytes())?;
    c.send(answer.as_bytes())
}

fn sends(s: &mut Scene) -> Outcome {
    let mut c = serve(s)?;
    for _ in 0..2 {
        let (words, answer) = (s.phrase(), s.phrase());
        s.type_line(&words)?;
        c.expect(format!("{words}\n").as_bytes())
            .because("a server that reads lines waits for the line end: without it, both wait for ever")?;
        c.send(format!("{answer}\n").as_bytes())?;
    }
    Ok(())
}

fn ends_last(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = serve(s)?;
    s.type_octets(words.as_bytes())?;
    s.end_input()?;
    c.expect(format!("{words}\n").as_bytes())
        .because("a file may end without a line end; on the wire, a line ends with one")?;
    c.send(b"\n")?;
    c.half_close()?;
    s.expect_exit(0, Duration::from_secs(2))
}

fn sends_octets(s: &mut Scene) -> Outcome {
    let mut line = s.every_octet();
    line.retain(|o| *o != b'\n');
    line.push(b'\n');
    let mut c = serve(s)?;
    s.type_octets(&line)?;
    c.expect(&line)
        .because("RFC 3629 §1: c0, c1 and f5 to ff appear in no UTF-8 text; who passes octets on need not know that")?;
    c.send(b"\n")
}

fn in_turn(s: &mut Scene) -> Outcome {
    let (first, second, answer) = (s.phrase(), s.phrase(), s.phrase());
    let mut c = serve(s)?;
    s.type_octets(format!("{first}\n{second}\n").as_bytes())?;
    c.expect(format!("{first}\n").as_bytes())?;
    let why = "one line, one answer: who sends on without reading can fill both directions, and then both sides wait";
    c.expect_silence(ms(80)).because(why)?;
    c.send(format!("{answer}\n").as_bytes())?;
    c.expect(format!("{second}\n").as_bytes()).because(why)?;
    c.send(format!("{answer}\n").as_bytes())
}

fn prints(s: &mut Scene) -> Outcome {
    let answer = s.phrase();
    let mut c = serve(s)?;
    exchange(s, &mut c, &format!("{answer}\n"))?;
    s.expect_output(&format!("->: {answer}\n"))
        .because("only the server knows what it answered; a client that prints what it sent proves nothing")
}

fn line_ends(s: &mut Scene) -> Outcome {
    let mut c = serve(s)?;
    for end in ["\r\n", "\n"] {
        let answer = s.phrase();
        exchange(s, &mut c, &format!("{answer}{end}"))?;
        s.expect_output(&format!("->: {answer}\n"))
            .because("RFC 5198 §2: lines on the network end with CR LF; many programs send LF alone")?;
    }
    Ok(())
}

/// All of standard output, from the first octet on.
fn no_prompt(s: &mut Scene) -> Outcome {
    let why = "isatty(3): a prompt is for a person at a terminal; in a pipe it is noise in the data";
    s.start_client()?;
    s.expect_no_output(ms(300)).because(why)?;
    let mut c = s.accept()?;
    for _ in 0..2 {
        let answer = s.phrase();
        exchange(s, &mut c, &format!("{answer}\n"))?;
        s.expect_line(&format!("->: {answer}")).because(why)?;
    }
    Ok(())
}

fn prompts(s: &mut Scene) -> Outcome {
    let why = "setvbuf(3): a terminal's buffer goes out with the line end; a prompt has none, and must be flushed";
    s.at_a_terminal();
    let mut c = serve(s)?;
    for _ in 0..2 {
        let answer = s.phrase();
        s.expect_output(">> ").because(why)?;
        exchange(s, &mut c, &format!("{answer}\n"))?;
        s.expect_line(&format!("->: {answer}"))?;
    }
    s.expect_output(">> ").because(why)
}

fn cut(s: &mut Scene) -> Outcome {
    let answer = s.phrase();
    let at = s.rng.usize(1..answer.len());
    let mut c = serve(s)?;
    let words = s.phrase();
    s.type_line(&words)?;
    c.expect(format!("{words}\n").as_bytes())?;
    c.send_split(format!("{answer}\n").as_bytes(), &[at])?;
    s.expect_line(&format!("->: {answer}")).because(STREAM)
}

/// The server answers the second line before it was asked.
fn together(s: &mut Scene) -> Outcome {
    let (first, second, words) = (s.phrase(), s.phrase(), s.phrase());
    let mut c = serve(s)?;
    exchange(s, &mut c, &format!("{first}\n{second}\n"))?;
    s.expect_line(&format!("->: {first}")).because(STREAM)?;
    s.type_line(&words)?;
    c.expect(format!("{words}\n").as_bytes())?;
    s.expect_line(&format!("->: {second}")).because(STREAM)
}

fn escapes(s: &mut Scene) -> Outcome {
    let answer = s.phrase();
    let mut c = serve(s)?;
    exchange(s, &mut c, &format!("{answer}\x1b]0;ebb\x07\u{e9}\n"))?;
    s.expect_line(&format!("->: {answer}\\x1b]0;ebb\\x07\\xc3\\xa9"))
        .because("console_codes(4): ESC ] 0 sets a terminal's title; a server may say it, and printing it would obey")
}

fn stop(s: &mut Scene) -> Outcome {
    let late = s.phrase();
    let mut c = serve(s)?;
    s.type_line("STOP")?;
    c.expect(b"STOP\n").because("the command is for the server, so it has to reach it")?;
    c.expect_close(Close::Fin).because("STOP has no answer; a client that waits for one waits for ever")?;
    c.send(format!("{late}\n").as_bytes())?;
    s.expect_line(&format!("->: {late}")).because(HALF)?;
    c.half_close()?;
    s.expect_exit(0, Duration::from_secs(2))
}

/// What the server says after our FIN comes in its own time.
fn rest(s: &mut Scene) -> Outcome {
    let late = [s.phrase(), s.phrase()];
    let mut c = serve(s)?;
    s.end_input()?;
    c.expect_close(Close::Fin).because(HALF)?;
    for words in late {
        c.send(format!("{words}\n").as_bytes())?;
        s.expect_line(&format!("->: {words}")).because(HALF)?;
    }
    c.half_close()?;
    s.expect_output_end()?;
    s.expect_exit(0, Duration::from_secs(2))
}

fn no_answer(s: &mut Scene) -> Outcome {
    let mut c = serve(s)?;
    let words = s.phrase();
    s.type_line(&words)?;
    c.expect(format!("{words}\n").as_bytes())?;
    c.half_close()?;
    common::fails_with(s, &format!("the server closed; no answer to \"{words}\""))
        .because("recv(2): zero octets is the end of the stream, which is not an empty line")
}

fn half_answer(s: &mut Scene) -> Outcome {
    let answer = s.phrase();
    let half = &answer[..s.rng.usize(1..answer.len())];
    let mut c = serve(s)?;
    exchange(s, &mut c, half)?;
    c.half_close()?;
    common::fails_with(s, &format!("but the beginning \"{half}\""))
        .because("a FIN says that no more comes, and not that it was all; the missing line end does")
}

fn silent(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let start = Instant::now();
    let mut c = serve(s)?;
    s.type_line(&words)?;
    c.expect(format!("{words}\n").as_bytes())?;
    common::fails_with(s, &format!("timed out after 200ms; no answer to \"{words}\"")).because(
        "recv(2) waits for ever, and TCP does not tell whether the server still thinks or has lost its cable",
    )?;
    common::not_before(start, ms(200))?;
    c.leave();
    Ok(())
}

/// Forty octets, one at a time, in at least 1.2 s. The line end never comes.
fn drips(s: &mut Scene) -> Outcome {
    let (words, octets) = (s.phrase(), [b'.'; 40]);
    let mut c = serve(s)?;
    s.type_line(&words)?;
    c.expect(format!("{words}\n").as_bytes())?;
    let sent = c.drip(&octets, ms(30));
    c.leave();
    let why = "socket(7): SO_RCVTIMEO limits each read anew; a deadline is a point in time";
    if sent == octets.len() {
        return Err(Failure::new("it to leave after 300ms", "40 octets and 1.2s later, it still reads")).because(why);
    }
    common::fails_with(s, "timed out after 300ms").because(why)
}

fn stays_open(s: &mut Scene) -> Outcome {
    let start = Instant::now();
    let mut c = serve(s)?;
    s.end_input()?;
    c.expect_close(Close::Fin)?;
    common::fails_with(s, "timed out after 200ms; the server has not closed").because(
        "RFC 9293 §3.6: after our FIN the other side may go on for as long as it likes; only our limit ends it",
    )?;
    common::not_before(start, ms(200))
}

fn long_answer(s: &mut Scene) -> Outcome {
    let answer = "ebb and flow ".repeat(LONGEST / 13 + 1)[..LONGEST - 1].to_string();
    let mut c = serve(s)?;
    let words = s.phrase();
    s.type_line(&words)?;
    c.expect(format!("{words}\n").as_bytes())?;
    c.send(format!("{answer}\n").as_bytes())?;
    s.expect_line(&format!("->: {answer}")).because("a limit belongs to what it allows: 65,536 octets are not too many")
}

fn longer_answer(s: &mut Scene) -> Outcome {
    let length = s.rng.usize(LONGEST + 1..LONGEST + 99);
    let mut c = serve(s)?;
    exchange(s, &mut c, &"~".repeat(length))?;
    common::fails_with(s, "a line of more than 65,536 octets")
        .because("who reads on until a line end comes lets the server choose how much memory that takes")
}

fn longer_line(s: &mut Scene) -> Outcome {
    let mut c = serve(s)?;
    s.type_octets(format!("{}\n", "~".repeat(LONGEST)).as_bytes())?;
    common::fails_with(s, "a line of more than 65,536 octets")?;
    c.expect_close(Close::Fin).because("a line that the server may not take is not sent, nor a part of it")
}

/// Lines without end, after the client has said goodbye.
fn goes_on(s: &mut Scene) -> Outcome {
    let line = format!("{}\n", s.phrase().repeat(20));
    // What it prints of the flood would fill the message.
    s.start_client_unseen()?;
    let mut c = s.accept()?;
    s.end_input()?;
    c.expect_close(Close::Fin)?;
    let why = "the end of the input is the client's; without a limit, the end of the program is the server's";
    c.send_until_reset(line.as_bytes()).because(why)?;
    common::fails_with(s, "the server goes on; stopped after 1,04").because(why)
}
