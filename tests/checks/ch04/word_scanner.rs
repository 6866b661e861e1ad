//! `word_scanner`: words of a stream that comes in any pieces.

use crate::checks::common;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;

/// The longest word of the contract, in octets.
const LONGEST: usize = 64 << 10;
const STREAM: &str = "RFC 9293 §3.8: TCP carries a stream of octets; where it is cut into segments means nothing";
const SPACE: &str = "Unicode, White_Space: no-break, em and ideographic space and NEL are white space, too";
const UTF8: &str =
    "RFC 3629 §3: a decoder must protect against invalid sequences; the offset tells where the stream went wrong";
const BOUND: &str = "what is kept until a delimiter comes needs a limit: the server decides when that is";

pub fn program() -> Program {
    Program::finished(4, "word_scanner")
        .check("prints_each_word", "each word is a line; how much white space is between them is no matter", prints)
        .check("keeps_punctuation", "white space separates words; punctuation is part of them", punctuation)
        .check("prints_a_word_at_once", "a word is printed when its delimiter has come", at_once)
        .check("needs_no_last_delimiter", "the end of the stream ends the last word", last_word)
        .check("an_empty_stream_has_no_words", "white space alone is no word, nor is nothing", no_words)
        .check("joins_a_cut_word", "a word may come in several segments", cut_word)
        .check("joins_a_cut_character", "so may a character", cut_character)
        .check("skips_segments_of_white_space", "a segment may hold nothing but delimiters", only_space)
        .check("knows_white_space", "white space is what Unicode calls so", white_space)
        .check("shows_no_control_octets", "what a server says cannot command the terminal", escapes)
        .check("names_invalid_octets", "octets that are not UTF-8 are an error that names the offset", invalid)
        .check("counts_from_the_beginning", "an offset counts from the first octet of the stream", far_offset)
        .check("names_a_character_cut_off", "a stream that ends inside a character is an error", cut_off)
        .check("takes_a_word_of_64_kib", "a word may have 65,536 octets", longest)
        .check("takes_no_longer_word", "a longer word is an error that names its offset, and not waited for", longer)
        .check("a_reset_is_an_error", "a reset is not the end of a stream", reset)
        .check("waits_no_longer_than_asked", "nothing for --idle is an error", silent)
        .with(&["--idle", "200ms"])
        .check("traffic_moves_the_limit_on", "--idle begins anew with every octet", moved_on)
        .with(&["--idle", "500ms"])
        .check("names_a_refused_connection", "who refuses is named in one line", common::names_a_refused_connection)
        .finished_only()
        .check("names_a_bad_peer", "a bad address is named in one line", common::names_a_bad_peer)
        .finished_only()
        .check("waits_for_a_client", "with --listen it reads from whoever connects, and ends with that client", listens)
        .with(&["--listen"])
        .check("ends_on_sigterm", "SIGTERM ends the wait for a client", common::ends_on_sigterm)
        .with(&["--listen"])
        .check("ends_on_sigint", "Ctrl-C ends the wait for a client", common::ends_on_sigint)
        .with(&["--listen"])
        .check("stops_while_it_reads", "so it does when a client is there", stops)
        .with(&["--listen"])
}

/// Starts the scanner and plays the server.
fn serve(s: &mut Scene) -> Outcome<Talk> {
    // What it prints, and when, is chance once it goes wrong: the dialogue leaves it out.
    s.start_client_unseen()?;
    s.accept()
}

fn expect_words<'a>(s: &mut Scene, words: impl IntoIterator<Item = &'a str>, why: &str) -> Outcome {
    words.into_iter().try_for_each(|word| s.expect_line(word).because(why))
}

/// The stream ends, and then the scanner, with all of its output met before.
fn end(s: &mut Scene, c: &mut Talk) -> Outcome {
    c.half_close()?;
    ends_well(s)
}

fn ends_well(s: &mut Scene) -> Outcome {
    s.expect_output_end()?;
    s.expect_exit(0, Duration::from_secs(2))
}

fn prints(s: &mut Scene) -> Outcome {
    let (first, second) = (s.phrase(), s.phrase());
    let mut c = serve(s)?;
    c.send(format!("  {first}\r\n\r\n\t{second} \n").replace(' ', "  ").as_bytes())?;
    c.half_close()?;
    expect_words(s, first.split(' ').chain(second.split(' ')), "two delimiters in a row have no word between them")?;
    ends_well(s)
}

fn punctuation(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let text = format!("Alas, {words}; the quay-side's (so they say) \"closed\".");
    let mut c = serve(s)?;
    c.send(format!("{text}\n").as_bytes())?;
    c.half_close()?;
    expect_words(s, text.split(' '), "this scanner's contract: it splits at white space, and at nothing else")?;
    ends_well(s)
}

/// In lock step: the next word is sent when the last one is printed.
fn at_once(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = serve(s)?;
    for word in words.split(' ') {
        c.send(format!("{word} ").as_bytes())?;
        s.expect_line(word)
            .because("a word that is complete will not change; on a slow stream the next may take hours")?;
    }
    end(s, &mut c)
}

fn last_word(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = serve(s)?;
    c.send(words.as_bytes())?;
    c.wait_until_read();
    c.half_close()?;
    expect_words(s, words.split(' '), "recv(2): zero octets is the end of the stream, and so of its last word")?;
    ends_well(s)
}

fn no_words(s: &mut Scene) -> Outcome {
    for text in ["", " \r\n "] {
        let mut c = serve(s)?;
        c.send(text.as_bytes())?;
        c.half_close()?;
        ends_well(s)?;
    }
    Ok(())
}

fn cut_word(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = serve(s)?;
    c.send_split(format!("{words}\n").as_bytes(), &[1, 2, words.len() - 2, words.len()])?;
    expect_words(s, words.split(' '), STREAM)?;
    end(s, &mut c)
}

fn cut_character(s: &mut Scene) -> Outcome {
    let words = format!("Ebbe-läuft {} 潮汐🚢", s.rng.u16(100..1000));
    let cuts: Vec<usize> = (1..words.len()).filter(|&at| !words.is_char_boundary(at)).collect();
    let mut c = serve(s)?;
    c.send_split(format!("{words}\n").as_bytes(), &cuts)?;
    expect_words(
        s,
        words.split(' '),
        "RFC 3629 §3: a character has up to four octets, and a segment may end after any of them",
    )?;
    end(s, &mut c)
}

fn only_space(s: &mut Scene) -> Outcome {
    let (first, second) = (s.phrase(), s.phrase());
    let mut c = serve(s)?;
    c.send(format!("{first} ").as_bytes())?;
    expect_words(s, first.split(' '), STREAM)?;
    for space in [" ", "\r\n"] {
        c.send(space.as_bytes())?;
        c.expect_silence(ms(20))
            .because("a read that brings no word is a read like any other; only the end is the end")?;
    }
    c.send(second.as_bytes())?;
    c.half_close()?;
    expect_words(s, second.split(' '), STREAM)?;
    ends_well(s)
}

fn white_space(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut spaces = ["\u{a0}", "\u{2003}", "\u{3000}", "\u{85}", "\u{b}", "\u{c}", "\u{2028}"];
    s.rng.shuffle(&mut spaces);
    let text = spaces.map(|space| words.replace(' ', space)).join("\t");
    let mut c = serve(s)?;
    c.send(text.as_bytes())?;
    c.half_close()?;
    expect_words(s, spaces.iter().flat_map(|_| words.split(' ')), SPACE)?;
    ends_well(s)
}

fn escapes(s: &mut Scene) -> Outcome {
    let n = s.rng.u16(100..1000);
    let mut c = serve(s)?;
    c.send(format!("ebb\x1b[2J\x07{n} fl\u{f6}d\n").as_bytes())?;
    let word = format!("ebb\\u{{1b}}[2J\\u{{7}}{n}");
    s.expect_line(&word)
        .because("console_codes(4): ESC [ 2 J clears a screen; a server may say it, and printing it would obey")?;
    s.expect_line("fl\u{f6}d")?;
    end(s, &mut c)
}

fn invalid(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = serve(s)?;
    c.send(format!("{words} berth").as_bytes())?;
    c.send(b"\xff\xfe and more ")?;
    c.half_close()?;
    expect_words(s, words.split(' '), UTF8)?;
    s.expect_output_end().because(UTF8)?;
    common::fails_with(s, &format!("invalid UTF-8 at offset {}", words.len() + 6)).because(UTF8)
}

/// What came before was read and printed long ago.
fn far_offset(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = serve(s)?;
    for word in words.split(' ') {
        c.send(format!("{word} ").as_bytes())?;
        s.expect_line(word)?;
    }
    c.send(b"\xc3\x28 ")?;
    common::fails_with(s, &format!("invalid UTF-8 at offset {}", words.len() + 1)).because(UTF8)
}

fn cut_off(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = serve(s)?;
    c.send(format!("{words} lä").as_bytes().split_last().map_or(&[][..], |(_, rest)| rest))?;
    c.half_close()?;
    expect_words(s, words.split(' '), UTF8)?;
    let offset = words.len() + 2;
    common::fails_with(s, &format!("the stream ended in the middle of a character, at offset {offset}"))
        .because("a FIN says that no more comes, and not that it was all")
}

fn longest(s: &mut Scene) -> Outcome {
    let words = "~".repeat(LONGEST);
    let mut c = serve(s)?;
    c.send(format!("ebb {words} flood").as_bytes())?;
    c.half_close()?;
    expect_words(
        s,
        ["ebb", words.as_str(), "flood"],
        "a limit belongs to what it allows: 65,536 octets are not too many",
    )?;
    ends_well(s)
}

/// The server goes on and on, and there is never a delimiter.
fn longer(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = serve(s)?;
    c.send(format!("{words} ").as_bytes())?;
    expect_words(s, words.split(' '), BOUND)?;
    c.send_until_reset(&[b'~'; 5000]).because(BOUND)?;
    common::fails_with(s, &format!("a word of more than 64 KiB, at offset {}", words.len() + 1)).because(BOUND)
}

fn reset(s: &mut Scene) -> Outcome {
    let mut c = serve(s)?;
    c.send(b"high water at")?;
    c.wait_until_read();
    s.expect_line("high")?;
    s.expect_line("water")?;
    c.reset()?;
    s.expect_output_end().because("the last word may have been cut off by the reset")?;
    common::fails_with(s, "connection reset by peer")
        .because("RFC 9293 §3.5.3: a reset aborts the connection; what was still on its way is lost")
}

fn silent(s: &mut Scene) -> Outcome {
    let start = Instant::now();
    let _c = serve(s)?;
    common::fails_with(s, "nothing came for 200ms")
        .because("recv(2) waits for ever, and a server that is gone sends no FIN")?;
    common::not_before(start, ms(200))
}

/// Two pieces of one word, each within the limit, together beyond it.
fn moved_on(s: &mut Scene) -> Outcome {
    let why = "a person at the other end types slowly: the limit is on silence, not on the word";
    let mut c = serve(s)?;
    for piece in ["ti", "de"] {
        c.expect_silence(ms(280)).because(why)?;
        c.send(piece.as_bytes()).because(why)?;
    }
    c.send(b" ").because(why)?;
    s.expect_line("tide").because(why)?;
    end(s, &mut c)
}

fn listens(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.connect()?;
    c.send(words.as_bytes())?;
    c.half_close()?;
    expect_words(s, words.split(' '), "listen(2): who waits to be called reads as well as who calls")?;
    c.expect_close(Close::Fin)?;
    ends_well(s)
}

fn stops(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    c.send(b"tide ")?;
    s.expect_line("tide")?;
    s.signal(Signal::SIGINT)?;
    s.expect_exit(0, Duration::from_secs(2))
        .because("signal(7): SIGINT is Ctrl-C at a terminal; a read that does not watch for it goes on")?;
    c.expect_close(Close::Fin)
}
