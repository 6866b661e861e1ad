//! Durations and numbers as people write them: `1.5s`, `200ms`, `2m30s`, `16 KiB`.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Reads a duration: numbers with a unit (`ns`, `us`, `ms`, `s`, `m`, `h`), one after another: `1m30s`, `250ms`, `0.5s`.
/// A lone `0` needs no unit.
///
/// # Errors
/// Says what was found where a number or a unit should be.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let fail = |why: &str| format!("{why} in {text:?} (write 250ms, 5s or 1m30s)");
    let mut seconds = 0.0_f64;
    let mut rest = text;
    if rest.is_empty() {
        return Err(fail("no duration"));
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().map_err(|_| fail("no number"))?;
        let tail = &rest[digits..];
        let unit = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        seconds += number
            * match &tail[..unit] {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "" => return Err(fail("no unit")),
                other => return Err(fail(&format!("unknown unit {other:?}"))),
            };
        rest = &tail[unit..];
    }
    // A deadline is an addition to a clock. Past a century it would overflow some clocks, and means "never" anyway.
    if seconds > 3.2e9 {
        return Err(fail("more than a century"));
    }
    Duration::try_from_secs_f64(seconds).map(|d| round_to(d, Duration::from_nanos(1))).map_err(|_| fail("no duration"))
}

/// As [`parse_duration`], for limits, where zero would mean "never" to some calls and "at once" to others.
///
/// # Errors
/// As [`parse_duration`], and for zero.
pub fn parse_limit(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("a limit of zero leaves no time at all".into()),
        limit => Ok(limit),
    }
}

/// Reads a number of octets: `512`, `512KiB`, `16 MiB`, `1GiB`; also `k`, `M` and `G`, which mean the same powers of 1,024.
///
/// # Errors
/// Says what was found where a number or a unit should be, or that the size has no room in an address space.
pub fn parse_size(text: &str) -> Result<usize, String> {
    let fail = |why: &str| format!("{why} in {text:?} (write 512, 512KiB or 16MiB)");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    if digits == 0 {
        return Err(fail("no number"));
    }
    let shift = match text[digits..].trim_start() {
        "" | "B" => 0,
        "KiB" | "K" | "k" => 10,
        "MiB" | "M" => 20,
        "GiB" | "G" => 30,
        other => return Err(fail(&format!("unknown unit {other:?}"))),
    };
    let number: usize = text[..digits].parse().map_err(|_| fail("too large a number"))?;
    number.checked_mul(1 << shift).ok_or_else(|| fail("too large a number"))
}

/// As [`parse_size`], for an argument that has a least and a most.
pub fn size_within<T: TryFrom<usize>>(allowed: RangeInclusive<usize>) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let size = parse_size(text)?;
        let takes = || format!("{size} octets: it takes {} to {}", allowed.start(), count(*allowed.end(), "octet"));
        let fits = allowed.contains(&size).then(|| T::try_from(size).ok()).flatten();
        fits.ok_or_else(takes)
    }
}

/// Writes a duration with the largest fitting unit: `0s`, `200ms`, `1.5s`, `2m30s`, `1h0m0s`.
pub fn duration(d: Duration) -> String {
    let nanos = d.as_nanos();
    match nanos {
        0 => "0s".into(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(nanos, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(nanos, 1_000_000)),
        _ => {
            let (hours, minutes) = (d.as_secs() / 3600, d.as_secs() / 60 % 60);
            let seconds = decimal(nanos % 60_000_000_000, 1_000_000_000);
            match (hours, minutes) {
                (0, 0) => format!("{seconds}s"),
                (0, _) => format!("{minutes}m{seconds}s"),
                _ => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// `value / unit` without trailing zeros.
fn decimal(value: u128, unit: u128) -> String {
    let (whole, part) = (value / unit, value % unit);
    if part == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    format!("{whole}.{}", format!("{part:0width$}").trim_end_matches('0'))
}

/// The nearest multiple of `step`, halves away from zero.
pub fn round_to(d: Duration, step: Duration) -> Duration {
    let (d, step) = (d.as_nanos(), step.as_nanos().max(1));
    Duration::from_nanos_u128((d + step / 2) / step * step)
}

/// `1 octet`, `2 octets`.
pub fn count(n: usize, noun: &str) -> String {
    format!("{} {noun}{}", thousands(n), if n == 1 { "" } else { "s" })
}

/// `1,048,576`.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_both_ways() {
        for (text, nanos) in [
            ("0s", 0),
            ("200ms", 200_000_000),
            ("1.5s", 1_500_000_000),
            ("1m30s", 90_000_000_000),
            ("2h0m0s", 7_200_000_000_000),
            ("1.234567ms", 1_234_567),
            ("17ns", 17),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
            assert_eq!(duration(Duration::from_nanos(nanos)), text);
        }
    }

    /// The message quotes the input and shows the way out.
    #[test]
    fn bad_durations_are_named() {
        for (text, part) in [
            ("", "no duration"),
            ("5", "no unit"),
            ("ms", "no number"),
            ("5 s", "unknown unit \" s\""),
            ("1.2.3s", "no number"),
            ("-1s", "no number"),
            ("99999999h", "century"),
        ] {
            let e = parse_duration(text).expect_err(text);
            assert!(e.contains(part), "{e}");
        }
    }

    /// Every power has its unit, a lone number is octets, and what does not fit is no wrapped-around small number.
    #[test]
    fn sizes() {
        for (text, octets) in
            [("0", 0), ("512", 512), ("512KiB", 524_288), ("16 MiB", 1 << 24), ("3k", 3072), ("1GiB", 1 << 30)]
        {
            assert_eq!(parse_size(text), Ok(octets), "{text}");
        }
        for (text, part) in [
            ("", "no number"),
            ("MiB", "no number"),
            ("-1", "no number"),
            ("1.5MiB", "unknown unit \".5MiB\""),
            ("1kB", "unknown unit \"kB\""),
            ("99999999999999999999", "too large"),
            ("99999999999GiB", "too large"),
        ] {
            let e = parse_size(text).expect_err(text);
            assert!(e.contains(part), "{e}");
        }
        assert_eq!(size_within(1..=4096)("4KiB"), Ok(4096_u64));
        assert_eq!(size_within::<u32>(1..=4096)("0"), Err("0 octets: it takes 1 to 4,096 octets".into()));
    }

    #[test]
    fn rounding_is_away_from_zero_at_the_half() {
        let tenth = Duration::from_millis(100);
        assert_eq!(round_to(Duration::from_millis(249), tenth), Duration::from_millis(200));
        assert_eq!(round_to(Duration::from_millis(250), tenth), Duration::from_millis(300));
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(thousands(1_048_576), "1,048,576");
        assert_eq!(count(1, "octet"), "1 octet");
        assert_eq!(count(0, "octet"), "0 octets");
    }
}
