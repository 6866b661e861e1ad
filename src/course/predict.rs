//! *Predict the bytes*: a hex listing in which the learner replaces `??`.
//!
//! ```text
//! # What the server sends.          a comment, to the end of the line
//! 0000: 31 36 20 {{4a 75 6c}} 20    in the solution: the octets asked for stand in marks
//! 0000: 31 36 20 ?? ?? ?? 20        in the stub
//! ```
//!
//! A number with a colon at the start of a line is an offset, for the reader's eye.

use super::Result;

/// One octet of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Octet {
    /// Its value; `None` for `??`.
    pub value: Option<u8>,
    /// It stands in `{{ }}`.
    pub asked: bool,
    /// The line it stands on, from 1.
    pub line: usize,
}

/// Turns a solution into its stub: each octet in marks becomes `??`, and the marks go.
///
/// # Errors
/// `line 3: …`: marks that are not closed on their line, or nested; what is no octet; a listing that asks for nothing.
pub fn derive(solution: &str) -> Result<String> {
    if !octets(solution)?.iter().any(|octet| octet.asked) {
        return Err("no octet stands in {{ }}".to_string());
    }
    let lines = solution.lines().map(|line| {
        let (code, comment) = line.split_at(code_end(line));
        let pieces = code.split("{{").enumerate().map(|(i, piece)| match piece.split_once("}}") {
            Some((asked, rest)) if i > 0 => blank(asked) + rest,
            _ => piece.to_string(),
        });
        pieces.collect::<String>() + comment + "\n"
    });
    Ok(lines.collect())
}

/// `4a 75` as `?? ??`, whatever the spacing.
fn blank(asked: &str) -> String {
    asked.chars().map(|c| if c.is_whitespace() { c } else { '?' }).collect()
}

/// The octets of a listing: a solution, a stub, or what a learner made of it.
///
/// # Errors
/// `line 3: "6g" is not an octet: write two hex digits, or ?? …`.
pub fn octets(listing: &str) -> Result<Vec<Octet>> {
    let mut octets = Vec::new();
    for (i, line) in listing.lines().enumerate() {
        let line_number = i + 1;
        line_octets(&line[..code_end(line)], line_number, &mut octets)
            .map_err(|e| format!("line {line_number}: {e}"))?;
    }
    Ok(octets)
}

fn line_octets(code: &str, line: usize, octets: &mut Vec<Octet>) -> Result<()> {
    let spaced = code.replace("{{", " {{ ").replace("}}", " }} ");
    let mut asked = false;
    for (i, token) in spaced.split_whitespace().enumerate() {
        match token {
            "{{" if asked => return Err("{{ inside {{".to_string()),
            "{{" => asked = true,
            "}}" if !asked => return Err("}} without its {{".to_string()),
            "}}" => asked = false,
            _ if i == 0 && is_offset(token) => {}
            _ => octets.push(Octet { value: value(token)?, asked, line }),
        }
    }
    if asked { Err("{{ without its }}".to_string()) } else { Ok(()) }
}

fn is_offset(token: &str) -> bool {
    token.strip_suffix(':').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn value(token: &str) -> Result<Option<u8>> {
    let two_digits = token.len() == 2 && token.bytes().all(|b| b.is_ascii_hexdigit());
    match token {
        "??" => Ok(None),
        _ if two_digits => u8::from_str_radix(token, 16).map(Some).map_err(|e| e.to_string()),
        _ => Err(format!("{token:?} is not an octet: write two hex digits, as in 0d, with a space between octets")),
    }
}

/// Where the comment starts.
fn code_end(line: &str) -> usize {
    line.find('#').unwrap_or(line.len())
}

/// What is still to fill in: for each line with `??`, its number and a sentence.
pub fn steps(listing: &str) -> Vec<(usize, String)> {
    let open = listing.lines().map(|line| line[..code_end(line)].matches("??").count());
    let open = open.enumerate().filter(|(_, n)| *n > 0);
    open.map(|(i, n)| (i + 1, format!("line {}: fill in {}", i + 1, crate::human::count(n, "octet")))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOLUTION: &str = "# The {{answer}} stays.\n0000: 31 {{36}} 20 {{4a 75}} # month\n\n0d 0a\n";

    #[test]
    fn what_is_asked_for_becomes_question_marks() {
        let stub = derive(SOLUTION).expect("derive");
        assert_eq!(stub, "# The {{answer}} stays.\n0000: 31 ?? 20 ?? ?? # month\n\n0d 0a\n");
        let open = steps(&stub);
        assert_eq!(open, [(2, "line 2: fill in 3 octets".to_string())]);
        assert_eq!(steps(&stub.replace("??", "00")), []);
    }

    /// Solution and stub have the same octets in the same places, so a grader can lay one on the other.
    #[test]
    fn octets_of_both_line_up() {
        let answers = octets(SOLUTION).expect("solution");
        let blanks = octets(&derive(SOLUTION).expect("derive")).expect("stub");
        assert_eq!(answers.len(), 7);
        for (answer, blank) in answers.iter().zip(&blanks) {
            assert_eq!(answer.line, blank.line);
            assert_eq!(blank.value, (!answer.asked).then_some(answer.value).flatten());
        }
    }

    #[test]
    fn bad_listings_are_named_by_line() {
        for (listing, error) in [
            ("31\n6g\n", "line 2: \"6g\" is not an octet"),
            ("3136\n", "line 1: \"3136\" is not an octet"),
            ("?\n", "line 1: \"?\" is not an octet"),
            ("+1\n", "line 1: \"+1\" is not an octet"),
            ("31 {{36\n", "line 1: {{ without its }}"),
            ("31 36}}\n", "line 1: }} without its {{"),
            ("{{31 {{36}}\n", "line 1: {{ inside {{"),
        ] {
            let e = octets(listing).expect_err(listing);
            assert!(e.starts_with(error), "{e}");
        }
        assert_eq!(derive("31 36\n"), Err("no octet stands in {{ }}".to_string()));
    }
}
