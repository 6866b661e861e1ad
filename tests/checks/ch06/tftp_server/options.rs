//! RFC 2347, 2348, 2349: what a client may ask for, and what it gets.

use super::{serve, serve_adaptively};
use crate::checks::common::not_before;
use netkata_kit::prelude::*;
use netkata_kit::tftp;

const OMIT: &str =
    "RFC 2347: an option that is not understood, or not granted, is left out of the OACK, and that is all";

pub fn checks(program: Program) -> Program {
    program
        .check("grants_options", "options that are granted are named in an OACK, before any DATA", grants)
        .check("waits_for_ack_0", "DATA waits until ACK 0 has agreed to the OACK", waits)
        .check("repeats_the_oack", "an OACK that is not acknowledged is sent again", repeats)
        .check("tells_the_size", "tsize is answered with the file's size", size)
        .check(
            "leaves_out_what_it_does_not_know",
            "unknown options are left out, and alone they change nothing",
            unknown,
        )
        .check("leaves_out_what_cannot_be", "a value that an option may not have is not acknowledged", cannot_be)
        .check("knows_options_in_any_case", "blksize, BLKSIZE and BlkSize are one option", any_case)
        .check("takes_the_first_of_two", "of an option that is there twice, the first counts", first_of_two)
        .check("limits_the_blksize", "a larger blksize than --max-blksize becomes that", limits)
        .check("keeps_to_the_timeout", "a timeout that was agreed on is kept", timeout)
        .check("can_do_without_options", "with --no-options, RFC 1350 is all there is", none)
        .finished_only()
}

fn grants(s: &mut Scene) -> Outcome {
    let octets = s.octets(3000);
    let size = (600 + s.rng.usize(..800)).to_string();
    let blksize = size.parse().unwrap_or(600);
    serve(s, &octets, &[])?;
    let mut c = s.tftp()?;
    c.ask_for("tides.txt", &[("blksize", &size)])?;
    c.expect_oack(&[("blksize", &size)]).because("RFC 2347: the server answers with an OACK of what it grants")?;
    c.ack(0)?;
    c.expect_blocks(1, &octets, blksize)
        .because("RFC 2348: blocks of the size that was agreed on; a shorter one is last")
}

fn waits(s: &mut Scene) -> Outcome {
    let octets = s.octets(300);
    serve(s, &octets, &[])?;
    let mut c = s.tftp()?;
    c.ask_for("tides.txt", &[("blksize", "200")])?;
    c.expect_oack(&[("blksize", "200")])?;
    let why = "RFC 2347: the client agrees by an ACK of block 0, or refuses by ERROR 8";
    c.expect_silence(ms(50)).because(why)?;
    c.ack(0)?;
    c.expect_blocks(1, &octets, 200).because(why)
}

fn repeats(s: &mut Scene) -> Outcome {
    let octets = s.octets(300);
    serve(s, &octets, &["--timeout", "80ms", "--retries", "3"])?;
    let mut c = s.tftp()?;
    c.ask_for("tides.txt", &[("blksize", "200")])?;
    for _ in 0..3 {
        c.expect_oack(&[("blksize", "200")])
            .because("RFC 2347: an OACK can be lost as a DATA can, and is sent again")?;
    }
    c.expect_silence(ms(160))
}

fn size(s: &mut Scene) -> Outcome {
    let len = 1000 + s.rng.usize(..4000);
    let octets = s.octets(len);
    serve(s, &octets, &[])?;
    let mut c = s.tftp()?;
    c.ask_for("tides.txt", &[("tsize", "0")])?;
    let why = "RFC 2349: the client writes 0, and the server returns the size of the file in octets";
    c.expect_oack(&[("tsize", &len.to_string())]).because(why)?;
    c.ack(0)?;
    c.expect_blocks(1, &octets, 512)
}

fn unknown(s: &mut Scene) -> Outcome {
    let octets = s.octets(300);
    serve(s, &octets, &[])?;
    let mut c = s.tftp()?;
    c.ask_for("tides.txt", &[("moonphase", "full"), ("blksize", "200"), ("x", "")])?;
    c.expect_oack(&[("blksize", "200")]).because(OMIT)?;
    c.ack(0)?;
    c.expect_blocks(1, &octets, 200)?;
    let mut c = s.tftp()?;
    c.ask_for("tides.txt", &[("moonphase", "full")])?;
    c.expect_blocks(1, &octets, 512).because("RFC 2347: where nothing is granted there is no OACK, but DATA 1")
}

fn cannot_be(s: &mut Scene) -> Outcome {
    let octets = s.octets(20);
    serve(s, &octets, &[])?;
    for option in [
        ("blksize", "7"),
        ("blksize", "0"),
        ("blksize", "-512"),
        ("blksize", "many"),
        ("blksize", ""),
        ("timeout", "0"),
        ("timeout", "256"),
        ("tsize", "none"),
        ("windowsize", "0"),
    ] {
        let mut c = s.tftp()?;
        c.ask_for("tides.txt", &[option])?;
        c.expect_data(1, &octets)
            .because("RFC 2348 §2: 8 to 65464 octets; RFC 2349: 1 to 255 s; RFC 7440: 1 to 65535 blocks")?;
        c.ack(1)?;
    }
    Ok(())
}

fn any_case(s: &mut Scene) -> Outcome {
    let octets = s.octets(300);
    serve(s, &octets, &[])?;
    let mut c = s.tftp()?;
    c.ask_for("tides.txt", &[("BlkSize", "200")])?;
    let got = c.receive()?;
    if !got.to_ascii_lowercase().eq_ignore_ascii_case(&tftp::oack(&[("blksize", "200")])) {
        return Err(Failure::octets(&tftp::oack(&[("blksize", "200")]), &got, "one datagram"))
            .because("RFC 2347: option names are case insensitive");
    }
    c.ack(0)?;
    c.expect_blocks(1, &octets, 200)
}

fn first_of_two(s: &mut Scene) -> Outcome {
    let octets = s.octets(300);
    serve(s, &octets, &[])?;
    let mut c = s.tftp()?;
    c.ask_for("tides.txt", &[("blksize", "200"), ("blksize", "100")])?;
    c.expect_oack(&[("blksize", "200")])
        .because("RFC 2347: an option may be specified once; an OACK with two says nothing")?;
    c.ack(0)?;
    c.expect_blocks(1, &octets, 200)
}

fn limits(s: &mut Scene) -> Outcome {
    let octets = s.octets(3000);
    serve(s, &octets, &["--max-blksize", "900"])?;
    for (asked, granted) in [("1428", "900"), ("65535", "900"), ("99999999999999999999", "900"), ("700", "700")] {
        let mut c = s.tftp()?;
        c.ask_for("tides.txt", &[("blksize", asked)])?;
        c.expect_oack(&[("blksize", granted)])
            .because("RFC 2348: the server may answer with a smaller value, which the client must then use")?;
        c.ack(0)?;
        c.expect_blocks(1, &octets, granted.parse().unwrap_or(900))?;
    }
    Ok(())
}

fn timeout(s: &mut Scene) -> Outcome {
    let octets = s.octets(300);
    serve_adaptively(s, &octets, &["--timeout", "100ms"])?;
    let mut c = s.tftp()?;
    c.ask_for("tides.txt", &[("timeout", "1")])?;
    c.expect_oack(&[("timeout", "1")])?;
    c.ack(0)?;
    let start = Instant::now();
    c.expect_data(1, &octets)?;
    c.within(Duration::from_secs(4)).expect_data(1, &octets)?;
    // The kernel's timers count in ticks, of ten milliseconds at most.
    not_before(start, ms(980)).because("RFC 2349: both sides wait as long as was agreed on before they send again")?;
    c.ack(1)
}

fn none(s: &mut Scene) -> Outcome {
    let octets = s.octets(700);
    serve(s, &octets, &["--no-options"])?;
    let mut c = s.tftp()?;
    c.ask_for("tides.txt", &[("blksize", "200"), ("tsize", "0"), ("windowsize", "4")])?;
    c.expect_blocks(1, &octets, 512).because("RFC 2347: a server without the extension ignores what follows the mode")
}
