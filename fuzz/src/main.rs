//! Fuzzes a codec on stable Rust: millions of inputs, the same ones for the same seed.
//!
//! ```text
//! cargo run --release -p fuzz -- tlv --inputs 10000000
//! cargo run --release -p fuzz -- tlv --seed 7040 --first 1234 --inputs 1      one of them again
//! ```

use clap::Parser;
use fuzz::{TARGETS, driver};
use netkata::{hexdump, human};
use std::process::ExitCode;
use std::time::Instant;

/// Tries random and spoilt inputs, and stops at the first that shows an error.
#[derive(Parser)]
#[command(after_help = "Example:\n  fuzz tlv --inputs 10000000")]
struct Args {
    /// What to fuzz; nothing named: all of it
    targets: Vec<String>,
    /// Inputs for each target
    #[arg(long, default_value_t = 1_000_000)]
    inputs: u64,
    /// Makes other inputs
    #[arg(long, default_value_t = 7040)]
    seed: u64,
    /// The number of the first input
    #[arg(long, default_value_t = 0)]
    first: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    for name in &args.targets {
        if TARGETS.iter().all(|t| t.name != name) {
            let known: Vec<_> = TARGETS.iter().map(|t| t.name).collect();
            eprintln!("error: no target is called {name:?}: there is {}", known.join(", "));
            return ExitCode::from(2);
        }
    }
    for target in TARGETS.iter().filter(|t| args.targets.is_empty() || args.targets.iter().any(|n| n == t.name)) {
        let began = Instant::now();
        if let Err(found) = driver::run(target, args.seed, args.first, args.inputs) {
            eprintln!("error: {}: {}", target.name, found.why);
            eprintln!(
                "again: cargo run -p fuzz -- {} --seed {} --first {} --inputs 1",
                target.name, args.seed, found.number
            );
            eprint!("{}", hexdump::dump(&found.input));
            return ExitCode::FAILURE;
        }
        let (seconds, peak) = (began.elapsed().as_secs_f64(), driver::peak_memory() >> 10);
        let inputs = human::thousands(usize::try_from(args.inputs).unwrap_or(usize::MAX));
        println!("{}: {inputs} inputs, nothing found; {seconds:.1} s, peak of memory {peak} KiB", target.name);
    }
    ExitCode::SUCCESS
}
