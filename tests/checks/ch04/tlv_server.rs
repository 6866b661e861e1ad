//! `tlv_server`: every frame comes back as it was understood, or the octet is named that made it wrong.

use super::tlv_frames::*;
use crate::checks::common;
use netkata_kit::prelude::*;

const UTF8: &str =
    "RFC 3629 §3: decoders must protect themselves against invalid sequences; a repaired text is another text";
const OUT_OF_STEP: &str =
    "the first octet that made it wrong, counted from the first octet of the stream, is the one to look at";
const ABSOLUTE: &str = "socket(7): SO_RCVTIMEO limits each read anew; only a deadline limits a frame";

pub fn program() -> Program {
    Program::finished(4, "tlv_server")
        .check("sends_a_string_back", "a String comes back as it was sent", sends_back)
        .check("keeps_the_type", "a Binary comes back as a Binary, whatever is in it", keeps_type)
        .check("takes_an_empty_value", "a length of 0 is a value without octets", empty)
        .check("joins_what_was_cut", "a frame may be cut anywhere, in the header too", cut)
        .check("keeps_frames_that_come_together", "three frames in one segment are three frames", together)
        .check("logs_what_it_understood", "the log says the type and the value", logs)
        .finished_only()
        .check("ends_with_the_client", "the client's end between two frames is answered with a FIN alone", clean_end)
        .check("takes_10_mib", "a value of 10,485,760 octets is allowed", at_limit)
        .check("refuses_more_than_10_mib", "a Binary of 10,485,761 octets is refused, from its header", above)
        .check("limits_strings_too", "the limit is for Strings as well", above_string)
        .check("a_claim_costs_nothing", "memory grows with what has come, not with what is claimed", claim)
        .check("names_an_unknown_type", "a type other than 1 and 2 is refused by number and offset", unknown)
        .check("refuses_what_is_not_utf8", "a String that is not UTF-8 is refused, not repaired", not_utf8)
        .check("names_a_truncated_header", "an end inside a header is no clean end", truncated_header)
        .check("names_a_truncated_value", "an end inside a value is no clean end", truncated_value)
        .check("closes_without_a_reset", "the answer to a wrong frame is not lost in a reset", no_reset)
        .check("closes_a_silent_client", "no frame within --idle: closed with a FIN", silent)
        .with(&["--idle", "250ms"])
        .check("an_octet_now_and_then_is_no_frame", "a frame has --frame-time to come", drip)
        .with(&["--frame-time", "250ms"])
        .check("leaves_a_reader_that_is_stuck", "an echo has --frame-time to go", stuck)
        .with(&["--frame-time", "250ms"])
        .check("serves_clients_side_by_side", "a silent client does not hold up the next", side_by_side)
        .check("survives_a_reset", "a peer that resets ends its own connection and no other", reset)
        .check("refuses_beyond_the_limit", "more connections than --max-connections are closed at once", beyond)
        .with(&["--max-connections", "2"])
        .check("ends_on_sigterm", "SIGTERM ends an idle server", common::ends_on_sigterm)
        .check("ends_on_sigint", "Ctrl-C ends an idle server", common::ends_on_sigint)
        .check("names_a_bad_address", "a bad address is named in one line", common::names_a_bad_address)
        .finished_only()
        .check("names_a_port_in_use", "a port in use is named in one line", common::names_a_port_in_use)
        .finished_only()
}

fn echo(s: &mut Scene, c: &mut Talk, why: &str) -> Outcome {
    let frame = string(s);
    c.send(&frame).because(why)?;
    c.expect(&frame).because(why)
}

fn sends_back(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    for _ in 0..2 {
        echo(
            s,
            &mut c,
            "the length is that of the value alone; its most significant octet goes first (RFC 1700, Data Notations)",
        )?;
    }
    c.expect_no_more(ms(20))
}

fn keeps_type(s: &mut Scene) -> Outcome {
    let sent = frame(BINARY, &s.every_octet());
    let mut c = s.connect()?;
    c.send(&sent)?;
    c.expect(&sent).because("the type says how the octets are to be read; a Binary is read as it is")
}

fn empty(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    for code in [BINARY, STRING] {
        c.send(&frame(code, b""))?;
        c.expect(&frame(code, b"")).because("an empty value is a value: the stream goes on")?;
    }
    echo(s, &mut c, "an empty value is a value: the stream goes on")
}

fn cut(s: &mut Scene) -> Outcome {
    let sent = string(s);
    let mut c = s.connect()?;
    for at in 1..=6 {
        c.send_split(&sent, &[at, 9])?;
        c.expect(&sent).because(STREAM)?;
    }
    Ok(())
}

fn together(s: &mut Scene) -> Outcome {
    let (binary, strings) = (frame(BINARY, &s.octets(40)), [string(s), string(s)]);
    let all = [&strings[0][..], &binary, &strings[1]].concat();
    s.hold()?;
    let mut c = s.connect()?;
    c.send(&all)?;
    s.release()?;
    c.expect(&all).because(STREAM)
}

fn logs(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.connect()?;
    c.send(&frame(STRING, format!("{words}\u{1b}").as_bytes()))?;
    c.expect(&frame(STRING, format!("{words}\u{1b}").as_bytes()))?;
    s.expect_error(&format!("[String] \"{words}\\u{{1b}}\"\n"))
        .because("console_codes(4): ESC begins a command to the terminal on which the log is read")?;
    c.send(&frame(BINARY, b"\x07\xff"))?;
    c.expect(&frame(BINARY, b"\x07\xff"))?;
    s.expect_error("[Binary] 07 ff\n")
}

fn clean_end(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    echo(s, &mut c, STREAM)?;
    c.half_close()?;
    c.expect_close(Close::Fin).because("recv(2): zero octets where a frame may begin is the end that was meant")
}

fn at_limit(s: &mut Scene) -> Outcome {
    for code in [BINARY, STRING] {
        let mut c = s.connect()?;
        // Zeros are text, too.
        let sent = frame(code, &vec![0; LIMIT as usize]);
        c.send_in_background(&sent)?;
        c.within(ms(8000))
            .expect(&sent)
            .because("a limit belongs to what it allows: 10,485,760 octets are not too many")?;
    }
    Ok(())
}

fn above(s: &mut Scene) -> Outcome {
    for (length, shown) in [(LIMIT + 1, "10,485,761"), (u32::MAX, "4,294,967,295")] {
        let mut c = s.connect()?;
        c.send(&header(BINARY, length))?;
        refused_with(&mut c, &format!("offset 1: too long: a Binary of {shown} octets (limit 10,485,760)"), CLAIM)?;
    }
    Ok(())
}

fn above_string(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    c.send(&header(STRING, 1 << 30))?;
    refused_with(&mut c, "offset 1: too long: a String of 1,073,741,824 octets (limit 10,485,760)", CLAIM)
}

/// Eight clients promise 80 MiB, and send an octet each.
fn claim(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    echo(s, &mut c, STREAM)?;
    let Some(before) = s.subject()?.memory() else { return Ok(()) };
    for _ in 0..8 {
        let mut c = s.connect()?;
        c.send(&[header(BINARY, LIMIT), vec![1]].concat())?;
        c.wait_until_read();
        s.keep(c);
    }
    s.wait_until_still(ms(2000))?;
    let grown = s.subject()?.memory().unwrap_or_default().saturating_sub(before);
    if grown > 24 << 20 {
        let got = "it grew by more than 24 MiB, for eight claims of 10 MiB and 48 octets";
        return Err(Failure::new("memory to stay as it was", got)).because(CLAIM);
    }
    echo(s, &mut c, CLAIM)
}

fn unknown(s: &mut Scene) -> Outcome {
    for code in [s.rng.u8(3..), 0] {
        let right = string(s);
        let mut c = s.connect()?;
        c.send(&[&right[..], &frame(code, b"ebb")].concat())?;
        c.expect(&right)?;
        let said = format!("offset {}: unknown type {code} (known: 1 Binary, 2 String)", right.len());
        refused_with(&mut c, &said, OUT_OF_STEP)?;
    }
    Ok(())
}

/// A lone octet, a sequence without its end, a surrogate, a longer form than need be.
fn not_utf8(s: &mut Scene) -> Outcome {
    for wrong in [&b"\xff"[..], b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf"] {
        let words = s.phrase();
        let value = [words.as_bytes(), wrong].concat();
        let mut c = s.connect()?;
        c.send(&frame(STRING, &value))?;
        let (at, length) = (words.len(), value.len());
        let octet = wrong[0];
        let said = format!("offset {}: not UTF-8: octet {at} of a String of {length} octets is {octet:02x}", 5 + at);
        refused_with(&mut c, &said, UTF8)?;
    }
    Ok(())
}

fn truncated_header(s: &mut Scene) -> Outcome {
    for there in 1..5 {
        let mut c = s.connect()?;
        c.send(&header(STRING, 9)[..there])?;
        c.half_close()?;
        let said = format!("offset {there}: truncated header: {there} of 5 octets, then the end");
        refused_with(
            &mut c,
            &said,
            "recv(2): zero octets is the end of the stream; only between two frames is it meant",
        )?;
    }
    Ok(())
}

fn truncated_value(s: &mut Scene) -> Outcome {
    let sent = string(s);
    let there = s.rng.usize(6..sent.len());
    let mut c = s.connect()?;
    c.send(&sent[..there])?;
    c.half_close()?;
    let (got, want) = (there - 5, sent.len() - 5);
    let said =
        format!("offset {there}: truncated value: {got} of {want} octets of a String (limit 10,485,760), then the end");
    refused_with(&mut c, &said, "a FIN says that no more comes, and not that it was all; the length says what all is")
}

/// All of it is there before the server looks, more than it will read as frames.
fn no_reset(s: &mut Scene) -> Outcome {
    let right = string(s);
    s.hold()?;
    let mut c = s.connect()?;
    c.send(&[&right[..], &header(9, 100_000), &[b'~'; 100_000]].concat())?;
    s.release()?;
    let why = "RFC 9293 §3.6.1: a close while received octets are unread sends an RST, which can destroy the answer";
    c.expect(&right).because(why)?;
    refused_with(&mut c, &format!("offset {}: unknown type 9 (known: 1 Binary, 2 String)", right.len()), why)?;
    c.expect_no_reset(ms(30)).because(why)
}

fn silent(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    echo(s, &mut c, STREAM)?;
    c.expect_silence(ms(180)).because("--idle is a promise, too: until then the client may think")?;
    c.within(ms(2000))
        .expect_close(Close::Fin)
        .because("a silent connection costs a thread and a descriptor, and its peer may be long gone")
}

/// An octet each 50 ms, for four times as long as a frame may take.
fn drip(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    c.send(&header(BINARY, 1000))?;
    let sent = c.drip(&[b'.'; 20], ms(50));
    if sent == 20 {
        return Err(Failure::new("the program to give the frame up after 250ms", "1 s later it is still waiting"))
            .because(ABSOLUTE);
    }
    let what = "a String `error: offset …: deadline passed`";
    let (code, said) = whole(&mut c, what, 200).because(ABSOLUTE)?;
    if code != STRING || !said.ends_with(b": deadline passed") {
        let got = format!("a frame of type {code}: \"{}\"", netkata::hexdump::text(&said, 80));
        return Err(Failure::new(what, got)).because(ABSOLUTE);
    }
    c.expect_close(Close::Fin).because(ABSOLUTE)
}

fn stuck(s: &mut Scene) -> Outcome {
    let flood = frame(BINARY, &[b'~'; 1000]);
    let mut c = s.connect_slow(4096)?;
    c.within(ms(5000))
        .send_until_reset(&flood)
        .because("socket(7): a write to a reader that is stuck waits for ever, unless it has a deadline")?;
    c.leave();
    Ok(())
}

fn side_by_side(s: &mut Scene) -> Outcome {
    let why = "accept(2) takes one connection at a time; serving must not keep it from the next";
    let mut silent = s.connect()?;
    echo(s, &mut silent, why)?;
    let mut c = s.connect()?;
    echo(s, &mut c, why)
}

fn reset(s: &mut Scene) -> Outcome {
    let mut a = s.connect()?;
    echo(s, &mut a, STREAM)?;
    a.send(&header(BINARY, 9))?;
    a.wait_until_read();
    a.reset()?;
    s.wait_until_still(ms(500))?;
    let why = "RFC 9293 §3.5.3: a reset aborts its own connection";
    let mut b = s.connect().because(why)?;
    echo(s, &mut b, why)
}

fn beyond(s: &mut Scene) -> Outcome {
    let why = "256 clients with 10 MiB each are 2.5 GiB: only a limit on both bounds the memory";
    let (mut a, mut b) = (s.connect()?, s.connect()?);
    echo(s, &mut a, why)?;
    echo(s, &mut b, why)?;
    let mut c = s.connect()?;
    c.expect_close(Close::Fin).because(why)
}
