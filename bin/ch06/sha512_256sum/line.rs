//! A line: a hash and a name, written and read.

use netkata::error::{Attempt, Result};
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Digits of a hash of 256 bits.
const DIGITS: usize = 64;
/// What the algorithm is called in lines with a tag: by BSD and shasum(1), and by two generations of openssl-dgst(1).
const TAGS: [&[u8]; 3] = [b"SHA512/256", b"SHA512-256", b"SHA2-512/256"];

/// Writes a line to standard output: a name need not be text.
pub fn say(parts: &[&[u8]]) -> Result<()> {
    let mut line = parts.concat();
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line).and_then(|()| out.flush()).attempt("write", "standard output")
}

/// A name, for a message.
pub fn shown(name: &OsStr) -> String {
    name.to_string_lossy().escape_debug().to_string()
}

/// A name in which nothing ends the line, and what the line begins with then.
pub fn escaped(name: &OsStr) -> (&'static [u8], Vec<u8>) {
    let mut out = Vec::new();
    for &octet in name.as_bytes() {
        match octet {
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\\' => out.extend(b"\\\\"),
            other => out.push(other),
        }
    }
    (if out == name.as_bytes() { b"" } else { b"\\" }, out)
}

fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut octets) = (Vec::new(), text.iter());
    while let Some(&octet) = octets.next() {
        out.push(match octet {
            b'\\' => match octets.next()? {
                b'n' => b'\n',
                b'r' => b'\r',
                b'\\' => b'\\',
                _ => return None,
            },
            other => other,
        });
    }
    Some(out)
}

/// The hash, in lower case, and the name. `None`: the line has another form.
pub fn parsed(line: &[u8]) -> Option<(String, OsString)> {
    let (is_escaped, line) = line.strip_prefix(b"\\").map_or((false, line), |rest| (true, rest));
    let (hash, name) = tagged(line).or_else(|| plain(line))?;
    if hash.len() != DIGITS || !hash.iter().all(u8::is_ascii_hexdigit) || name.is_empty() {
        return None;
    }
    let name = if is_escaped { unescaped(name)? } else { name.to_vec() };
    Some((String::from_utf8_lossy(hash).to_ascii_lowercase(), OsString::from_vec(name)))
}

/// `HASH  NAME`, or `HASH *NAME`: long ago, the star meant that the file was not read as text.
fn plain(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (hash, rest) = line.split_at_checked(DIGITS)?;
    let name = rest.strip_prefix(b"  ").or_else(|| rest.strip_prefix(b" *"))?;
    Some((hash, name))
}

/// `SHA512/256 (NAME) = HASH`. A name may have brackets in it: the last one counts.
fn tagged(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = TAGS.iter().find_map(|tag| line.strip_prefix(*tag))?;
    let rest = rest.strip_prefix(b" ").unwrap_or(rest).strip_prefix(b"(")?;
    let (rest, hash) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
    let name = rest.strip_suffix(b") = ").or_else(|| rest.strip_suffix(b")= "))?;
    Some((hash, name))
}
