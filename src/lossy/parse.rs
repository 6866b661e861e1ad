//! Faults as people write them: `20%`, `up:20%,down:5%`, `up:3,down:5`.

use super::faults::{Each, Nth, Percent};
use std::collections::BTreeSet;
use std::str::FromStr;

/// More numbers than that are a percentage.
const MOST: u64 = 100_000;

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fail = |why: &str| format!("{why} in {text:?} (write 20% or 0.5%)");
        let number = text.strip_suffix('%').ok_or_else(|| fail("no %"))?;
        let plain = number.bytes().all(|o| o.is_ascii_digit() || o == b'.');
        let number: f64 = number.parse().ok().filter(|_| plain).ok_or_else(|| fail("no number"))?;
        if number > 100.0 { Err(fail("more than 100 of a hundred")) } else { Ok(Self(number)) }
    }
}

/// Reads a value for both directions, `20%`, or for one or each of them, `up:20%,down:5%`. A direction that is not named
/// keeps the default.
///
/// # Errors
/// What `one` says, and for a direction that is named twice or has another name.
pub fn each<T: Clone + Default>(text: &str, one: impl Fn(&str) -> Result<T, String>) -> Result<Each<T>, String> {
    if !text.contains(':') {
        return one(text).map(Each::both);
    }
    let mut found = Each { up: None, down: None };
    for part in text.split(',') {
        let (way, value) = split(part)?;
        if found.of_mut(way).replace(one(value)?).is_some() {
            return Err(format!("one direction twice in {text:?}"));
        }
    }
    Ok(Each { up: found.up.unwrap_or_default(), down: found.down.unwrap_or_default() })
}

impl FromStr for Nth {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut nth = Self(Each { up: BTreeSet::new(), down: BTreeSet::new() });
        for part in text.split(',') {
            let (way, numbers) = split(part)?;
            let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
            let number = |text: &str| {
                let plain = text.bytes().all(|o| o.is_ascii_digit());
                let number = text.parse().ok().filter(|n| plain && *n > 0);
                number.ok_or_else(|| format!("no number from 1 on in {part:?} (write up:3,down:5-7)"))
            };
            let (first, last): (u64, u64) = (number(first)?, number(last)?);
            if last < first || last - first >= MOST {
                return Err(format!("{part:?} is no range of at most 100,000"));
            }
            nth.0.of_mut(way).extend(first..=last);
        }
        Ok(nth)
    }
}

fn split(part: &str) -> Result<(crate::relay::From, &str), String> {
    match part.split_once(':') {
        Some(("up", value)) => Ok((crate::relay::From::Client, value)),
        Some(("down", value)) => Ok((crate::relay::From::Server, value)),
        _ => Err(format!("neither up: nor down: in {part:?} (write up:3,down:5)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(text: &str) -> Result<(f64, f64), String> {
        each::<Percent>(text, str::parse).map(|each| (each.up.0, each.down.0))
    }

    #[test]
    fn rates_as_people_write_them() {
        for (text, up, down) in [
            ("20%", 20.0, 20.0),
            ("0.5%", 0.5, 0.5),
            ("100%", 100.0, 100.0),
            ("up:20%", 20.0, 0.0),
            ("down:5%,up:1%", 1.0, 5.0),
        ] {
            assert_eq!(rates(text), Ok((up, down)), "{text}");
        }
        for (text, part) in [
            ("20", "no % in \"20\" (write 20%"),
            ("%", "no number"),
            ("101%", "more than 100"),
            ("-1%", "no number"),
            ("nan%", "no number"),
            ("1e2%", "no number"),
            ("20%,5%", "no number"),
            ("left:20%", "neither up: nor down:"),
            ("up:20%,up:5%", "twice"),
            ("up:20%,5%", "neither up: nor down:"),
        ] {
            let e = rates(text).expect_err(text);
            assert!(e.contains(part), "{e}");
        }
    }

    #[test]
    fn numbers_as_people_write_them() {
        let nth: Nth = "up:3,down:5-7,up:1".parse().expect("numbers");
        assert_eq!((nth.0.up, nth.0.down), ([1, 3].into(), [5, 6, 7].into()));
        for (text, part) in [
            ("", "neither"),
            ("3", "neither"),
            ("up:0", "no number from 1 on"),
            ("up:", "no number"),
            ("up:+1", "no number"),
            ("up:7-5", "no range"),
            ("up:1-100001", "no range"),
            ("up:99999999999999999999", "no number"),
        ] {
            let e = text.parse::<Nth>().expect_err(text);
            assert!(e.contains(part), "{e}");
        }
    }
}
