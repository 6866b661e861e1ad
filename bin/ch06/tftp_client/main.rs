//! Gets a file from a TFTP server: RFC 1350, with the options of RFC 2347, 2348, 2349 and 7440.
//!
//! The client asks, at the server's port. The server answers from another port, which it took for this transfer: from then
//! on the two ports are the transfer, and what comes from elsewhere is refused with ERROR 5. Each block of the file comes in
//! a datagram of its own and is acknowledged; one that is shorter than the others, or empty, is the last. Whoever waits too
//! long sends its last packet again: here after `--timeout`, then after twice that, and so on up to eight times, `--retries`
//! times in a row. Once a round trip was measured, the first of these waits follows it (RFC 6298), from
//! `--min-timeout` up to `--timeout`; with `--timeout-option`, both sides wait as long as it says. Blocks are counted in sixteen bits, and after 65,535 comes 0.
//!
//! The file gets its name when it is whole. Until then it is `.NAME.part-…` in the same folder, which is removed on every
//! failure, Ctrl-C and SIGTERM (status 130 and 143). An existing file is replaced, unless `--no-clobber` is given. When
//! a packet was lost on the way, the last ACK may be lost too: then the client stays a little to repeat it (`--dally`).
//!
//! ```text
//! cargo run --bin tftp_client -- tftp://127.0.0.1:7069/tides.txt
//! cargo run --bin tftp_client -- 127.0.0.1:7069/tides.txt --no-options -o - | less
//! ```

mod agree;
mod args;
mod ask;
mod cleanup;
mod failure;
mod link;
mod name;
mod part_file;
mod patience;
mod port;
mod progress;
mod receive;
mod sink;
mod source;
mod window;

use args::Args;
use clap::Parser;
use cleanup::Cleanup;
use failure::{Failed, Failure};
use link::Link;
use netkata::addr::resolve;
use netkata::tftp::Block;
use netkata::{exit, human};
use sink::Sink;
use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| get(&args))
}

fn get(args: &Args) -> Result<(), Failed> {
    let cleanup = Cleanup::on_signals().map_err(Failed::plain)?;
    let servers = resolve(args.network(), &args.source.server).map_err(Failed::plain)?;
    let mut sink = Sink::open(args, &cleanup).map_err(Failed::plain)?;
    let started = Instant::now();
    let (mut link, agreed) = ask::in_turn(args, &servers, &sink, &cleanup)?;
    sink.prepare(&agreed, args.progress());
    receive::file(&mut link, &mut sink, &agreed)
        .and_then(|last| finish(args, &mut link, sink, last, started.elapsed()))
        .map_err(|e| Failed::new(args, link.server, link.give_up(e)))
}

/// The file first, the courtesy after: nobody waits for the file while this client waits for the server.
fn finish(args: &Args, link: &mut Link, sink: Sink, last: Block, took: Duration) -> Result<(), Failure> {
    let done = sink.finish(args)?;
    if !args.quiet {
        let resent = human::thousands(usize::try_from(link.tally.resent).unwrap_or(usize::MAX));
        exit::log(format_args!("{done}, {}, {resent} resent", human::duration(rounded(took))));
    }
    if args.print_hash {
        args.print_hash_line(&done.hash).map_err(Failure::Local)?;
    }
    link.dally(args.dally, last)
}

/// Three digits are enough for a time.
fn rounded(took: Duration) -> Duration {
    let step = if took >= Duration::from_millis(10) { Duration::from_millis(1) } else { Duration::from_micros(10) };
    human::round_to(took, step)
}
