//! `tlv`: frames out of values, and values out of frames.

use super::tlv_frames::*;
use crate::checks::common;
use netkata::hexdump::hex;
use netkata_kit::prelude::*;

const PIPE: &str = "pipe(7): a pipe is a stream of octets, too; a reader takes what is there";

pub fn program() -> Program {
    Program::finished(4, "tlv")
        .check("encodes_a_string", "encode writes type, length and value", encodes)
        .check("encodes_in_order", "encode keeps the order of the command line", in_order)
        .check("encodes_lines", "without values, each line of standard input is a String", lines)
        .check("encodes_as_hexadecimal", "encode --hex writes digits, a line for each frame", as_hex)
        .check("refuses_what_is_no_hexadecimal", "a digit that is none is named, before anything is written", no_hex)
        .check("decodes_as_it_comes", "a frame is printed when it is complete, and the next may be late", streams)
        .check("decodes", "decode prints a line for each frame", decodes)
        .check("decodes_from_the_command_line", "decode --hex takes frames from its argument", decodes_hex)
        .check("shows_no_control_characters", "what is in a frame cannot command the terminal", escapes)
        .check("decodes_up_to_an_error", "what is right is printed before what is wrong is named", up_to_an_error)
        .check("names_what_is_wrong", "each kind of error has its own words, its offset and its limit", wrong)
        .check("names_what_is_missing", "an input that ends inside a frame is an error", missing)
        .check("dumps_under_a_ruler", "hexdump prints each frame on lines of its own, with offsets", dumps)
        .check("dumps_as_it_comes", "hexdump prints a frame when it is complete", dumps_late)
        .check("dumps_what_is_wrong", "hexdump shows the octets of a wrong frame, and names the error", dumps_wrong)
}

/// Runs it and gives it this input, without an end.
fn run(s: &mut Scene, arguments: &[&str], input: &[u8]) -> Outcome {
    s.journal.note(format!("tlv {}", arguments.join(" ")));
    s.run_with(arguments)?;
    if input.is_empty() { Ok(()) } else { s.type_octets(input) }
}

/// The end of the input is the end of the output.
fn ends(s: &mut Scene) -> Outcome {
    s.end_input()?;
    s.expect_output_end()?;
    s.expect_exit(0, Duration::from_secs(5))
}

fn encodes(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    run(s, &["encode", "--string", &words], b"")?;
    let expected = frame(STRING, words.as_bytes());
    s.expect_line(&String::from_utf8_lossy(&expected)).because(
        "the length is that of the value alone; its most significant octet goes first (RFC 1700, Data Notations)",
    )?;
    ends(s)
}

fn in_order(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    run(s, &["encode", "--binary", "7f00", "--string", &words, "--binary", "01:02 03"], b"")?;
    let expected = [frame(BINARY, b"\x7f\0"), frame(STRING, words.as_bytes()), frame(BINARY, &[1, 2, 3])].concat();
    s.expect_line(&String::from_utf8_lossy(&expected))
        .because("frames of two types on one stream have one order: that in which they were given")?;
    ends(s)
}

fn lines(s: &mut Scene) -> Outcome {
    let (first, second) = (s.phrase(), s.phrase());
    run(s, &["encode"], format!("{first}\r\n\n{second}").as_bytes())?;
    s.end_input()?;
    let all = [frame(STRING, first.as_bytes()), frame(STRING, b""), frame(STRING, second.as_bytes())].concat();
    s.expect_line(&String::from_utf8_lossy(&all)).because("a line end is LF or CR LF, and no part of the line")?;
    ends(s)
}

fn as_hex(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    run(s, &["encode", "--hex", "--string", &words, "--binary", "00ff"], b"")?;
    for frame in [frame(STRING, words.as_bytes()), frame(BINARY, b"\0\xff")] {
        s.expect_line(&hex(&frame, 100)).because("a terminal shows no octet 00; people compare digits")?;
    }
    ends(s)
}

fn no_hex(s: &mut Scene) -> Outcome {
    for (given, said) in
        [("0g", "--binary: 'g' is no hexadecimal digit"), ("00f", "--binary: 3 digits: an octet has two")]
    {
        run(s, &["encode", "--string", "Alma", "--binary", given], b"")?;
        let why = "half an output is taken for a whole one by whatever reads it";
        s.expect_output_end().because(why)?;
        common::fails_with(s, said).because(why)?;
    }
    Ok(())
}

fn decodes(s: &mut Scene) -> Outcome {
    let (words, octets) = (s.phrase(), s.octets(12));
    let all =
        [frame(STRING, words.as_bytes()), frame(BINARY, &octets), frame(STRING, b""), frame(BINARY, b"")].concat();
    run(s, &["decode"], &all)?;
    for line in [format!("[String] \"{words}\""), format!("[Binary] {}", hex(&octets, 12))] {
        s.expect_line(&line)?;
    }
    for line in ["[String] \"\"", "[Binary]"] {
        s.expect_line(line).because("an empty value is a value: the stream goes on")?;
    }
    ends(s)
}

fn decodes_hex(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let digits = hex(&frame(STRING, words.as_bytes()), 100).replace(' ', "");
    run(s, &["decode", "--hex", &digits], b"")?;
    s.expect_line(&format!("[String] \"{words}\""))
        .because("the octets of a capture are digits in a window, not a file")?;
    ends(s)
}

fn streams(s: &mut Scene) -> Outcome {
    let (first, second) = (s.phrase(), s.phrase());
    let late = frame(STRING, second.as_bytes());
    run(s, &["decode"], b"")?;
    s.type_octets(&[&frame(STRING, first.as_bytes())[..], &late[..3]].concat())?;
    s.expect_line(&format!("[String] \"{first}\"")).because(PIPE)?;
    s.expect_no_output(ms(50)).because(PIPE)?;
    s.type_octets(&late[3..9])?;
    s.expect_no_output(ms(50)).because(PIPE)?;
    s.type_octets(&late[9..])?;
    s.expect_line(&format!("[String] \"{second}\"")).because(PIPE)?;
    ends(s)
}

fn escapes(s: &mut Scene) -> Outcome {
    run(s, &["decode"], &frame(STRING, "Bødø\x1b]0;\"ebb\"\x07\t".as_bytes()))?;
    s.expect_line("[String] \"Bødø\\u{1b}]0;\\\"ebb\\\"\\u{7}\\t\"")
        .because("console_codes(4): ESC ] 0 sets a terminal's title; whoever made the frame could do it")?;
    ends(s)
}

fn up_to_an_error(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    run(s, &["decode"], &[frame(STRING, words.as_bytes()), frame(7, b"ebb")].concat())?;
    s.expect_line(&format!("[String] \"{words}\""))?;
    s.expect_output_end()?;
    let said = format!("offset {}: unknown type 7 (known: 1 Binary, 2 String)", 5 + words.len());
    common::fails_with(s, &said).because("the offset counts from the first octet of the input: there is the fault")
}

fn wrong(s: &mut Scene) -> Outcome {
    for (input, said, why) in [
        (
            header(BINARY, LIMIT + 1),
            "offset 1: too long: a Binary of 10,485,761 octets (limit 10,485,760)",
            "a length is a claim: refuse it before there is memory for it",
        ),
        (
            header(STRING, u32::MAX),
            "offset 1: too long: a String of 4,294,967,295 octets (limit 10,485,760)",
            "text is no shorter than octets: both types need the limit",
        ),
        (
            frame(STRING, b"tide\xff"),
            "offset 9: not UTF-8: octet 4 of a String of 5 octets is ff",
            "RFC 3629 §3: decoders must protect themselves against invalid sequences; a repaired text is another text",
        ),
    ] {
        run(s, &["decode"], &input)?;
        common::fails_with(s, said).because(why)?;
    }
    Ok(())
}

fn missing(s: &mut Scene) -> Outcome {
    for (input, said) in [
        (header(STRING, 9)[..4].to_vec(), "offset 4: truncated header: 4 of 5 octets, then the end"),
        (
            [header(BINARY, 9), vec![1, 2]].concat(),
            "offset 7: truncated value: 2 of 9 octets of a Binary (limit 10,485,760), then the end",
        ),
    ] {
        run(s, &["decode"], &input)?;
        s.end_input()?;
        common::fails_with(s, said).because("a file that was cut off looks like a whole one up to its last octet")?;
    }
    Ok(())
}

/// Starts a hexdump, and waits for its ruler.
fn dump(s: &mut Scene) -> Outcome {
    run(s, &["hexdump"], b"")?;
    s.expect_line("offset    T  length      value")
        .because("an octet on its own says nothing; below a ruler, it is a type, a length or a value")
}

fn dumps(s: &mut Scene) -> Outcome {
    dump(s)?;
    s.type_octets(&[frame(STRING, b"Alma sounds 12"), frame(BINARY, b"\0\xff")].concat())?;
    for line in [
        "00000000  02 00 00 00 0e 41 6c 6d  61 20 73 6f 75 6e 64 73  |.....Alma sounds|  String, 14 octets",
        "00000010  20 31 32                                          | 12|",
        "00000013  01 00 00 00 02 00 ff                              |.......|  Binary, 2 octets",
    ] {
        s.expect_line(line)
            .because("each frame begins on a line of its own, so that its fields stand below the ruler")?;
    }
    ends(s)
}

fn dumps_late(s: &mut Scene) -> Outcome {
    dump(s)?;
    s.type_octets(&frame(STRING, b"ebb")[..6])?;
    s.expect_no_output(ms(50)).because(PIPE)?;
    s.type_octets(b"bb")?;
    s.expect_output("|.....ebb|  String, 3 octets\n").because(PIPE)?;
    ends(s)
}

fn dumps_wrong(s: &mut Scene) -> Outcome {
    dump(s)?;
    s.type_octets(&[frame(STRING, b"ebb"), header(BINARY, 1 << 30)].concat())?;
    s.expect_output("String, 3 octets\n")?;
    s.expect_line("00000008  01 40 00 00 00                                    |.@...|  ?")
        .because("the octets say more than the message: here, a length of one GiB")?;
    common::fails_with(s, "offset 9: too long: a Binary of 1,073,741,824 octets (limit 10,485,760)")
}
