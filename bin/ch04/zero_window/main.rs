//! A reader that stops reading, and, with `--send`, a writer that meets one: a window that closes, seen from both ends.
//!
//! The reader takes clients side by side. From each it reads `--read` octets, and then nothing more until Enter, or for
//! `--resume-after`; then the rest, and closes. With `--rate` it does not stop, and reads so many octets a second. It sends
//! nothing. A signal is an Enter, too: who is connected may finish, for `--grace`.
//!
//! The writer writes `--octets` octets, closes its direction, and waits for the reader's FIN. Its table shows what the
//! kernel took, the reader's window, what is not sent yet, and how often the wait for the next window probe was doubled.
//! After `--patience` without progress it gives up.
//!
//! ```text
//! cargo run --bin zero_window                              # Enter, when you have seen enough
//! cargo run --bin zero_window -- --send & sleep 2; ss -tinmo 'dport = :7046'
//! ```

mod reader;
mod writer;

use clap::{Args, Parser};
use netkata::{exit, human};
use std::process::ExitCode;
use std::time::Duration;

/// Shows what happens to a writer whose reader does not read.
#[derive(Parser)]
#[command(after_help = "Examples:\n  zero_window --resume-after 5s\n  zero_window --send --octets 10MiB")]
struct Arguments {
    /// Where to listen, or to send to: host:port, :port or [v6]:port
    #[arg(default_value = "127.0.0.1:7046")]
    address: String,
    #[command(flatten)]
    reader: Reader,
    /// Be the writer
    #[arg(long, conflicts_with = "Reader")]
    send: bool,
    #[command(flatten)]
    writer: Writer,
}

/// How to read.
#[derive(Args, Clone)]
struct Reader {
    /// Read so many octets, then stop
    #[arg(long, default_value = "64KiB", value_parser = human::size_within::<u64>(0..=1 << 40))]
    read: u64,
    /// Read on after so long, not at Enter
    #[arg(long, value_parser = human::parse_duration)]
    resume_after: Option<Duration>,
    /// Do not stop, and read so many octets a second
    #[arg(long, conflicts_with_all = ["read", "resume_after"], value_parser = human::size_within::<u32>(1..=1 << 30))]
    rate: Option<u32>,
    /// After SIGINT or SIGTERM, read on for so long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
}

/// How to write.
#[derive(Args)]
#[group(requires = "send")]
struct Writer {
    /// With --send: write so many octets
    #[arg(long, default_value = "16MiB", value_parser = human::size_within::<u64>(1..=1 << 40))]
    octets: u64,
    /// With --send: say so when nothing could be written for so long, and again each time
    #[arg(long, default_value = "1s", value_parser = human::parse_limit)]
    stall: Duration,
    /// With --send: give up when nothing could be written for so long
    #[arg(long, default_value = "1m", value_parser = human::parse_limit)]
    patience: Duration,
}

fn main() -> ExitCode {
    let args = Arguments::parse();
    exit::run(|| {
        if args.send { writer::send(&args.address, &args.writer) } else { reader::serve(&args.address, &args.reader) }
    })
}
