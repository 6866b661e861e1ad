//! `<!-- const: bin/ch03/echo_server.rs BUFFER -->64 KiB<!-- /const -->`: a number in a sentence, from the code.
//!
//! The name is that of a constant, or an option as it is typed (`--idle`), whose default is then meant. A word after it
//! says how to write the value:
//!
//! | | duration | number | text |
//! |---|---|---|---|
//! | (nothing) | `5 minutes`, `250 milliseconds` | `12,000`, or `64 KiB` when the code writes it with 1024 | as it is |
//! | `short` | `5m`, `250ms` | `12000` | as it is |
//! | `adjective` | `5-minute` | `12,000` | as it is |
//!
//! Understood: integers with `_` and suffixes, sums, products, shifts, `Duration::from_…`, other constants of the file,
//! strings.

use crate::SelfCheck;
use netkata::human;
use std::fs;
use std::path::Path;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Number(u128),
    /// A number that the code writes as a multiple of 1024.
    Size(u128),
    Time(Duration),
    Text(String),
}

/// The text for a mark.
pub fn make(root: &Path, head: &str) -> Result<String, String> {
    let mut words = head.split_whitespace();
    let (Some(path), Some(name)) = (words.next(), words.next()) else {
        return Err("write <!-- const: PATH NAME -->".to_string());
    };
    let source = fs::read_to_string(root.join(path)).map_err(|e| format!("{path}: {e}"))?;
    let value = match name.strip_prefix("--") {
        Some(option) => default_of(&source, option),
        None => constant(&source, name, 8),
    };
    write(&value.map_err(|e| format!("{path}: {e}"))?, words.next().unwrap_or(""))
}

/// `const NAME: TYPE = VALUE;`, on as many lines as it takes.
fn constant(source: &str, name: &str, depth: usize) -> Result<Value, String> {
    let depth = depth.checked_sub(1).ok_or_else(|| format!("{name} is defined by itself"))?;
    let marker = format!("const {name}:");
    let start = source.find(&marker).ok_or_else(|| format!("no constant {name}"))?;
    let definition = &source[start + marker.len()..];
    let (_, value) = definition.split_once('=').ok_or_else(|| format!("{name} has no value"))?;
    let (value, _) = value.split_once(';').ok_or_else(|| format!("{name} has no end"))?;
    evaluate(source, value, depth)
}

/// The default in `#[arg(… default_value… )]` above the field of this name.
fn default_of(source: &str, option: &str) -> Result<Value, String> {
    let field = format!("{}:", option.replace('-', "_"));
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let at = lines.iter().position(|l| l.strip_prefix("pub ").unwrap_or(l).starts_with(&field));
    let at = at.ok_or_else(|| format!("no option --{option}"))?;
    let above = lines[..at].iter().rev().take_while(|l| l.starts_with("//") || l.starts_with('#'));
    let attribute = above.copied().find(|l| l.contains("default_value")).ok_or(format!("--{option} has no default"))?;
    let (kind, value) = attribute.split_once("default_value").and_then(|(_, v)| v.split_once('=')).unwrap_or_default();
    let value = value.trim();
    if kind.trim() == "_t" {
        return evaluate(source, value.split([',', ')']).next().unwrap_or_default(), 8);
    }
    let text = value.strip_prefix('"').and_then(|v| v.split('"').next()).ok_or("a default that is not a string")?;
    Ok(match (text.replace('_', "").parse(), human::parse_duration(text)) {
        (Ok(number), _) => Value::Number(number),
        (_, Ok(time)) => Value::Time(time),
        _ => Value::Text(text.to_string()),
    })
}

fn evaluate(source: &str, text: &str, depth: usize) -> Result<Value, String> {
    let text = text.trim();
    if let Some(quoted) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        return Ok(Value::Text(quoted.to_string()));
    }
    if let Some((unit, amount)) = text.split_once("Duration::from_").and_then(|(_, t)| t.split_once('(')) {
        let amount = number(source, amount.trim_end_matches(')'), depth)?;
        let amount = u64::try_from(amount).map_err(|_| format!("{text} is too long"))?;
        return Ok(Value::Time(match unit {
            "micros" => Duration::from_micros(amount),
            "millis" => Duration::from_millis(amount),
            "secs" => Duration::from_secs(amount),
            "mins" => Duration::from_secs(amount * 60),
            "hours" => Duration::from_secs(amount * 3600),
            _ => return Err(format!("cannot read {text:?}")),
        }));
    }
    if text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') && !text.is_empty() {
        return constant(source, text, depth);
    }
    let value = number(source, text, depth)?;
    Ok(if text.contains("1024") || text.contains("<<") { Value::Size(value) } else { Value::Number(value) })
}

/// Shifts of sums of products of integers and constants. No parentheses: a constant that needs them can be two.
fn number(source: &str, text: &str, depth: usize) -> Result<u128, String> {
    let too_big = || format!("{text} is too big");
    if let Some((a, b)) = text.rsplit_once("<<") {
        let by = u32::try_from(number(source, b, depth)?).map_err(|_| too_big())?;
        return number(source, a, depth)?.checked_shl(by).ok_or_else(too_big);
    }
    if let Some((a, b)) = text.rsplit_once('+') {
        return number(source, a, depth)?.checked_add(number(source, b, depth)?).ok_or_else(too_big);
    }
    if let Some((a, b)) = text.rsplit_once('*') {
        return number(source, a, depth)?.checked_mul(number(source, b, depth)?).ok_or_else(too_big);
    }
    let text = text.trim();
    if text.starts_with(|c: char| c.is_ascii_uppercase()) {
        return match constant(source, text, depth)? {
            Value::Number(n) | Value::Size(n) => Ok(n),
            other => Err(format!("{text} is not a number but {other:?}")),
        };
    }
    let plain = text.replace('_', "");
    let (digits, radix) = match plain.strip_prefix("0x") {
        Some(hex) => (hex, 16),
        None => (plain.as_str(), 10),
    };
    const SUFFIXES: [&str; 8] = ["usize", "u8", "u16", "u32", "u64", "i32", "i64", "u128"];
    let digits = SUFFIXES.into_iter().find_map(|suffix| digits.strip_suffix(suffix)).unwrap_or(digits);
    u128::from_str_radix(digits, radix).map_err(|_| format!("cannot read {text:?} as a number"))
}

fn write(value: &Value, style: &str) -> Result<String, String> {
    Ok(match (value, style) {
        (Value::Text(text), "" | "short" | "adjective") => text.clone(),
        (Value::Time(d), "") => in_words(*d, ' ', true),
        (Value::Time(d), "adjective") => in_words(*d, '-', false),
        (Value::Time(d), "short") => shortest(*d),
        (Value::Size(n), "") if n % (1 << 20) == 0 => format!("{} MiB", n >> 20),
        (Value::Size(n), "") if n % (1 << 10) == 0 => format!("{} KiB", n >> 10),
        (Value::Number(n) | Value::Size(n), "short") => n.to_string(),
        (Value::Number(n) | Value::Size(n), "" | "adjective") => {
            human::thousands(usize::try_from(*n).map_err(|_| format!("{n} is too big"))?)
        }
        _ => return Err(format!("unknown style {style:?}: write short, adjective or nothing")),
    })
}

/// In the largest unit that needs no fraction.
fn in_words(d: Duration, between: char, plural: bool) -> String {
    const UNITS: [(u128, &str); 6] = [
        (3_600_000_000_000, "hour"),
        (60_000_000_000, "minute"),
        (1_000_000_000, "second"),
        (1_000_000, "millisecond"),
        (1_000, "microsecond"),
        (1, "nanosecond"),
    ];
    let nanos = d.as_nanos();
    // A minute and a half is 90 seconds; one second is not 1,000 milliseconds.
    let (unit, name) =
        UNITS.into_iter().find(|(unit, _)| nanos >= *unit && nanos.is_multiple_of(*unit)).unwrap_or(UNITS[2]);
    let n = nanos / unit;
    format!("{n}{between}{name}{}", if plural && n != 1 { "s" } else { "" })
}

/// `5m`, where [`human::duration`] says `5m0s`.
fn shortest(d: Duration) -> String {
    let text = human::duration(d);
    let text = text.strip_suffix("m0s").map(|t| format!("{t}m")).unwrap_or(text);
    text.strip_suffix("h0m").map(|t| format!("{t}h")).unwrap_or(text)
}

const SOURCE: &str = r#"
const BUFFER: usize = 64 * 1024;
pub const LIMIT: u32 = 12_000;
const HEADER: usize = 4usize;
const FIRST: Duration = Duration::from_millis(250);
const IDLE: Duration =
    Duration::from_secs(5 * 60);
const STOP: &str = "STOP";
const LOOP: usize = LOOP;
struct Args {
    /// Idle
    #[arg(long, default_value = "90s", value_parser = human::parse_duration)]
    idle: Duration,
    #[arg(long, default_value_t = 12_000)]
    max_connections: usize,
    #[arg(long, default_value_t = LIMIT)]
    limit: u32,
}
"#;

pub const SELF_CHECKS: &[SelfCheck] = &[
    ("values_are_read_and_written", || {
        for (name, style, text) in [
            ("BUFFER", "", "64 KiB"),
            ("BUFFER", "short", "65536"),
            ("LIMIT", "", "12,000"),
            ("HEADER", "", "4"),
            ("FIRST", "", "250 milliseconds"),
            ("FIRST", "short", "250ms"),
            ("IDLE", "", "5 minutes"),
            ("IDLE", "adjective", "5-minute"),
            ("IDLE", "short", "5m"),
            ("STOP", "", "STOP"),
        ] {
            let made = constant(SOURCE, name, 8).and_then(|v| write(&v, style));
            assert_eq!(made.as_deref(), Ok(text), "{name} {style}");
        }
        assert_eq!(number("", "2 + 3 * 0x10 + 1u8 << 2", 8), Ok(204));
    }),
    ("defaults_of_options", || {
        assert_eq!(default_of(SOURCE, "idle"), Ok(Value::Time(Duration::from_secs(90))));
        assert_eq!(default_of(SOURCE, "max-connections"), Ok(Value::Number(12_000)));
        assert_eq!(default_of(SOURCE, "limit"), Ok(Value::Number(12_000)));
        assert_eq!(write(&Value::Time(Duration::from_secs(90)), ""), Ok("90 seconds".to_string()));
    }),
    ("mistakes_are_named", || {
        for (name, part) in [("GONE", "no constant GONE"), ("LOOP", "defined by itself")] {
            assert!(constant(SOURCE, name, 8).unwrap_err().contains(part), "{name}");
        }
        assert!(default_of(SOURCE, "gone").unwrap_err().contains("no option --gone"));
        assert!(write(&Value::Number(1), "loud").unwrap_err().contains("unknown style"));
        assert!(evaluate("", "f(1)", 8).is_err() && number("", "1 << 200", 8).is_err());
    }),
];
