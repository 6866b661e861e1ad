//! What was asked for, and what the machine allows.

use netkata::{human, sys};
use std::error::Error;
use std::time::{Duration, Instant};

/// Rounds of each workload. Short and many: what disturbs one round or two does not move the median.
pub(crate) const ROUNDS: u32 = 11;

pub(crate) struct Settings {
    wanted: Vec<String>,
    /// The time for one server, one workload and one round.
    pub(crate) round: Duration,
    /// How many a process may have open.
    pub(crate) descriptors: u64,
    start: Instant,
}

impl Settings {
    /// From the arguments (cargo passes --bench; any other word chooses workloads) and from `BENCH_SECONDS`.
    pub(crate) fn read() -> Result<Self, Box<dyn Error>> {
        let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
        let seconds: f64 = match std::env::var("BENCH_SECONDS") {
            Ok(text) => text.parse().map_err(|_| format!("BENCH_SECONDS={text:?} is no number of seconds"))?,
            Err(_) => 1.0,
        };
        let round =
            Duration::try_from_secs_f64(seconds / f64::from(ROUNDS)).map_err(|e| format!("BENCH_SECONDS: {e}"))?;
        if round.is_zero() {
            return Err("BENCH_SECONDS leaves no time at all".into());
        }
        Ok(Self { wanted, round, descriptors: sys::limits::raise_descriptors()?, start: Instant::now() })
    }

    /// Whether a workload of this name is to be measured.
    pub(crate) fn is_wanted(&self, name: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|w| name.contains(w.as_str()))
    }

    /// Says so when a workload needs more than there is.
    pub(crate) fn has_descriptors(&self, name: &str, needed: u64) -> bool {
        let enough = needed <= self.descriptors;
        if !enough {
            println!("\n{name}: skipped, {} descriptors are too few (ulimit -n)", self.descriptors);
        }
        enough
    }

    /// What became of the goals, and how long it took.
    pub(crate) fn conclude(&self, goals: &[String]) {
        println!();
        goals.iter().for_each(|goal| println!("{goal}"));
        println!("\ntook {}", human::duration(human::round_to(self.start.elapsed(), Duration::from_secs(1))));
    }
}
