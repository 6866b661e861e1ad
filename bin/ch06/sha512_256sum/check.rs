//! Lists of hashes, and whether they are right.

use crate::line::{escaped, parsed, say, shown};
use crate::{Args, hash_of, open};
use netkata::error::{Attempt, NetError, Result};
use netkata::{exit, human};
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read};

/// No line of a list is longer: a path has 4,096 octets at most, and escaped twice as many.
const LONGEST_LINE: usize = 16 << 10;

/// How many there are of each kind.
#[derive(Default)]
struct Tally {
    right: usize,
    wrong: usize,
    unread: usize,
    missing: usize,
    /// Lines without a hash and a name.
    odd: usize,
}

/// Checks a list. `false`: something in it is not as it should be, and was told.
pub fn list(args: &Args, list: &OsStr) -> Result<bool> {
    let mut lines = BufReader::new(open(list).attempt("read", shown(list))?);
    let (mut tally, mut line) = (Tally::default(), Vec::new());
    for number in 1.. {
        line.clear();
        if next_line(&mut lines, &mut line).attempt("read", shown(list))? == 0 {
            break;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() || text.starts_with(b"#") {
            continue;
        }
        if let Some((wanted, name)) = parsed(text) {
            tally.file(args, &wanted, &name)?;
            continue;
        }
        tally.odd += 1;
        if args.warn && !args.status {
            exit::log(format_args!("warning: {}, line {number}: no hash and name", shown(list)));
        }
    }
    tally.verdict(args, list)
}

/// The next line, or the beginning of one that is too long: the rest of it is skipped.
fn next_line(lines: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    let n = lines.by_ref().take(LONGEST_LINE as u64).read_until(b'\n', line)?;
    if n == LONGEST_LINE && !line.ends_with(b"\n") {
        lines.skip_until(b'\n')?;
    }
    Ok(n)
}

impl Tally {
    fn file(&mut self, args: &Args, wanted: &str, name: &OsStr) -> Result<()> {
        let (count, what) = match hash_of(name) {
            Ok(hash) if hash == wanted => (&mut self.right, "OK"),
            Ok(_) => (&mut self.wrong, "FAILED"),
            Err(e) if args.ignore_missing && e.cause().kind() == io::ErrorKind::NotFound => {
                self.missing += 1;
                return Ok(());
            }
            Err(e) => {
                exit::complain(&e);
                (&mut self.unread, "FAILED open or read")
            }
        };
        *count += 1;
        if args.status || args.quiet && what == "OK" {
            return Ok(());
        }
        let (mark, name) = escaped(name);
        say(&[mark, &name, b": ", what.as_bytes()])
    }

    fn verdict(&self, args: &Args, list: &OsStr) -> Result<bool> {
        let nothing = |why: &str| Err(NetError::invalid("check", shown(list), why));
        if self.right + self.wrong + self.unread + self.missing == 0 {
            return nothing("no line with a hash and a name");
        }
        let notes = [
            (self.odd, "line", "no hash and name"),
            (self.unread, "file", "not read"),
            (self.wrong, "file", "not the same"),
        ];
        for (n, noun, what) in notes.into_iter().filter(|(n, ..)| *n > 0 && !args.status) {
            exit::log(format_args!("warning: {}: {what}", human::count(n, noun)));
        }
        if args.ignore_missing && self.right == 0 {
            return nothing("no file was there and right");
        }
        Ok(self.wrong + self.unread == 0 && (self.odd == 0 || !args.strict))
    }
}
