//! The line of RFC 867, for the checks of the daytime servers.

use jiff::{Timestamp, tz::Offset};
use netkata_kit::prelude::*;

/// No line of this protocol is longer.
pub const LINE: usize = 128;
pub const ONE_LINE: &str =
    "RFC 867: daytime should be limited to the ASCII printing characters, space, CR and LF, and be just one line";
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// Zones without summer time: the name, its hours and minutes from UTC, its short name.
pub const ZONES: [(&str, i32, i32, &str); 4] = [
    ("Asia/Tokyo", 9, 0, "JST"),
    ("Asia/Kolkata", 5, 30, "IST"),
    ("Africa/Nairobi", 3, 0, "EAT"),
    ("Pacific/Honolulu", -10, 0, "HST"),
];

pub fn text(line: &[u8]) -> String {
    netkata::hexdump::text(line, LINE)
}

/// That the line is the time of now, which is no earlier than the second `first`.
pub fn expect_time(line: &[u8], first: i64, offset: Offset, zone: &str) -> Outcome {
    let last = Timestamp::now().as_second();
    let said = text(line.trim_ascii_end());
    if (first..=last).any(|second| said == written(second, offset, zone)) {
        return Ok(());
    }
    let form = shape(&said);
    let got = if form == shape(&written(last, offset, zone)) { "another time".into() } else { format!("`{form}`") };
    Err(Failure::new(format!("the time of now, as in `Tuesday, February 22, 1982 17:37:43-{zone}`"), got))
        .because("RFC 867: one popular syntax is `Weekday, Month Day, Year Time-Zone`")
}

/// `Tuesday, February 22, 1982 17:37:43-PST`, the long way round.
fn written(second: i64, offset: Offset, zone: &str) -> String {
    let t = offset.to_datetime(Timestamp::from_second(second).unwrap_or_default());
    let day = DAYS[usize::from(t.weekday().to_monday_zero_offset().unsigned_abs())];
    let month = MONTHS[usize::from(t.month().unsigned_abs()) - 1];
    let clock = format!("{:02}:{:02}:{:02}", t.hour(), t.minute(), t.second());
    format!("{day}, {month} {}, {} {clock}-{zone}", t.day(), t.year())
}

/// The form of a line, the same at any time: `Weekday, Month 0, 0 0:0:0-UTC`.
fn shape(line: &str) -> String {
    let (mut rest, zone) = line.rsplit_once('-').unwrap_or((line, ""));
    let mut shape = String::new();
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let same = |c: char| if digits { c.is_ascii_digit() } else { c.is_ascii_alphabetic() };
        let end = if same(first) { rest.find(|c| !same(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        let word = &rest[..end];
        shape.push_str(if digits {
            "0"
        } else if DAYS.contains(&word) {
            "Weekday"
        } else if MONTHS.contains(&word) {
            "Month"
        } else if first.is_ascii_alphabetic() {
            "word"
        } else {
            word
        });
        rest = &rest[end..];
    }
    format!("{shape}-{zone}")
}
