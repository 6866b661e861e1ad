//! An echo server on a socket file: chapter 3's, a thread per connection, with a path in the place of a port.
//!
//! The client speaks first, or not at all. It is a stream: there is no framing, and octets go back in order, as they come.
//! When the client closes its direction (half-close), the server sends what is still due and closes too. A connection on
//! which nothing moves for `--idle` is closed; connections beyond `--max-connections` are closed at once.
//!
//! The file that a dead server left behind is replaced, a live server's is not, and its own goes when the server goes. Whoever
//! may write to the file may connect: `--mode` and `--group` say who that is, from the file's first moment on.
//!
//! ```text
//! cargo run --bin unix_echo_server harbour.sock
//! printf 'ahoy\n' | nc -N -U harbour.sock
//! ```

use clap::Parser;
use netkata::accept::{self, Limits};
use netkata::error::{Attempt, Result, cause_text, is_timeout};
use netkata::unix::options::AccessOptions;
use netkata::unix::stream::{self, Client};
use netkata::unix::{Kind, Name};
use netkata::{exit, human, listen};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

/// The first buffer is enough for most clients, and a silent one costs little.
const FIRST_BUFFER: usize = 2 * 1024;
/// Octets read at once from a client that fills it: a stream then costs few system calls.
const BUFFER: usize = 64 * 1024;

/// Sends back whatever it is sent, on a Unix domain socket.
#[derive(Parser)]
#[command(after_help = "Examples:
  unix_echo_server /run/harbour.sock --group users
  unix_echo_server @harbour --idle 30s
  printf 'ahoy\\n' | nc -N -U /run/harbour.sock")]
struct Args {
    /// Where to listen: a path, or @name for Linux's abstract names
    #[arg(default_value_t = Name::in_temp("harbour.sock"))]
    name: Name,
    #[command(flatten)]
    access: AccessOptions,
    /// Connections served at once; more are closed at once
    #[arg(long, default_value_t = 12_000)]
    max_connections: usize,
    /// Close a connection on which nothing moves for this long
    #[arg(long, default_value = "5m", value_parser = human::parse_limit)]
    idle: Duration,
    /// After SIGINT or SIGTERM, let connections go on for this long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
    /// Log each connection, not only those that fail
    #[arg(short, long)]
    verbose: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(&args))
}

// [serve]
fn serve(args: &Args) -> Result<()> {
    let limits = Limits { connections: args.max_connections, grace: args.grace };
    let (idle, verbose) = (args.idle, args.verbose);
    accept::run_with(
        || open(args),
        args.name.url(Kind::Stream),
        &limits,
        move |stream, client| {
            report(client, echo(&stream, idle), idle, verbose);
        },
    )
}

fn open(args: &Args) -> Result<stream::Listener> {
    let url = args.name.url(Kind::Stream);
    // No close(2) removes the file that bind(2) makes. The listener's drop does, and a second signal.
    let listener = stream::listen(&args.name, &args.access.access()).attempt("listen", &url)?;
    listen::say_where(&url)?;
    Ok(listener)
}
// [/serve]

/// Sends everything back until the client closes its direction; returns how many octets that were.
fn echo(mut stream: &UnixStream, idle: Duration) -> io::Result<usize> {
    stream.set_read_timeout(Some(idle))?;
    // A client that does not read stops this thread in its write.
    stream.set_write_timeout(Some(idle))?;
    let mut buffer = vec![0; FIRST_BUFFER];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(n) => {
                stream.write_all(&buffer[..n])?;
                total += n;
                if n == buffer.len() {
                    buffer.resize(BUFFER, 0);
                }
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn report(client: Client, outcome: io::Result<usize>, idle: Duration, verbose: bool) {
    match outcome {
        Ok(total) if verbose => exit::log(format_args!("{client}: closed after {}", human::count(total, "octet"))),
        Ok(_) => {}
        Err(e) if is_timeout(&e) => {
            exit::log(format_args!("{client}: nothing moved for {}, closed", human::duration(idle)));
        }
        Err(e) => exit::log(format_args!("{client}: {}", cause_text(&e))),
    }
}
