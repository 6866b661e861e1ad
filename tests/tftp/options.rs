//! Options: their limits, what is skipped, and what is refused.

use netkata::tftp::{BLKSIZE, Misuse, Options, Pair, TIMEOUT, WINDOWSIZE, pairs};
use proptest::prelude::*;

fn read(all: &[(&str, &str)]) -> Result<Options, Misuse> {
    let pairs: Vec<_> = all.iter().map(|(n, v)| Pair { name: n.as_bytes(), value: v.as_bytes() }).collect();
    Options::read(&pairs)
}

fn refused(all: &[(&str, &str)]) -> String {
    read(all).expect_err("refused").to_string()
}

prop_compose! {
    fn any_options()(
        blksize in prop::option::of(8_u16..=65_464), timeout in prop::option::of(1_u8..), tsize: Option<u64>,
        windowsize in prop::option::of(1_u16..),
    ) -> Options {
        Options { blksize, timeout, tsize, windowsize }
    }
}

proptest! {
    /// What was written is read, in any order, in any case, with others in between that nobody knows.
    #[test]
    fn options_come_back(options in any_options(), shift in 0..4_usize, upper: bool) {
        let mut texts = options.texts();
        prop_assert_eq!(Options::read(&pairs(&texts)), Ok(options));
        prop_assert_eq!(texts.is_empty(), options.is_empty());
        let turns = shift % texts.len().max(1);
        texts.rotate_left(turns);
        let names: Vec<_> = texts.iter().map(|(n, _)| if upper { n.to_uppercase() } else { n.to_string() }).collect();
        let unknown = Pair { name: b"multicast", value: b"" };
        let shuffled: Vec<_> = names.iter().zip(&texts)
            .flat_map(|(name, (_, value))| [unknown, Pair { name: name.as_bytes(), value: value.as_bytes() }]).collect();
        prop_assert_eq!(Options::read(&shuffled), Ok(options));
    }

    /// Whatever stands there, an option is read as the number that it is, or refused; it is never another number.
    #[test]
    fn no_value_is_guessed(which in 0..4_usize, value in prop_oneof!["[0-9]{0,22}", "[ +-]?[0-9]{1,5}[ .x]?[0-9]{0,2}", any::<String>()]) {
        let name = ["blksize", "timeout", "tsize", "windowsize"][which];
        let Ok(options) = read(&[(name, &value)]) else { return Ok(()) };
        let texts = options.texts();
        prop_assert_eq!(texts.len(), 1);
        let digits = value.trim_start_matches('0');
        prop_assert_eq!(&texts[0], &(name, if digits.is_empty() { "0".into() } else { digits.to_string() }));
    }
}

/// Each limit is inclusive (RFC 2348, 2349, 7440), and `tsize` has none but its number's.
#[test]
fn limits() {
    for (name, allowed) in [("blksize", BLKSIZE), ("timeout", TIMEOUT), ("windowsize", WINDOWSIZE)] {
        for inside in [*allowed.start(), *allowed.end()] {
            assert!(read(&[(name, &inside.to_string())]).is_ok(), "{name} {inside}");
        }
        for outside in [allowed.start() - 1, allowed.end() + 1] {
            assert_eq!(refused(&[(name, &outside.to_string())]), format!("option {name} cannot be \"{outside}\""));
        }
    }
    assert_eq!(read(&[("tsize", "18446744073709551615")]).unwrap().tsize, Some(u64::MAX));
    assert_eq!(refused(&[("tsize", "18446744073709551616")]), "option tsize cannot be \"18446744073709551616\"");
    assert_eq!((BLKSIZE, TIMEOUT, WINDOWSIZE), (8..=65_464, 1..=255, 1..=65_535));
}

/// RFC 2347: an option is there once; an unknown one is as good as none.
#[test]
fn once_and_known() {
    assert_eq!(refused(&[("blksize", "512"), ("BLKSIZE", "1428")]), "option blksize is there twice");
    assert_eq!(read(&[("rollover", "0"), ("rollover", "1"), ("blksize2", "x")]), Ok(Options::default()));
    assert_eq!(read(&[]), Ok(Options::default()));
}

/// A number is digits. A sign, a blank, a dot, nothing at all, or a control character is no digit, and is shown escaped.
#[test]
fn digits_alone() {
    for value in ["", "+512", "-1", " 512", "512 ", "5_12", "0x200", "1e3", "512.0", "٥١٢"] {
        assert!(read(&[("blksize", value)]).is_err(), "{value:?}");
    }
    assert_eq!(read(&[("blksize", "0000512")]).unwrap().blksize, Some(512));
    assert_eq!(refused(&[("timeout", "\u{1b}[2J")]), "option timeout cannot be \"\\x1b[2J\"");
}
