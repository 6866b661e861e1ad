//! Protocols whose messages carry their own length: the TLV of chapter 4, and Redis' RESP.

use super::{Fields, Label, Protocol, line, shown};
use crate::human::count;

/// Chapter 4's types, and its cap of 10 MiB on a value.
const TLV_TYPES: [(usize, &str); 2] = [(1, "Binary"), (2, "String")];
const TLV_LONGEST: usize = 10 << 20;
/// Arguments of a Redis command that are looked at.
const ARGUMENTS: usize = 16;

/// Frames of a type, a length of four octets, and a value: only if they fill what there is exactly. Even so, another
/// protocol may have such frames.
pub(super) fn tlv(octets: &[u8]) -> Option<Label> {
    let mut rest = Fields(octets);
    let (name, length) = frame(&mut rest)?;
    let mut more = 0;
    while !rest.0.is_empty() {
        frame(&mut rest)?;
        more += 1;
    }
    let more = if more > 0 { format!(", and {}", count(more, "more frame")) } else { String::new() };
    Some(Label::sure_if(false, Protocol::Tlv, format!("TLV {name}, {}{more}", count(length, "octet"))))
}

fn frame(rest: &mut Fields<'_>) -> Option<(&'static str, usize)> {
    let kind = rest.number(1)?;
    let (_, name) = TLV_TYPES.iter().find(|(t, _)| *t == kind)?;
    let length = rest.number(4)?;
    rest.take(length)?;
    (length <= TLV_LONGEST).then_some((*name, length))
}

/// A command: an array of bulk strings, `*2\r\n$3\r\nGET\r\n$4\r\ntide\r\n`. Its name is told, and its first argument,
/// which is a key mostly.
pub(super) fn redis_command(octets: &[u8]) -> Option<Label> {
    let arguments = number(octets, b'*').filter(|n| (1..=1024).contains(n))?;
    let mut rest = after_line(octets)?;
    let mut words = Vec::new();
    for _ in 0..arguments.min(ARGUMENTS) {
        let length = number(rest, b'$').filter(|n| *n <= super::LOOK)?;
        rest = after_line(rest)?;
        words.push(rest.get(..length)?);
        rest = rest.get(length..)?.strip_prefix(b"\r\n")?;
    }
    let name = words.first().filter(|w| !w.is_empty() && w.iter().all(u8::is_ascii_alphanumeric))?;
    // The first argument of AUTH and HELLO is no key, and should not be read over a shoulder.
    let secret = name.eq_ignore_ascii_case(b"AUTH") || name.eq_ignore_ascii_case(b"HELLO");
    let key = words.get(1).filter(|_| !secret).map_or(String::new(), |key| format!(" {}", shown(key)));
    Some(Label::sure(Protocol::Redis, format!("Redis {}{key}", shown(name))))
}

/// `-ERR unknown command`
pub(super) fn redis_error(octets: &[u8]) -> Option<Label> {
    let text = line(octets)?.strip_prefix(b"-")?;
    Some(Label::sure(Protocol::Redis, format!("Redis error, {}", shown(text))))
}

/// The number on a line of RESP that begins with this octet.
fn number(octets: &[u8], first: u8) -> Option<usize> {
    let line = line(&octets[..octets.len().min(16)])?;
    let digits = line.strip_prefix(&[first])?;
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
}

fn after_line(octets: &[u8]) -> Option<&[u8]> {
    let end = octets.iter().position(|&o| o == b'\n')?;
    octets.get(end + 1..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(label: Option<Label>) -> String {
        label.map_or(String::new(), |l| l.to_string())
    }

    #[test]
    fn frames_that_fit_exactly() {
        assert_eq!(text(tlv(b"\x02\0\0\0\x04ahoy")), "perhaps TLV String, 4 octets");
        assert_eq!(text(tlv(b"\x01\0\0\0\0\x02\0\0\0\x01x")), "perhaps TLV Binary, 0 octets, and 1 more frame");
        for octets in [&b"\x02\0\0\0\x05ahoy"[..], b"\x02\0\0\0\x03ahoy", b"\x03\0\0\0\x04ahoy", b"\x02", b""] {
            assert_eq!(tlv(octets), None);
        }
    }

    #[test]
    fn commands_are_named() {
        assert_eq!(text(redis_command(b"*2\r\n$3\r\nGET\r\n$4\r\ntide\r\n")), "Redis GET tide");
        assert_eq!(text(redis_command(b"*1\r\n$4\r\nPING\r\n")), "Redis PING");
        assert_eq!(text(redis_command(b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n")), "Redis AUTH");
        assert_eq!(text(redis_error(b"-ERR no such tide\r\n")), "Redis error, ERR no such tide");
        for octets in [&b"*1\r\n$5\r\nPING\r\n"[..], b"*0\r\n", b"*9999999999999999999999\r\n", b"*1\r\n$-1\r\n", b"*"]
        {
            assert_eq!(redis_command(octets), None);
        }
    }
}
