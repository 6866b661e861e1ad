//! `line_framing`: CR LF and nothing else, however the stream is cut.

use crate::checks::common;
use netkata_kit::prelude::*;

const STREAM: &str = "RFC 9293 §3.8: TCP carries octets; where a segment or a read ends means nothing";
const BARE: &str =
    "RFC 5321 §2.3.8: CR and LF in no other form than CR LF; a bare one, taken for a line end, smuggles lines in";
const LIMIT: usize = 40;
/// Growth of memory that needs no explanation.
const MEMORY: u64 = 5 << 20;

pub fn program() -> Program {
    Program::exercise(4, "line_framing")
        .check("answers_a_line", "a line is answered by + and its octets, the last one first", one)
        .check("answers_each_line", "lines that come together are answered one by one, in their order", together)
        .check("waits_for_cr_lf", "until CR LF has come, there is nothing to answer", waits)
        .check("joins_what_was_cut", "the answers are the same wherever the stream is cut", cut)
        .check("keeps_every_octet_value", "a line is octets, text or not", octets)
        .check("answers_an_empty_line", "a line of no octets is a line", empty)
        .check("takes_a_line_of_the_limit", "--limit octets before CR LF are not too many", longest)
        .with(&["--limit", "40"])
        .check(
            "skips_a_longer_line",
            "a longer line is refused once, at its end, and the next is as good as any",
            longer,
        )
        .with(&["--limit", "40"])
        .check("keeps_no_endless_line", "a line without end takes no memory", endless)
        .check("refuses_a_bare_lf", "a LF that no CR precedes ends no line", bare_lf)
        .check("refuses_a_bare_cr", "a CR that no LF follows ends no line, and is no part of one", bare_cr)
        .check("takes_cr_cr_lf_for_an_end", "after a bare CR, CR LF is still the end of the line", cr_cr_lf)
        .check("names_the_first_fault", "a line with several faults is refused for the first", first_fault)
        .with(&["--limit", "40"])
        .check("refuses_a_line_without_end", "a line that the FIN cuts short is no line", cut_short)
        .check("takes_a_last_cr_for_a_beginning", "a CR at the very end is a line that was cut short, too", last_cr)
        .check("adds_nothing_at_the_end", "when the client closes after CR LF, there is nothing to answer", clean_end)
        .check(
            "serves_clients_side_by_side",
            "a client in the middle of a line does not hold up the next",
            side_by_side,
        )
        .check("survives_a_reset", "a peer that resets ends its own connection and no other", reset)
        .check("ends_on_sigterm", "SIGTERM ends an idle server", common::ends_on_sigterm)
        .check("ends_on_sigint", "Ctrl-C ends an idle server", common::ends_on_sigint)
}

/// A line with its end, and its answer.
fn exchange(s: &mut Scene) -> (Vec<u8>, Vec<u8>) {
    let words = s.phrase();
    (format!("{words}\r\n").into_bytes(), format!("+{}\r\n", words.chars().rev().collect::<String>()).into_bytes())
}

/// An ordinary line is answered as ever.
fn expect_good(s: &mut Scene, c: &mut Talk) -> Outcome {
    let (line, answer) = exchange(s);
    c.send(&line)?;
    c.expect(&answer)
}

const NEXT: &str = "a fault belongs to its line: after the next CR LF, a new one begins";

fn one(s: &mut Scene) -> Outcome {
    let (line, answer) = exchange(s);
    let mut c = s.connect()?;
    c.send(&line)?;
    c.expect(&answer).because("this server's contract: `+`, the octets in reverse order, CR LF")
}

fn together(s: &mut Scene) -> Outcome {
    let (lines, answers): (Vec<_>, Vec<_>) = (0..3).map(|_| exchange(s)).unzip();
    let mut c = s.connect()?;
    c.send(&lines.concat())?;
    c.expect(&answers.concat()).because(STREAM)
}

fn waits(s: &mut Scene) -> Outcome {
    let (line, answer) = exchange(s);
    let mut c = s.connect()?;
    for part in [&line[..4], &line[4..line.len() - 1]] {
        c.send(part)?;
        c.expect_silence(ms(40)).because("a line is complete with CR LF, not with a read, and not with CR alone")?;
    }
    c.send(b"\n")?;
    c.expect(&answer).because(STREAM)
}

/// Two lines, once for each place where they can be cut, and once octet by octet.
fn cut(s: &mut Scene) -> Outcome {
    let (first, second) = (exchange(s), exchange(s));
    let (lines, answers) = ([first.0, second.0].concat(), [first.1, second.1].concat());
    let mut c = s.connect()?;
    for at in 1..lines.len() {
        c.send_split(&lines, &[at])?;
        c.expect(&answers).because(STREAM)?;
    }
    let everywhere: Vec<usize> = (1..lines.len()).collect();
    c.send_split(&lines, &everywhere)?;
    c.expect(&answers).because(STREAM)
}

fn octets(s: &mut Scene) -> Outcome {
    let mut octets = s.every_octet();
    octets.retain(|o| !b"\r\n".contains(o));
    let mut c = s.connect()?;
    c.send(&[&octets[..], b"\r\n"].concat())?;
    octets.reverse();
    c.expect(&[b"+", &octets[..], b"\r\n"].concat())
        .because("a line is what stands before CR LF; nobody said that it is UTF-8, or that NUL ends it")
}

fn empty(s: &mut Scene) -> Outcome {
    let (line, answer) = exchange(s);
    let mut c = s.connect()?;
    c.send(&[b"\r\n\r\n", &line[..]].concat())?;
    c.expect(&[b"+\r\n+\r\n", &answer[..]].concat())
        .because("RFC 9112 §2.2, RFC 5322 §2.1: an empty line means something, where the head of a message ends")
}

fn letters(s: &mut Scene, n: usize) -> Vec<u8> {
    (0..n).map(|_| s.rng.u8(b'a'..=b'z')).collect()
}

fn longest(s: &mut Scene) -> Outcome {
    let mut line = letters(s, LIMIT);
    let mut c = s.connect()?;
    c.send_split(&[&line[..], b"\r\n"].concat(), &[LIMIT + 1])?;
    line.reverse();
    c.expect(&[b"+", &line[..], b"\r\n"].concat()).because("--limit 40: forty octets, CR and LF not counted")
}

fn longer(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    for more in [1, LIMIT, 10_000] {
        let line = letters(s, LIMIT + more);
        c.send(&line)?;
        c.expect_silence(ms(30))
            .because("the answer comes when the line has ended: one answer, in the order of the lines")?;
        c.send(b"\r\n")?;
        c.expect(b"-too long\r\n").because("--limit 40: what comes after forty octets is skipped, up to CR LF")?;
        expect_good(s, &mut c).because(NEXT)?;
    }
    Ok(())
}

/// Twelve mebibytes, and no line end.
fn endless(s: &mut Scene) -> Outcome {
    s.start()?;
    let before = s.subject()?.memory();
    let mut c = s.connect()?;
    let part = letters(s, 1 << 16).repeat(16);
    for _ in 0..12 {
        c.within(Duration::from_secs(9)).send(&part)?;
    }
    c.wait_until_read();
    let grown = s.subject()?.memory() > before.map(|octets| octets + MEMORY);
    c.send(b"\r\n")?;
    c.expect(b"-too long\r\n")?;
    if grown {
        return Err(Failure::new("memory for one line of the limit", "5 MiB more than before, and rising"))
            .because("what is too long will be refused: to keep it lets any client choose how much memory that takes");
    }
    Ok(())
}

fn bare_lf(s: &mut Scene) -> Outcome {
    let (words, more) = (s.phrase(), s.phrase());
    let mut c = s.connect()?;
    c.send(format!("{words}\n{more}\r\n").as_bytes())?;
    c.expect(b"-bare LF\r\n").because(BARE)?;
    c.send(b"\n\r\n")?;
    c.expect(b"-bare LF\r\n").because(BARE)?;
    expect_good(s, &mut c).because(NEXT)
}

fn bare_cr(s: &mut Scene) -> Outcome {
    let (words, more) = (s.phrase(), s.phrase());
    let line = format!("{words}\r{more}\r\n");
    let mut c = s.connect()?;
    for cuts in [vec![], vec![words.len() + 1]] {
        c.send_split(line.as_bytes(), &cuts)?;
        c.expect(b"-bare CR\r\n").because(BARE)?;
    }
    expect_good(s, &mut c).because(NEXT)
}

fn cr_cr_lf(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.connect()?;
    c.send(format!("{words}\r\r\n").as_bytes())?;
    c.expect(b"-bare CR\r\n").because("the first CR is bare, since no LF follows it; the second is half of CR LF")?;
    expect_good(s, &mut c).because(NEXT)
}

fn first_fault(s: &mut Scene) -> Outcome {
    let long = letters(s, LIMIT + 9);
    let mut c = s.connect()?;
    for (parts, answer) in [
        (&[&b"ebb\nflow\rtide"[..], &long][..], &b"-bare LF\r\n"[..]),
        (&[b"ebb\rflow\ntide", &long], b"-bare CR\r\n"),
        (&[&long, b"ebb\nflow\rtide"], b"-too long\r\n"),
    ] {
        c.send(&[&parts.concat()[..], b"\r\n"].concat())?;
        c.expect(answer).because("this server's contract: one answer a line, and the first fault is it")?;
    }
    expect_good(s, &mut c).because(NEXT)
}

fn cut_short(s: &mut Scene) -> Outcome {
    let (line, answer) = exchange(s);
    let rest = s.phrase();
    let mut c = s.connect()?;
    c.send(&line)?;
    c.send(rest.as_bytes())?;
    c.half_close()?;
    c.expect(&answer)?;
    c.expect(b"-no line end\r\n")
        .because("a FIN says that no more comes, not that it was all: half an order must not be carried out")?;
    c.expect_close(Close::Fin)
}

fn last_cr(s: &mut Scene) -> Outcome {
    let (line, answer) = exchange(s);
    let mut c = s.connect()?;
    c.send(&line)?;
    c.send(b"\r")?;
    c.half_close()?;
    c.expect(&answer)?;
    c.expect(b"-no line end\r\n").because("a CR is no line end before its LF has come, and here none comes")?;
    c.expect_close(Close::Fin)
}

fn clean_end(s: &mut Scene) -> Outcome {
    let (line, answer) = exchange(s);
    let mut c = s.connect()?;
    c.send(&line)?;
    c.half_close()?;
    c.expect(&answer)?;
    c.expect_close(Close::Fin).because("after the last CR LF no line has begun: an empty rest is no empty line")
}

fn side_by_side(s: &mut Scene) -> Outcome {
    let mut slow = s.connect()?;
    expect_good(s, &mut slow)?;
    slow.send(b"eb")?;
    let mut c = s.connect()?;
    expect_good(s, &mut c).because("accept(2) takes one connection at a time; serving must not keep it from the next")
}

fn reset(s: &mut Scene) -> Outcome {
    let mut a = s.connect()?;
    a.send(b"eb")?;
    a.reset()?;
    let mut b = s.connect()?;
    expect_good(s, &mut b).because("RFC 9293 §3.5.3: a reset aborts its own connection")
}
