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
        // [fate]
        let seed = faults.seed;
        let struck = |fault: &Fault, about| {
            let rate = fault.rate.of(from).0;
            fault.nth.0.of(from).contains(&number) || fraction(seed, from, number, about) * 100.0 < rate
        };
        let choose = |end: usize, about| below(end as u64, seed, from, number, about) as usize;
        let damaged = |fault, about| octets > 0 && struck(fault, about);
        let reordered = struck(&faults.reorder, About::Reorder);
        Self {
            dropped: struck(&faults.drop, About::Drop),
            repeated: struck(&faults.repeat, About::Repeat),
            behind: if reordered { faults.behind } else { 0 },
            flipped: damaged(&faults.corrupt, About::Corrupt).then(|| choose(octets * 8, About::WhichBit)),
            cut: damaged(&faults.truncate, About::Truncate).then(|| choose(octets, About::WhereToCut)),
            // [/fate]
            foreign: struck(&faults.foreign, About::Foreign),
            delay: delay(faults, from, number),
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

fn delay(faults: &Faults, from: From, number: u64) -> Duration {
    let jitter = faults.jitter.of(from).mul_f64(fraction(faults.seed, from, number, About::Jitter));
    faults.delay.of(from).saturating_add(jitter)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lossy::{Each, Nth, Percent};
    use proptest::prelude::*;

    const MANY: u64 = 10_000;

    /// The kinds of faults, one at a time.
    fn kinds(faults: &mut Faults) -> [&mut Fault; 6] {
        let Faults { drop, repeat, reorder, corrupt, truncate, foreign, .. } = faults;
        [drop, repeat, reorder, corrupt, truncate, foreign]
    }

    fn all(percent: f64) -> Faults {
        let mut faults = Faults::default();
        kinds(&mut faults).into_iter().for_each(|kind| *kind = Fault::rate(percent));
        faults
    }

    /// Which kinds strike.
    fn struck(fate: &Fate) -> [bool; 6] {
        [fate.dropped, fate.repeated, fate.behind > 0, fate.flipped.is_some(), fate.cut.is_some(), fate.foreign]
    }

    /// A link without faults is a wire; one with all of them at 100 % spares nothing.
    #[test]
    fn never_and_always() {
        for number in 1..MANY {
            assert!(Fate::of(&Faults::default(), From::Client, number, 64).is_harmless());
            assert_eq!(struck(&Fate::of(&all(100.0), From::Server, number, 64)), [true; 6]);
        }
    }

    /// Each kind strikes as often as asked, four standard deviations apart at most, and not the same ones as another kind, or
    /// in the other direction.
    #[test]
    fn rates_are_kept() {
        for percent in [0.5, 5.0, 20.0, 50.0, 90.0] {
            let p = percent / 100.0;
            let near = |times: usize, p: f64| {
                let (mean, spread) = (MANY as f64 * p, (MANY as f64 * p * (1.0 - p)).sqrt());
                assert!((times as f64 - mean).abs() <= 4.0 * spread, "{times} times at {percent} %");
            };
            let rows: Vec<[bool; 12]> = (1..=MANY)
                .map(|number| {
                    let [up, down] = From::BOTH.map(|from| struck(&Fate::of(&all(percent), from, number, 64)));
                    std::array::from_fn(|i| if i < 6 { up[i] } else { down[i - 6] })
                })
                .collect();
            for i in 0..12 {
                near(rows.iter().filter(|row| row[i]).count(), p);
                for j in 0..i {
                    near(rows.iter().filter(|row| row[i] && row[j]).count(), p * p);
                }
            }
        }
    }

    /// These and no others, in this direction and not in the other.
    #[test]
    fn the_named_ones_are_struck() {
        let faults = Faults { drop: Fault::nth(Nth::up([3, 5])), repeat: Fault::nth(Nth::down([1])), ..all(0.0) };
        let told = |from| (1..7).map(|n| Fate::of(&faults, from, n, 8).to_string()).collect::<Vec<_>>();
        assert_eq!(told(From::Client), ["passed", "passed", "dropped", "passed", "dropped", "passed"]);
        assert_eq!(told(From::Server), ["repeated", "passed", "passed", "passed", "passed", "passed"]);
    }

    /// What a seed means must not change: lessons show it.
    #[test]
    fn a_seed_means_the_same_for_ever() {
        let faults = Faults { seed: 7, ..all(25.0) };
        let told: Vec<String> = (1..=6).map(|n| Fate::of(&faults, From::Client, n, 512).to_string()).collect();
        let fifth = "bit 3989 flipped, from a foreign port, repeated, behind the next 1";
        assert_eq!(told, ["behind the next 1", "passed", "behind the next 1", "dropped", fifth, "passed"]);
    }

    #[test]
    fn a_fate_is_one_line() {
        let millis = Duration::from_millis;
        let fate = Fate {
            flipped: Some(17),
            cut: Some(1),
            foreign: true,
            repeated: true,
            behind: 2,
            delay: millis(30),
            ..Fate::default()
        };
        let text = "bit 17 flipped, cut to 1 octet, from a foreign port, repeated, behind the next 2, after 30ms";
        assert_eq!(fate.to_string(), text);
        assert_eq!(Fate { dropped: true, ..fate }.to_string(), "dropped");
    }

    proptest! {
        /// Whether one kind strikes does not depend on whether others are asked for, nor on how long the datagram is.
        #[test]
        fn kinds_are_apart(seed: u64, number in 1..1_u64 << 40, percent in 0.0..100.0, kind in 0_usize..6, octets in 1_usize..2000) {
            let mut alone = Faults { seed, ..Faults::default() };
            *kinds(&mut alone)[kind] = Fault::rate(percent);
            let together = Faults { seed, delay: Each::both(Duration::from_secs(1)), ..all(percent) };
            for from in From::BOTH {
                let strikes = |faults, octets| struck(&Fate::of(faults, from, number, octets))[kind];
                prop_assert_eq!(strikes(&alone, octets), strikes(&together, 64));
            }
        }

        /// One bit and no more; shorter and the beginning of it; as often as it says; and always the same.
        #[test]
        fn the_harm_is_as_told(seed: u64, number: u64, octets in proptest::collection::vec(any::<u8>(), 0..300), percent in 0.0..100.0) {
            let faults = Faults { seed, drop: Fault::default(), jitter: Each::both(Duration::from_secs(1)), ..all(percent) };
            let fate = Fate::of(&faults, From::Client, number, octets.len());
            prop_assert_eq!(&fate, &Fate::of(&faults, From::Client, number, octets.len()));
            let deliveries = fate.deliveries(&octets);
            prop_assert_eq!(deliveries.len(), 1 + usize::from(fate.repeated));
            prop_assert!(fate.delay < Duration::from_secs(1));
            for delivery in deliveries {
                let left = fate.cut.unwrap_or(octets.len());
                prop_assert_eq!(delivery.octets.len(), left);
                prop_assert!(fate.cut.is_none_or(|left| left < octets.len()));
                let flipped: u32 = delivery.octets.iter().zip(&octets).map(|(a, b)| (a ^ b).count_ones()).sum();
                let seen = fate.flipped.is_some_and(|bit| bit / 8 < left);
                prop_assert_eq!(flipped, u32::from(seen));
            }
        }

        /// A rate can be raised: who was struck is struck still.
        #[test]
        fn more_is_more(seed: u64, number: u64, low in 0.0..100.0, more in 0.0..50.0) {
            let strikes = |percent| {
                let faults = Faults { seed, drop: Fault { rate: Each::both(Percent(percent)), nth: Nth::default() }, ..Faults::default() };
                Fate::of(&faults, From::Server, number, 1).dropped
            };
            prop_assert!(!strikes(low) || strikes(low + more));
        }
    }
}
