//! Where the record goes: the screen and the files.

use crate::Args;
use netkata::error::{Attempt, NetError, Result};
use netkata::exit;
use netkata::tap::live::{Form, Live};
use netkata::tap::record::{Clock, Named, Recorder, Rules, Sink};
use std::io::{self, BufWriter, IsTerminal};
use std::time::Duration;

/// What is written at once when there is much to write.
const BUFFER: usize = 64 * 1024;
/// How long the last lines may take. A file takes them at once; a pipe whose reader sleeps takes none.
const PATIENCE: Duration = Duration::from_secs(2);
const SCREEN: &str = "standard output";

pub fn start(args: &Args) -> Result<Recorder> {
    let clock = Clock::start();
    let mut sinks: Vec<Named> = Vec::new();
    if !args.quiet {
        sinks.push((SCREEN.into(), screen(args)));
    }
    for target in &args.write {
        let name = target.path().display().to_string();
        let sink = target.open(clock.wall, args.octets).attempt("create", &name)?;
        sinks.push((name, sink));
    }
    let rules = Rules { limit: args.max_bytes, only: args.only.iter().cloned().collect() };
    Recorder::start(rules, clock, sinks).attempt("start", "the recorder")
}

fn screen(args: &Args) -> Box<dyn Sink> {
    let form = match (args.follow, args.dump) {
        (true, _) => Form::Follow,
        (_, true) => Form::Dump,
        _ => Form::Lines(args.octets),
    };
    // https://no-color.org
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let colour = io::stdout().is_terminal() && !unwanted;
    Box::new(Live::new(BufWriter::with_capacity(BUFFER, io::stdout()), form, colour))
}

/// Writes the last of it, and says what there was, unless the traffic never began. A screen that is closed or does not
/// scroll is no failure; a file that lacks something is.
pub fn finish(args: &Args, recorder: &Recorder, carried: Result<()>) -> Result<()> {
    let failed = recorder.finish(PATIENCE);
    carried?;
    if !args.quiet {
        recorder.summary().iter().for_each(exit::log);
        let files: Vec<String> = args.write.iter().map(|target| target.path().display().to_string()).collect();
        if !files.is_empty() {
            exit::log(format_args!("written: {}", files.join(", ")));
        }
    }
    let mut failures = failed.into_iter().filter(|(name, _)| name != SCREEN);
    failures.next().map_or(Ok(()), |(name, e)| Err(NetError::new("write", name, e)))
}
