//! Loads a server that sends back what it gets, compares every octet of every answer, and says how fast it was.
//!
//! The client speaks first: a message of `--size` octets, on each of `--connections` connections; the server sends the
//! same octets back, and only then the next message follows (`--stream` does not wait). There is no framing: the size
//! of the answer is known. No two messages of a run are alike, so an answer to another message, an old one or one that is
//! pieced together is found. At the end blast closes; an answer may take `--timeout`, and all connects together may
//! take `--setup`.
//!
//! With `--rate` a request is due by the clock, and its latency counts from then, also while the server stands still
//! and no connection is free to send it. Without, each connection sends when it was answered: a server that pauses is
//! not asked meanwhile, and its pauses hardly show in the percentiles (coordinated omission).
//!
//! ```text
//! cargo run --bin echo_server                        # or: socat TCP-LISTEN:7007,fork,reuseaddr EXEC:cat
//! cargo run --release --bin blast -- :7007 --connections 50 --time 3s
//! ```

mod args;
mod chart;
mod progress;
mod report;
mod results;

use args::Args;
use clap::Parser;
use netkata::error::{Attempt, NetError, Result};
use netkata::load::{Plan, Report, run};
use netkata::{exit, human, stop, sys};
use std::process::ExitCode;

/// Descriptors for everything that is no connection.
const SPARE: u64 = 50;

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| blast(&args))
}

fn blast(args: &Args) -> Result<()> {
    let plan = args.plan();
    plan.check()?;
    let ctx = stop::on_signals()?;
    enough_descriptors(&plan)?;
    let mut progress = progress::Progress::new(&plan);
    let outcome = run(&plan, &ctx, &mut |live| progress.show(live));
    progress.end();
    let report = outcome?;
    if let Some(file) = &args.svg {
        let svg = chart::svg(&plan, &report.latencies);
        std::fs::write(file, svg).attempt("write", file.display())?;
    }
    match args.json {
        true => exit::say(results::json(&plan, &report))?,
        false => exit::say(report::text(&plan, &report).trim_end())?,
    }
    verdict(&plan, &report)
}

/// UDP sockets are held twice: once to wait, once to be woken.
fn enough_descriptors(plan: &Plan) -> Result<()> {
    let limit = sys::limits::raise_descriptors().attempt("raise", "the limit on descriptors")?;
    let each = if plan.is_datagrams() { 2 } else { 1 };
    if plan.connections as u64 * each + SPARE <= limit {
        return Ok(());
    }
    let why = format!("{} descriptors are too few (ulimit -n)", human::thousands(limit as usize));
    Err(NetError::invalid("open", human::count(plan.connections, "connection"), why))
}

/// A fast wrong answer is worth nothing.
fn verdict(plan: &Plan, report: &Report) -> Result<()> {
    let fail = |why: String| Err(NetError::invalid("load", plan.target.to_string(), why));
    match (report.tally.wrong, report.tally.answered) {
        (1.., _) => fail(human::count(report.tally.wrong as usize, "wrong answer")),
        (0, 0) => fail(format!("no request was answered ({})", report::why_not(plan, &report.tally))),
        _ => Ok(()),
    }
}
