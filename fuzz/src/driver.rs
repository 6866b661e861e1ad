//! Runs a target: one input after another, each with a seed of its own, so that any can be made again.

use crate::Target;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// One input may take so long. It takes microseconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the inputs together may add to the peak of memory.
const MEMORY: u64 = 16 << 20;

/// What went wrong, and with which input.
pub struct Found {
    /// Its number: `--first N --inputs 1` tries it again.
    pub number: u64,
    /// The input.
    pub input: Vec<u8>,
    /// In words.
    pub why: String,
}

/// Tries inputs `first..first + inputs`.
///
/// # Errors
/// The first input that showed an error, or after which the peak of memory had risen too far.
pub fn run(target: &Target, seed: u64, first: u64, inputs: u64) -> Result<(), Box<Found>> {
    let current = Arc::new(AtomicU64::new(first));
    watch(target.name, seed, current.clone());
    let before = peak_memory();
    for number in first..first.saturating_add(inputs) {
        current.store(number, Relaxed);
        let input = (target.make)(&mut fastrand::Rng::with_seed(seed.wrapping_add(number)));
        let found = |why| Box::new(Found { number, input: input.clone(), why });
        if catch_unwind(AssertUnwindSafe(|| (target.check)(&input))).is_err() {
            return Err(found("it panicked, as said above".into()));
        }
        // Each look costs a system call or two.
        if number % 4096 == 0 && peak_memory() > before + MEMORY {
            return Err(found(format!(
                "the peak of memory has risen by more than {} MiB since the start",
                MEMORY >> 20
            )));
        }
    }
    Ok(())
}

/// Ends the process when one input takes too long: a loop that goes round for ever cannot be told to stop.
fn watch(name: &'static str, seed: u64, current: Arc<AtomicU64>) {
    let watcher = move || {
        let mut last = None;
        // The driver's own end of the counter is dropped with its last input.
        while Arc::strong_count(&current) > 1 {
            let now = current.load(Relaxed);
            if last == Some(now) {
                eprintln!("error: {name}: input {now} of seed {seed:x} is not done after {} s", PATIENCE.as_secs());
                process::exit(1);
            }
            last = Some(now);
            thread::sleep(PATIENCE);
        }
    };
    // Without a thread to spare there is no watch, and the inputs are tried all the same.
    let _ = thread::Builder::new().name("watch".into()).spawn(watcher);
}

/// Octets; proc(5), VmHWM in /proc/self/status. Zero where there is no /proc.
pub fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}
