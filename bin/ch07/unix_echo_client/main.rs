//! Sends a greeting each second to an echo server on a socket file, and prints each reply.
//!
//! The client speaks first: the octets of the greeting and nothing else, one every `--every`, whether or not the one before
//! has come back; with 64 on their way it waits. A reply is so many octets, in as many reads as it takes: a stream may cut it in
//! pieces or hand over two at once. It must be what was sent, and whole within `--timeout`. After `--count` greetings, or
//! at Ctrl-C, the client closes its direction (half-close), prints what is still due, and waits for the server to close too.
//!
//! ```text
//! cargo run --bin unix_echo_client harbour.sock -v
//! socat UNIX-LISTEN:harbour.sock,fork EXEC:cat          # the other side, instead of unix_echo_server
//! ```

mod client;
mod echo;

use clap::Parser;
use client::Client;
use netkata::error::{Attempt, Result};
use netkata::unix::{Kind, Name, connect};
use netkata::{exit, human, stop};
use std::process::ExitCode;
use std::time::Duration;

/// The longest greeting, in octets.
const LONGEST: usize = 1024;

/// Greets an echo server on a Unix domain socket, again and again.
#[derive(Parser)]
#[command(after_help = "Examples:
  unix_echo_client /run/harbour.sock
  unix_echo_client @harbour --greeting 'any berth free?' --every 200ms --count 5")]
struct Args {
    /// The server: a path, or @name for Linux's abstract names
    #[arg(default_value_t = Name::in_temp("harbour.sock"))]
    name: Name,
    /// What to say, 1 to 1024 octets
    #[arg(long, default_value = "ahoy from the harbour", value_parser = greeting)]
    greeting: String,
    /// The time from one greeting to the next
    #[arg(long, default_value = "1s", value_parser = human::parse_limit)]
    every: Duration,
    /// How many greetings to send [default: until Ctrl-C]
    #[arg(short, long)]
    count: Option<u64>,
    /// Time to connect, for each reply, and for the server to close at the end
    #[arg(long, default_value = "5s", value_parser = human::parse_limit)]
    timeout: Duration,
    /// Log how many octets each read brought
    #[arg(short, long)]
    verbose: bool,
}

fn greeting(text: &str) -> std::result::Result<String, String> {
    match text.len() {
        1..=LONGEST => Ok(text.into()),
        n => Err(format!("{}: a greeting has 1 to {}", human::count(n, "octet"), human::count(LONGEST, "octet"))),
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| greet(&args))
}

fn greet(args: &Args) -> Result<()> {
    let stop = stop::on_signals()?;
    let name = args.name.url(Kind::Stream);
    let stream = connect::stream(&stop.with_timeout(args.timeout), &args.name).attempt("connect", &name)?;
    stream.set_write_timeout(Some(args.timeout)).attempt("connect", &name)?;
    Client::new(args, stream, name).converse(&stop)
}
