//! What becomes of one datagram.

use super::chance::{About, below, fraction};
use super::faults::{Fault, Faults};
use crate::human;
use crate::relay::From;
use crate::relay::datagrams::Delivery;
use std::fmt;
use std::time::Duration;

/// What becomes of one datagram. [`Fate::of`] decides it, [`Fate::deliveries`] does it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// It is lost. Then nothing else matters.
    pub dropped: bool,
    /// It arrives twice.
    pub repeated: bool,
    /// So many later ones overtake it; zero leaves it in its place.
    pub behind: usize,
    /// This bit of the payload is flipped, counted from the first octet's highest.
    pub flipped: Option<usize>,
    /// So many octets of the payload are left.
    pub cut: Option<usize>,
    /// It comes from a port that nobody knows.
    pub foreign: bool,
    /// How long it takes.
    pub delay: Duration,
    /// How much longer it waits at most, when later ones are to overtake it.
    pub hold: Duration,
}

impl Fate {
    /// The fate of the datagram with this number (from one) of those that came from this side, with so many octets of payload.
    /// An empty one has nothing that could be flipped or cut off.
    pub fn of(faults: &Faults, from: From, number: u64, octets: usize) -> Self {
        let seed = faults.seed;
        let struck = |fault: &Fault, about| {
            let rate = fault.rate.of(from).0;
            fault.nth.0.of(from).contains(&number) || fraction(seed, from, number, about) * 100.0 < rate
        };
        let choose = |end: usize, about| below(end as u64, seed, from, number, about) as usize;
        let damaged = |fault, about| octets > 0 && struck(fault, about);
        let reordered = struck(&faults.reorder, About::Reorder);
        let jitter = faults.jitter.of(from).mul_f64(fraction(seed, from, number, About::Jitter));
        Self {
            dropped: struck(&faults.drop, About::Drop),
            repeated: struck(&faults.repeat, About::Repeat),
            behind: if reordered { faults.behind } else { 0 },
            flipped: damaged(&faults.corrupt, About::Corrupt).then(|| choose(octets * 8, About::WhichBit)),
            cut: damaged(&faults.truncate, About::Truncate).then(|| choose(octets, About::WhereToCut)),
            foreign: struck(&faults.foreign, About::Foreign),
            delay: faults.delay.of(from).saturating_add(jitter),
            hold: if reordered { faults.hold } else { Duration::ZERO },
        }
    }

    /// Whether it goes on as it came, at once.
    pub fn is_harmless(&self) -> bool {
        *self == Self::default()
    }

    /// What is delivered in place of these octets, and when.
    pub fn deliveries(&self, octets: &[u8]) -> Vec<Delivery> {
        if self.dropped {
            return Vec::new();
        }
        let mut octets = octets.to_vec();
        if let Some(octet) = self.flipped.and_then(|bit| octets.get_mut(bit / 8)) {
            *octet ^= 0x80 >> (self.flipped.unwrap_or_default() % 8);
        }
        octets.truncate(self.cut.unwrap_or(octets.len()));
        let one = Delivery {
            octets,
            after: self.delay.saturating_add(self.hold),
            behind: self.behind,
            foreign: self.foreign,
        };
        vec![one; 1 + usize::from(self.repeated)]
    }
}

/// `dropped`, or everything else that happens to it: `bit 17 flipped, repeated`; `passed` when nothing does.
impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dropped {
            return f.write_str("dropped");
        }
        let mut parts = Vec::new();
        parts.extend(self.flipped.map(|bit| format!("bit {bit} flipped")));
        parts.extend(self.cut.map(|left| format!("cut to {}", human::count(left, "octet"))));
        parts.extend(self.foreign.then(|| "from a foreign port".into()));
        parts.extend(self.repeated.then(|| "repeated".into()));
        parts.extend((self.behind > 0).then(|| format!("behind the next {}", self.behind)));
        let delay = human::round_to(self.delay, Duration::from_micros(100));
        parts.extend((!self.delay.is_zero()).then(|| format!("after {}", human::duration(delay))));
        f.write_str(&if parts.is_empty() { "passed".into() } else { parts.join(", ") })
    }
}
