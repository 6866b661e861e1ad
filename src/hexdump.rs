//! Octets as people read them: offset, hexadecimal, text.

use std::fmt::Write;

/// At most `limit` octets as `68 65 6c 6c 6f`, with `… (n more)` when some were left out.
pub fn hex(octets: &[u8], limit: usize) -> String {
    let mut shown = String::with_capacity(3 * octets.len().min(limit));
    for octet in octets.iter().take(limit) {
        let space = if shown.is_empty() { "" } else { " " };
        // Writing to a String cannot fail.
        let _ = write!(shown, "{space}{octet:02x}");
    }
    match octets.len().saturating_sub(limit) {
        0 => shown,
        more => format!("{shown} … ({more} more)"),
    }
}

/// At most `limit` octets as text: printable ASCII as itself, CR LF TAB NUL as `\r \n \t \0`, others as `\xNN`.
pub fn text(octets: &[u8], limit: usize) -> String {
    let mut out = String::new();
    for &octet in octets.iter().take(limit) {
        match octet {
            b'\0' => out.push_str("\\0"),
            b'\\' => out.push_str("\\\\"),
            b' '..=b'~' => out.push(char::from(octet)),
            _ => out.push_str(&octet.escape_ascii().to_string()),
        }
    }
    if octets.len() > limit {
        out.push('…');
    }
    out
}

/// Octets written as people write them: `00ff`, `00 FF`, `00:ff`, pairs of hexadecimal digits.
///
/// # Errors
/// Names what is no digit, or says that one is missing.
pub fn parse(text: &str) -> Result<Vec<u8>, String> {
    let mut digits = Vec::new();
    for c in text.chars().filter(|c| !c.is_whitespace() && *c != ':') {
        digits.push(c.to_digit(16).ok_or_else(|| format!("{c:?} is no hexadecimal digit"))? as u8);
    }
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(format!("{} digits: an octet has two", digits.len()));
    }
    Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// Whether the octets read as text: printable ASCII with line ends and tabs.
pub fn is_text(octets: &[u8]) -> bool {
    octets.iter().all(|o| matches!(o, b' '..=b'~' | b'\r' | b'\n' | b'\t'))
}

/// The classic dump, sixteen octets a line:
///
/// ```text
/// 00000000  61 68 6f 79 0d 0a                                 |ahoy..|
/// ```
pub fn dump(octets: &[u8]) -> String {
    dump_from(0, octets)
}

/// As [`dump`], of a part that begins at this offset of something longer.
pub fn dump_from(offset: u64, octets: &[u8]) -> String {
    let mut out = String::new();
    for (line, chunk) in octets.chunks(16).enumerate() {
        let halves: Vec<String> = chunk.chunks(8).map(|half| hex(half, 8)).collect();
        let ascii: String =
            chunk.iter().map(|&o| if (b' '..=b'~').contains(&o) { char::from(o) } else { '.' }).collect();
        out.push_str(&format!("{:08x}  {:<48}  |{ascii}|\n", offset + line as u64 * 16, halves.join("  ")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_become_octets() {
        for text in ["00ff", "00 FF", "00:ff", " 0 0f\tf\n"] {
            assert_eq!(parse(text), Ok(vec![0, 255]), "{text:?}");
        }
        assert_eq!(parse(""), Ok(Vec::new()));
        assert_eq!(parse("0g"), Err("'g' is no hexadecimal digit".into()));
        assert_eq!(parse("00f"), Err("3 digits: an octet has two".into()));
    }

    #[test]
    fn three_views_of_the_same_octets() {
        assert_eq!(hex(b"ahoy", 3), "61 68 6f … (1 more)");
        assert_eq!(text(b"a\r\n\0\xff\\", 9), "a\\r\\n\\0\\xff\\\\");
        assert!(dump_from(0x1_0000_0000, b"ebb").starts_with("100000000  65 62 62  "));
        let bytes: Vec<u8> = (0x41..0x52).collect();
        assert_eq!(
            dump(&bytes),
            "00000000  41 42 43 44 45 46 47 48  49 4a 4b 4c 4d 4e 4f 50  |ABCDEFGHIJKLMNOP|\n\
             00000010  51                                                |Q|\n"
        );
    }
}
