//! `sha512_256sum`: prints hashes of files, and checks them.

use crate::checks::common::fails_with;
use netkata_kit::prelude::*;
use sha2::{Digest, Sha512_256};

const OF_NOTHING: &str = "c672b8d1ef56ed28ab87c3622c5114069bdd3ad7b8f9737498d0c01ecef0967a";
const OF_ABC: &str = "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23";
const STATUS: &str = "sha256sum(1), shasum(1): a script asks the exit status, and nothing else";

pub fn program() -> Program {
    Program::finished(6, "sha512_256sum")
        .check("knows_the_vectors", "the hashes are those of FIPS 180-4", vectors)
        .check("reads_every_octet", "a file may be as long as it likes", every_octet)
        .check("reads_standard_input", "without names, and for -, it reads standard input", standard_input)
        .check("goes_on_after_an_error", "a file that cannot be read is told, and the others follow", unreadable)
        .check("escapes_names", "a name with a line feed or a backslash stays on one line", escapes)
        .check("prints_tags", "--tag prints lines as BSD does", tags)
        .check("checks_a_list", "--check says OK or FAILED for each file, and the status tells", checks)
        .check("reads_every_form", "--check reads all usual forms of a line", forms)
        .check("misses_a_file", "a file that cannot be read has failed", misses)
        .check("passes_over_what_is_missing", "with --ignore-missing, it has not", ignores_missing)
        .check("is_quiet", "--quiet tells failures alone, --status nothing", quiet)
        .check("minds_odd_lines", "a line of another form is counted; --strict makes it a failure", odd_lines)
        .check("skips_a_long_line", "a line that never ends is one line, and takes no memory", long_line)
        .check("refuses_a_list_of_nothing", "a list without a hash is an error", nothing)
}

fn hash(octets: &[u8]) -> String {
    Sha512_256::digest(octets).iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A file in the scene's folder, where the program is started.
fn file(s: &mut Scene, name: &str, octets: &[u8]) -> Outcome {
    s.inside_its_folder();
    let path = s.file(name)?;
    std::fs::write(path, octets).map_err(|e| Failure::new(format!("a file {name}"), e.to_string()))
}

fn ends(s: &mut Scene, status: i32) -> Outcome {
    s.expect_output_end()?;
    s.expect_exit(status, Duration::from_secs(5)).because(STATUS)
}

fn vectors(s: &mut Scene) -> Outcome {
    file(s, "empty", b"")?;
    file(s, "abc", b"abc")?;
    s.run_with(&["empty", "abc"])?;
    let why = "FIPS 180-4 §5.3.6: SHA-512/256 begins with values of its own; it is no SHA-512 cut short";
    s.expect_line(&format!("{OF_NOTHING}  empty")).because(why)?;
    s.expect_line(&format!("{OF_ABC}  abc")).because(why)?;
    ends(s, 0)
}

fn every_octet(s: &mut Scene) -> Outcome {
    let size = 300_000 + s.rng.usize(..100_000);
    let octets = s.octets(size);
    file(s, "chart.png", &octets)?;
    s.run_with(&["chart.png"])?;
    s.expect_line(&format!("{}  chart.png", hash(&octets)))
        .because("read(2): fewer octets than asked for are not the end of the file; none are")?;
    ends(s, 0)
}

fn standard_input(s: &mut Scene) -> Outcome {
    for arguments in [&[][..], &["-"][..]] {
        let words = s.phrase();
        s.run_with(arguments)?;
        s.type_octets(words.as_bytes())?;
        s.end_input()?;
        s.expect_line(&format!("{}  -", hash(words.as_bytes())))
            .because("sha256sum(1): with no FILE, or when FILE is -, read standard input")?;
        ends(s, 0)?;
    }
    Ok(())
}

fn unreadable(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    file(s, "tides.txt", words.as_bytes())?;
    s.run_with(&["ebb.txt", "tides.txt"])?;
    s.let_output_end()?;
    s.expect_line(&format!("{}  tides.txt", hash(words.as_bytes())))
        .because("standard output is for hashes: what stands there in place of one will be taken for one")?;
    s.expect_output_end()?;
    fails_with(s, "read ebb.txt: no such file or directory").because(STATUS)
}

fn escapes(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let name = "high\nwater\\mark";
    file(s, name, words.as_bytes())?;
    s.run_with(&[name])?;
    s.expect_line(&format!("\\{}  high\\nwater\\\\mark", hash(words.as_bytes())))
        .because("sha256sum(1): a leading backslash says that the name is escaped; otherwise it forges a line")?;
    ends(s, 0)
}

fn tags(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    file(s, "tides.txt", words.as_bytes())?;
    s.run_with(&["--tag", "tides.txt"])?;
    s.expect_line(&format!("SHA512/256 (tides.txt) = {}", hash(words.as_bytes())))
        .because("shasum(1), --tag: the algorithm, the name in brackets, the hash")?;
    ends(s, 0)
}

/// A list of one good file and one that has changed since.
fn good_and_changed(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    file(s, "tides.txt", words.as_bytes())?;
    file(s, "ebb.txt", b"low water")?;
    let list = format!("{}  tides.txt\n{OF_ABC}  ebb.txt\n", hash(words.as_bytes()));
    file(s, "sums", list.as_bytes())
}

fn checks(s: &mut Scene) -> Outcome {
    good_and_changed(s)?;
    s.run_with(&["--check", "sums"])?;
    s.expect_line("tides.txt: OK")?;
    s.expect_line("ebb.txt: FAILED").because("FIPS 180-4 §1: any change to a message results in another digest")?;
    ends(s, 1)?;
    s.expect_error("warning: 1 file: not the same\n")
}

fn forms(s: &mut Scene) -> Outcome {
    file(s, "abc", b"abc")?;
    file(s, "a\\b", b"abc")?;
    let upper = OF_ABC.to_ascii_uppercase();
    let list = format!(
        "# sums of the harbour\n{OF_ABC}  abc\n{OF_ABC} *abc\r\n{upper}  abc\n\nSHA512/256 (abc) = {OF_ABC}\n\
         SHA2-512/256(abc)= {OF_ABC}\n\\{OF_ABC}  a\\\\b"
    );
    file(s, "sums", list.as_bytes())?;
    s.run_with(&["--check", "--strict", "sums"])?;
    for form in ["text", "binary, CR LF", "upper case", "BSD's tag", "openssl's tag"] {
        s.expect_line("abc: OK").because(&format!("others have written these lines for decades; this one: {form}"))?;
    }
    s.expect_line("\\a\\\\b: OK").because("sha256sum(1): a leading backslash says that the name is escaped")?;
    ends(s, 0)
}

/// A list with a file that is there, and one that is not.
fn one_is_missing(s: &mut Scene) -> Outcome {
    file(s, "abc", b"abc")?;
    file(s, "sums", format!("{OF_ABC}  gone\n{OF_ABC}  abc\n").as_bytes())
}

fn misses(s: &mut Scene) -> Outcome {
    one_is_missing(s)?;
    s.run_with(&["--check", "sums"])?;
    s.expect_line("gone: FAILED open or read").because("a file that cannot be read is not known to be right")?;
    s.expect_line("abc: OK")?;
    ends(s, 1)
}

fn ignores_missing(s: &mut Scene) -> Outcome {
    one_is_missing(s)?;
    s.run_with(&["--check", "--ignore-missing", "sums"])?;
    s.expect_line("abc: OK").because("sha256sum(1), --ignore-missing: do not fail for files that are not there")?;
    ends(s, 0)?;
    file(s, "sums", format!("{OF_ABC}  gone\n").as_bytes())?;
    s.run_with(&["--check", "--ignore-missing", "sums"])?;
    ends(s, 1).because("where nothing was checked, nothing is known to be right")
}

fn quiet(s: &mut Scene) -> Outcome {
    good_and_changed(s)?;
    s.run_with(&["--check", "--quiet", "sums"])?;
    s.expect_line("ebb.txt: FAILED").because("sha256sum(1), --quiet: do not print OK for each file")?;
    ends(s, 1)?;
    s.run_with(&["--check", "--status", "sums"])?;
    ends(s, 1)?;
    match s.subject()?.stderr.all().as_str() {
        "" => Ok(()),
        said => Err(Failure::new("nothing on standard error", format!("{said:?}")))
            .because("sha256sum(1), --status: do not output anything, the status code shows success"),
    }
}

fn odd_lines(s: &mut Scene) -> Outcome {
    file(s, "abc", b"abc")?;
    let short = &OF_ABC[..62];
    file(s, "sums", format!("{OF_ABC}  abc\n{short}  abc\n").as_bytes())?;
    s.run_with(&["--check", "--warn", "sums"])?;
    s.expect_line("abc: OK")?;
    ends(s, 0).because("sha256sum(1): without --strict, such lines are passed over")?;
    s.expect_error("warning: sums, line 2: no hash and name\n")?;
    s.expect_error("warning: 1 line: no hash and name\n")?;
    s.run_with(&["--check", "--strict", "sums"])?;
    s.expect_line("abc: OK")?;
    ends(s, 1).because("sha256sum(1), --strict: exit non-zero for improperly formatted lines")
}

fn long_line(s: &mut Scene) -> Outcome {
    file(s, "abc", b"abc")?;
    let mut list = vec![b'x'; 1 << 20];
    list.extend(format!("\n{OF_ABC}  abc\n").as_bytes());
    file(s, "sums", &list)?;
    s.run_with(&["--check", "sums"])?;
    s.expect_line("abc: OK")?;
    ends(s, 0)?;
    s.expect_error("warning: 1 line: no hash and name\n")
        .because("a list may come from anywhere: what is read of a line has a limit, and the rest of it is no line")
}

fn nothing(s: &mut Scene) -> Outcome {
    for text in ["", "ahoy\n"] {
        file(s, "sums", text.as_bytes())?;
        s.run_with(&["--check", "sums"])?;
        s.expect_output_end()?;
        fails_with(s, "check sums: no line with a hash and a name")
            .because("where nothing was checked, nothing is known to be right")?;
    }
    Ok(())
}
