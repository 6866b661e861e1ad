//! Options: what a client asks for, and what a server grants (RFC 2347).

use std::fmt;
use std::ops::RangeInclusive;

/// The sizes that a block may have, in octets (RFC 2348).
pub const BLKSIZE: RangeInclusive<u64> = 8..=65_464;
/// The times that a side may wait before it repeats itself, in seconds (RFC 2349).
pub const TIMEOUT: RangeInclusive<u64> = 1..=255;
/// The numbers of blocks that may be sent before an ACK must come (RFC 7440).
pub const WINDOWSIZE: RangeInclusive<u64> = 1..=65_535;

/// An option and its value, as they came: texts without their NULs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// In any mixture of upper and lower case.
    pub name: &'a [u8],
    /// A decimal number, for every option that is known here.
    pub value: &'a [u8],
}

/// The options that are known here. `None`: not asked for, or not granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Octets in a block.
    pub blksize: Option<u16>,
    /// Seconds until a side repeats itself.
    pub timeout: Option<u8>,
    /// Octets in the file. A read request says 0, and the server answers with the size.
    pub tsize: Option<u64>,
    /// Blocks sent before an ACK must come.
    pub windowsize: Option<u16>,
}

/// What is wrong with a known option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// It is there twice (RFC 2347: once at most).
    Repeated(&'static str),
    /// Its value is no number, or none that it may have.
    Value(&'static str, String),
}

impl Options {
    /// Reads the known ones; the others are skipped, as RFC 2347 wants.
    ///
    /// # Errors
    /// The first that is repeated, or has a value that it may not have.
    pub fn read(pairs: &[Pair<'_>]) -> Result<Self, Misuse> {
        let mut options = Self::default();
        for pair in pairs {
            let is = |name: &str| pair.name.eq_ignore_ascii_case(name.as_bytes());
            if is("blksize") {
                set(&mut options.blksize, "blksize", pair, BLKSIZE)?;
            } else if is("timeout") {
                set(&mut options.timeout, "timeout", pair, TIMEOUT)?;
            } else if is("tsize") {
                set(&mut options.tsize, "tsize", pair, 0..=u64::MAX)?;
            } else if is("windowsize") {
                set(&mut options.windowsize, "windowsize", pair, WINDOWSIZE)?;
            }
        }
        Ok(options)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Names and values, to be sent: [`Pair`]s borrow from it.
    pub fn texts(&self) -> Vec<(&'static str, String)> {
        let mut texts = Vec::new();
        let mut add = |name, value: Option<u64>| texts.extend(value.map(|value| (name, value.to_string())));
        add("blksize", self.blksize.map(u64::from));
        add("timeout", self.timeout.map(u64::from));
        add("tsize", self.tsize);
        add("windowsize", self.windowsize.map(u64::from));
        texts
    }
}

/// The texts of [`Options::texts`], as pairs.
pub fn pairs<'a>(texts: &'a [(&'static str, String)]) -> Vec<Pair<'a>> {
    texts.iter().map(|(name, value)| Pair { name: name.as_bytes(), value: value.as_bytes() }).collect()
}

fn set<T: TryFrom<u64>>(
    option: &mut Option<T>,
    name: &'static str,
    pair: &Pair<'_>,
    allowed: RangeInclusive<u64>,
) -> Result<(), Misuse> {
    if option.is_some() {
        return Err(Misuse::Repeated(name));
    }
    let digits = str::from_utf8(pair.value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let value = digits.and_then(|text| text.parse().ok()).filter(|value| allowed.contains(value));
    match value.and_then(|value| T::try_from(value).ok()) {
        Some(value) => *option = Some(value),
        None => return Err(Misuse::Value(name, pair.value.escape_ascii().to_string())),
    }
    Ok(())
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repeated(name) => write!(f, "option {name} is there twice"),
            Self::Value(name, value) => write!(f, "option {name} cannot be \"{value}\""),
        }
    }
}

impl std::error::Error for Misuse {}
