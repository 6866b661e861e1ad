//! `number_server`: numbers by chance, within bounds.
//!
//! Where chance decides, a right program may fail once in a hundred million runs: the bounds of these checks are six
//! standard deviations wide.

use crate::checks::common;
use netkata_kit::prelude::*;

const EVEN: &str = "2^64 is a multiple of few sizes: what a remainder leaves over prefers the low numbers";

pub fn program() -> Program {
    Program::exercise(4, "number_server")
        .check("answers_with_a_number_of_the_range", "each line is answered by a number from LOW to HIGH", in_range)
        .check("answers_each_line", "lines that come together are answered one by one", together)
        .check("draws_from_one_number", "where LOW is HIGH, that is the number", one)
        .check("draws_again_for_each_line", "the next number is another draw", again)
        .check("includes_both_bounds", "LOW and HIGH are numbers of the range", bounds)
        .check("draws_numbers_below_zero", "the bounds may be negative", negative)
        .check("draws_each_number_as_often", "six numbers, each about a sixth of the time", dice)
        .check("prefers_no_low_numbers", "in a wide range, the lower third comes up a third of the time", thirds)
        .check("draws_odd_numbers_of_a_wide_range", "in a wide range, every second number is odd", odd)
        .check("draws_from_all_64_bits", "the widest range there is, is a range as well", widest)
        .check("refuses_a_low_above_its_high", "a LOW above its HIGH is an error, and no end", above)
        .check("refuses_what_are_not_two_numbers", "other than two numbers is an error, and no end", not_two)
        .check(
            "refuses_numbers_of_more_than_64_bits",
            "a number too large is an error, and not another number",
            too_large,
        )
        .check("stops_at_stop", "STOP closes, after the answers that are due, and with a FIN", stop)
        .check("refuses_a_long_line", "a line of more than 64 octets is answered by an error, and is the last", long)
        .check("ends_with_the_stream", "after the half-close comes what is due, and a FIN", end)
        .check("a_seed_repeats_the_numbers", "with --seed, a new server draws the same numbers", seed)
        .with(&["--seed", "7"])
        .check("draws_others_without_a_seed", "without --seed, a new server draws others", no_seed)
        .check("serves_clients_side_by_side", "a silent client does not hold up the next", side_by_side)
        .check("survives_a_reset", "a peer that resets ends its own connection and no other", reset)
        .check("ends_on_sigterm", "SIGTERM ends an idle server", common::ends_on_sigterm)
        .check("ends_on_sigint", "Ctrl-C ends an idle server", common::ends_on_sigint)
}

/// The numbers of this run, too, come of the seed that the message prints.
fn seeded(s: &mut Scene) {
    let seed = s.rng.u32(10_000..);
    s.option("--seed", seed);
}

/// One answer: a whole number in decimal, and CR LF.
fn number(c: &mut Talk) -> Outcome<i64> {
    let line = c.read_line(64)?;
    let text = line.strip_suffix(b"\r\n").and_then(|text| std::str::from_utf8(text).ok());
    let number = text.and_then(|text| text.parse::<i64>().ok().filter(|n| n.to_string() == text));
    number.ok_or_else(|| {
        Failure::new("a whole number in decimal, and CR LF", format!("\"{}\"", netkata::hexdump::text(&line, 60)))
    })
    .because("this server's contract: a number a line, and its lines end in CR LF, as most on the network do (RFC 5198 §2)")
}

fn expect_between(n: i64, low: i64, high: i64) -> Outcome {
    if (low..=high).contains(&n) {
        Ok(())
    } else {
        Err(Failure::new(format!("a number from {low} to {high}"), n.to_string()))
    }
}

/// An answer that begins with `error `; the rest is the program's own.
fn expect_error(c: &mut Talk) -> Outcome {
    let line = c.read_line(200)?;
    if line.starts_with(b"error ") && line.ends_with(b"\r\n") {
        return Ok(());
    }
    Err(Failure::new("a line `error …`, and CR LF", format!("\"{}\"", netkata::hexdump::text(&line, 60))))
}

/// An ordinary line is answered as ever.
fn expect_good(s: &mut Scene, c: &mut Talk) -> Outcome {
    let low = s.rng.i64(-900..900);
    c.send(format!("{low} {}\r\n", low + 9).as_bytes())?;
    expect_between(number(c)?, low, low + 9)
}

/// Many draws from one range. What is asked is not kept in the dialogue line by line.
fn draws(s: &mut Scene, low: i64, high: i64, times: usize) -> Outcome<Vec<i64>> {
    let mut c = s.connect()?;
    c.send_in_background(format!("{low} {high}\n").repeat(times).as_bytes())?;
    // What comes is chance, and too much to be shown.
    c.ignore();
    let drawn = (0..times).map(|_| number(&mut c)).collect::<Outcome<Vec<i64>>>()?;
    s.journal.note(format!("{} answers", netkata::human::thousands(times)));
    match drawn.iter().find(|n| !(low..=high).contains(*n)) {
        None => Ok(drawn),
        Some(_) => Err(Failure::new(format!("numbers from {low} to {high}"), "some that are not")),
    }
}

fn in_range(s: &mut Scene) -> Outcome {
    seeded(s);
    let mut c = s.connect()?;
    for end in ["\r\n", "\n", "\r\n"] {
        let low = s.rng.i64(10..1000);
        let high = low + s.rng.i64(1..50);
        c.send(format!("{low} {high}{end}").as_bytes())?;
        expect_between(number(&mut c)?, low, high)
            .because("this server's contract: LOW HIGH is answered by a number of that range")?;
    }
    Ok(())
}

fn together(s: &mut Scene) -> Outcome {
    seeded(s);
    let mut c = s.connect()?;
    c.send_split(b"11 12\r\n21 22\r\n31 32\r\n", &[9])?;
    for ten in [10, 20, 30] {
        expect_between(number(&mut c)?, ten + 1, ten + 2)
            .because("RFC 9293 §3.8: TCP carries octets; where a segment ends means nothing")?;
    }
    c.expect_no_more(ms(20))
}

fn one(s: &mut Scene) -> Outcome {
    seeded(s);
    let mut c = s.connect()?;
    for n in [s.rng.i64(1000..9999), 0, i64::MAX, i64::MIN] {
        c.send(format!("{n} {n}\n").as_bytes())?;
        c.expect(format!("{n}\r\n").as_bytes())
            .because("both bounds are included, so this range has one number, not none")?;
    }
    Ok(())
}

/// Sixty-four draws of two: all alike once in 2^63 runs.
fn bounds(s: &mut Scene) -> Outcome {
    seeded(s);
    let low = s.rng.i64(10..90);
    let drawn = draws(s, low, low + 1, 64)?;
    for bound in [low, low + 1] {
        if !drawn.contains(&bound) {
            return Err(Failure::new(format!("{low} and {} among 64 draws", low + 1), format!("never {bound}")))
                .because("LOW and HIGH are numbers of the range: of two numbers, neither may be missing");
        }
    }
    Ok(())
}

fn again(s: &mut Scene) -> Outcome {
    seeded(s);
    let mut drawn = draws(s, 1, 1 << 40, 20)?;
    drawn.sort_unstable();
    drawn.dedup();
    if drawn.len() == 20 {
        return Ok(());
    }
    Err(Failure::new("20 numbers of a million million, all different", format!("{} different", drawn.len())))
        .because("a generator that is made anew for each line begins anew for each line")
}

fn negative(s: &mut Scene) -> Outcome {
    seeded(s);
    let drawn = draws(s, -3, 3, 300)?;
    match (-3..=3).find(|n| !drawn.contains(n)) {
        None => Ok(()),
        Some(_) => {
            Err(Failure::new("each of -3 to 3 among 300 draws", "not each")).because("a whole number has a sign")
        }
    }
}

/// 6,000 throws: a thousand of each, and a standard deviation of 29.
fn dice(s: &mut Scene) -> Outcome {
    seeded(s);
    let drawn = draws(s, 1, 6, 6000)?;
    for face in 1..=6 {
        let times = drawn.iter().filter(|n| **n == face).count();
        if !(826..=1174).contains(&times) {
            let often = if times > 1174 { "more than 1,174 times" } else { "fewer than 826 times" };
            return Err(Failure::new("each of 1 to 6 about 1,000 times of 6,000", format!("{face} {often}")))
                .because("each number of the range is as likely as any other");
        }
    }
    Ok(())
}

/// A range of 3 × 2^62 numbers, 2,000 draws: 667 of each third, and a standard deviation of 21. The remainder of 64 bits
/// would give the lower third twice as often as the others.
fn thirds(s: &mut Scene) -> Outcome {
    seeded(s);
    let third = 1_i64 << 62;
    // The highest number is 2^63 - 1, so the lowest is -2^62: three times 2^62 numbers in all.
    let drawn = draws(s, -third, i64::MAX, 2000)?;
    let lower = drawn.iter().filter(|n| **n < 0).count();
    if (540..=793).contains(&lower) {
        return Ok(());
    }
    let often = if lower > 793 { "more than 793 times" } else { "fewer than 540 times" };
    Err(Failure::new("the lower third about 667 times of 2,000", often)).because(EVEN)
}

fn odd(s: &mut Scene) -> Outcome {
    seeded(s);
    let drawn = draws(s, 0, 1 << 62, 400)?;
    let odd = drawn.iter().filter(|n| **n % 2 != 0).count();
    if (140..=260).contains(&odd) {
        return Ok(());
    }
    let often = if odd < 140 { "fewer than 140" } else { "more than 260" };
    Err(Failure::new("about 200 odd numbers of 400", often))
        .because("IEEE 754: a float of 64 bits has a fraction of 53; scaled up, its last bits are zeros")
}

fn widest(s: &mut Scene) -> Outcome {
    seeded(s);
    let why = "this range has 2^64 numbers: its size, and the distance of two numbers, can be more than 64 bits hold";
    let drawn = draws(s, i64::MIN, i64::MAX, 64).map_err(|f| Failure { why: None, ..f }).because(why)?;
    let below = drawn.iter().filter(|n| **n < 0).count();
    if (1..64).contains(&below) {
        return Ok(());
    }
    Err(Failure::new("numbers below zero and above", "of one kind only")).because(why)
}

fn above(s: &mut Scene) -> Outcome {
    seeded(s);
    let mut c = s.connect()?;
    for line in ["6 1\r\n", "0 -1\n", "9223372036854775807 -9223372036854775808\n"] {
        c.send(line.as_bytes())?;
        expect_error(&mut c)
            .because("a range without numbers has nothing to draw; to swap the bounds would be a guess")?;
    }
    expect_good(s, &mut c)
}

fn not_two(s: &mut Scene) -> Outcome {
    seeded(s);
    let mut c = s.connect()?;
    let lines: [&[u8]; 9] =
        [b"\r\n", b"7\r\n", b"1 2 3\r\n", b"one six\r\n", b"1 6x\n", b"1.0 6.0\n", b"1,6\n", b"stop\n", b"1 \xff\n"];
    for line in lines {
        c.send(line)?;
        expect_error(&mut c).because("one line, one answer: who asks wrong is told so, and may ask again")?;
    }
    expect_good(s, &mut c)
}

fn too_large(s: &mut Scene) -> Outcome {
    seeded(s);
    let mut c = s.connect()?;
    for line in ["0 9223372036854775808\n", "-9223372036854775809 0\n", "18446744073709551616 18446744073709551617\n"] {
        c.send(line.as_bytes())?;
        expect_error(&mut c).because("a number that is cut to 64 bits is another number")?;
    }
    expect_good(s, &mut c)
}

fn stop(s: &mut Scene) -> Outcome {
    seeded(s);
    let mut c = s.connect()?;
    c.send(b"4 4\r\n5 5\r\nSTOP\r\n6 6\r\n")?;
    c.expect(b"4\r\n5\r\n").because("what was asked before STOP is answered")?;
    c.expect_close(Close::Fin).because("STOP ends the conversation, and what comes after it has no answer")?;
    c.expect_no_reset(ms(30))
}

fn long(s: &mut Scene) -> Outcome {
    seeded(s);
    let (spaces, more) = (s.rng.usize(70..200), s.rng.usize(2000..9000));
    let line = format!("1{}6\n", " ".repeat(spaces));
    let mut c = s.connect()?;
    c.send(format!("8 8\n{line}{}", "1 6\n".repeat(more / 4)).as_bytes())?;
    c.expect(b"8\r\n")?;
    expect_error(&mut c).because("a client that is left without a word does not know what it did wrong")?;
    c.expect_close(Close::Fin)
        .because("a line without a limit is memory without a limit, in the hands of whoever connects")
}

fn end(s: &mut Scene) -> Outcome {
    seeded(s);
    let mut c = s.connect()?;
    c.send(b"3 3\n4 4")?;
    c.half_close()?;
    c.expect(b"3\r\n4\r\n")
        .because("RFC 9293 §3.6: a FIN closes one direction; the other is still good for what is due")?;
    c.expect_close(Close::Fin)
}

/// The first numbers of a new server, as it says them.
fn first_numbers(s: &mut Scene) -> Outcome<Vec<i64>> {
    s.start()?;
    draws(s, 1, 1 << 40, 4)
}

fn seed(s: &mut Scene) -> Outcome {
    let (first, second) = (first_numbers(s)?, first_numbers(s)?);
    if first == second {
        return Ok(());
    }
    Err(Failure::new("the same four numbers from two servers with --seed 7", "others"))
        .because("a run that can be repeated can be debugged: that is what a seed is for")
}

fn no_seed(s: &mut Scene) -> Outcome {
    let (first, second) = (first_numbers(s)?, first_numbers(s)?);
    if first != second {
        return Ok(());
    }
    Err(Failure::new("other numbers from a new server", "the same four"))
        .because("a seed that is written into the program makes every server draw the same numbers")
}

/// The first client is being served, and silent, when the second one comes.
fn side_by_side(s: &mut Scene) -> Outcome {
    seeded(s);
    let mut silent = s.connect()?;
    expect_good(s, &mut silent)?;
    let mut c = s.connect()?;
    expect_good(s, &mut c).because("accept(2) takes one connection at a time; serving must not keep it from the next")
}

fn reset(s: &mut Scene) -> Outcome {
    seeded(s);
    let mut a = s.connect()?;
    expect_good(s, &mut a)?;
    a.send(b"1 ")?;
    a.reset()?;
    let mut b = s.connect()?;
    expect_good(s, &mut b).because("RFC 9293 §3.5.3: a reset aborts its own connection")
}
