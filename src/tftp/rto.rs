//! How long to wait for an answer before a packet is sent again: as long as answers take, and some more (RFC 6298).
//!
//! | section | rule | here |
//! |---|---|---|
//! | 2.1 | before the first round trip was measured, wait a time that was set | [`Rto::new`] |
//! | 2.2, 2.3 | SRTT, the smoothed round trip, and RTTVAR, how far round trips are from it: RTO = SRTT + max(G, 4 RTTVAR) | [`Rto::answered`] |
//! | 2.4 | never less than a floor; the RFC has a second, Linux 200 ms | [`Rto::FLOOR`] |
//! | 3 | Karn's rule: what was sent twice is no sample, for nobody knows which of the two was answered | [`Rto::answered`] |
//! | 5.5 | each time that nothing comes, twice the wait, and so until there is a sample again | [`Rto::back_off`] |
//!
//! RFC 1123, section 4.2.3.2, asks the same of TFTP.

use std::time::Duration;

/// G: how exact the clock is that a wait is measured with. The kernel's timers count in ticks of some milliseconds.
const GRANULARITY: Duration = Duration::from_millis(4);

/// The retransmission timeout of one transfer. It reads no clock.
#[derive(Clone, Debug)]
pub struct Rto {
    first: Duration,
    /// No estimate is shorter.
    floor: Duration,
    /// The longest wait, however often it was doubled.
    longest: Duration,
    estimate: Option<Estimate>,
    doublings: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Estimate {
    /// SRTT.
    smoothed: Duration,
    /// RTTVAR.
    variation: Duration,
}

impl Rto {
    /// A floor that suits most networks. An answer can be late for reasons that the round trip knows nothing of: the other side
    /// delays its acknowledgments, or waits for a disk, or for its turn on a processor.
    pub const FLOOR: Duration = Duration::from_millis(200);

    /// Waits `first` until a round trip was measured. What is estimated then is never longer, and never shorter than `floor`:
    /// where `first` is not above that, it stays.
    pub fn new(first: Duration, floor: Duration) -> Self {
        Self { floor: floor.min(first), ..Self::fixed(first) }
    }

    /// Always `first`: a time that was agreed on.
    pub fn fixed(first: Duration) -> Self {
        Self { first, floor: first, longest: first, estimate: None, doublings: 0 }
    }

    /// Lets doubled waits become this long. Otherwise none is longer than the first.
    pub fn up_to(self, longest: Duration) -> Self {
        Self { longest: longest.max(self.first), ..self }
    }

    /// How long to wait now.
    pub fn wait(&self) -> Duration {
        let once = self.estimate.map_or(self.first, |estimate| estimate.rto().clamp(self.floor, self.first));
        once.saturating_mul(1 << self.doublings).min(self.longest)
    }

    /// How long no wait is longer than.
    pub fn longest(&self) -> Duration {
        self.longest
    }

    /// An answer came, so long after the packet was sent. `again`: that was not the first time that it was sent.
    pub fn answered(&mut self, again: bool, after: Duration) {
        let adapts = self.floor < self.first;
        if adapts && again {
            return;
        }
        self.doublings = 0;
        if adapts {
            self.estimate = Some(self.estimate.map_or_else(|| Estimate::first(after), |former| former.and(after)));
        }
    }

    /// Nothing came in time.
    pub fn back_off(&mut self) {
        if self.doublings < 31 && self.wait() < self.longest {
            self.doublings += 1;
        }
    }
}

impl Estimate {
    fn first(r: Duration) -> Self {
        Self { smoothed: r, variation: r / 2 }
    }

    /// With one more round trip. The variation comes first: it is the distance from what was expected until now.
    fn and(self, r: Duration) -> Self {
        let variation = self.variation - self.variation / 4 + self.smoothed.abs_diff(r) / 4;
        Self { smoothed: self.smoothed - self.smoothed / 8 + r / 8, variation }
    }

    fn rto(self) -> Duration {
        self.smoothed.saturating_add(self.variation.saturating_mul(4).max(GRANULARITY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn after(first: u64, samples: &[u64]) -> Rto {
        let mut rto = Rto::new(ms(first), Rto::FLOOR);
        samples.iter().for_each(|&sample| rto.answered(false, ms(sample)));
        rto
    }

    #[test]
    fn follows_the_round_trip() {
        assert_eq!(after(6000, &[]).wait(), ms(6000));
        // SRTT 400, RTTVAR 200.
        assert_eq!(after(6000, &[400]).wait(), ms(1200));
        // RTTVAR 3/4 of 200 and 1/4 of 80, SRTT 7/8 of 400 and 1/8 of 480.
        assert_eq!(after(6000, &[400, 480]).wait(), ms(410 + 4 * 170));
    }

    #[test]
    fn is_steady_where_the_network_is() {
        let rto = after(6000, &[1000; 200]);
        assert!(rto.wait() >= ms(1000) + GRANULARITY && rto.wait() < ms(1010), "{rto:?}");
    }

    #[test]
    fn has_a_floor_and_a_ceiling() {
        assert_eq!(after(6000, &[0, 1, 2]).wait(), Rto::FLOOR);
        assert_eq!(after(1000, &[900]).wait(), ms(1000));
    }

    #[test]
    fn doubles_until_there_is_a_sample() {
        let mut rto = after(1000, &[100]);
        assert_eq!(rto.wait(), ms(300));
        let mut waits = Vec::new();
        for _ in 0..3 {
            rto.back_off();
            waits.push(rto.wait());
        }
        assert_eq!(waits, [ms(600), ms(1000), ms(1000)]);
        rto.answered(true, ms(1));
        assert_eq!(rto.wait(), ms(1000), "Karn: no sample, and the wait stays");
        rto.answered(false, ms(100));
        assert!(rto.wait() < ms(300), "a sample ends it: {rto:?}");
    }

    #[test]
    fn may_double_beyond_the_first() {
        let mut rto = Rto::new(ms(30), Rto::FLOOR).up_to(ms(100));
        let waits = [30, 60, 100, 100].map(ms);
        for wait in waits {
            assert_eq!(rto.wait(), wait);
            rto.back_off();
        }
        rto.answered(true, ms(1));
        assert_eq!(rto.wait(), ms(30), "what does not adapt begins anew with each packet");
    }

    #[test]
    fn what_was_agreed_on_stays() {
        let mut rto = Rto::fixed(ms(3000));
        for again in [false, true] {
            rto.answered(again, ms(5));
            rto.back_off();
            assert_eq!(rto.wait(), ms(3000));
        }
    }

    proptest! {
        /// Whatever happens, in whatever order and of whatever length: the wait is never out of its bounds, and never panics.
        #[test]
        fn stays_within_its_bounds(
            first in 0u64..=u64::MAX,
            floor in 0u64..=u64::MAX,
            longest in 0u64..=u64::MAX,
            events in prop::collection::vec((0u8..3, prop_oneof![0u64..10_000_000_000, 0u64..=u64::MAX]), 0..80),
        ) {
            let [first, floor, longest] = [first, floor, longest].map(Duration::from_nanos);
            let mut rto = Rto::new(first, floor).up_to(longest);
            for (event, time) in events {
                match event {
                    0 => rto.back_off(),
                    _ => rto.answered(event == 1, Duration::from_nanos(time)),
                }
                prop_assert!(rto.wait() >= first.min(floor) && rto.wait() <= first.max(longest));
            }
        }

        /// After enough samples from a steady network, the estimate is above each round trip: nothing is sent twice.
        #[test]
        fn waits_longer_than_answers_take(base in 1u64..2000, jitter in prop::collection::vec(0u64..50, 60..100)) {
            let samples: Vec<u64> = jitter.iter().map(|more| base + more).collect();
            let rto = after(60_000, &samples);
            prop_assert!(rto.wait() >= ms(base), "{rto:?}");
        }
    }
}
