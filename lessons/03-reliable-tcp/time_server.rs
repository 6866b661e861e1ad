//! A time server (RFC 868): the seconds since 1900 as four octets, to whoever connects.
//!
//! The server speaks first, and alone: one number of 32 bits, most significant octet first, then it closes its direction
//! (FIN). The number counts the seconds since 1900-01-01 00:00 UTC. It begins again at 0 on 2036-02-07 at 06:28:16 UTC,
//! when 2^32 seconds are over. What the client sends is thrown away. It is read all the same, for `--drain` at most: to close
//! a socket that holds unread octets is a reset, and the reset can destroy the answer.
//!
//! - Graded: who speaks and who closes; four octets, the right ones, in 2036 too; clients side by side; a client that
//!   talks; a stop on SIGTERM.
//! - Not graded: the log, fractions of a second, a machine whose clock stands before 1970.
//! - May be hard-coded: the 2,208,988,800 seconds between 1900 and 1970. See `EPOCHS_APART`.
//!
//! ```text
//! cargo run -p lessons --bin time_server
//! nc 127.0.0.1 7037 </dev/null | xxd
//! ```

use clap::Parser;
use netkata::accept::{self, Limits};
use netkata::addr::Network;
use netkata::deadline::DeadlineStream;
use netkata::error::{Result, cause_text};
use netkata::{exit, human};
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// From 1900-01-01 to 1970-01-01, where Unix begins to count: 70 years with 17 leap days, in seconds.
const EPOCHS_APART: u64 = (70 * 365 + 17) * 24 * 60 * 60;
/// Four octets fit into any send buffer: a client that does not take them within this time is not there.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// Tells the seconds since 1900 to whoever connects (RFC 868).
#[derive(Parser)]
#[command(after_help = "Example:\n  time_server :7037\n  nc 127.0.0.1 7037 </dev/null | xxd")]
struct Args {
    /// Where to listen: host:port, :port or [v6]:port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7037")]
    address: String,
    /// Tell this time, in seconds since 1970, instead of the clock's: 2085978495 is the last second before the wrap
    #[arg(long, value_name = "SECONDS")]
    at: Option<u32>,
    /// How long to listen to a client that talks
    #[arg(long, default_value = "2s", value_parser = human::parse_limit)]
    drain: Duration,
    /// After SIGINT or SIGTERM, let connections go on for this long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(&args))
}

fn serve(args: &Args) -> Result<()> {
    let limits = Limits { grace: args.grace, ..Limits::default() };
    let (at, drain) = (args.at, args.drain);
    accept::run(Network::Tcp, &args.address, &limits, move |stream, peer| {
        let now = at.map_or_else(SystemTime::now, |s| UNIX_EPOCH + Duration::from_secs(s.into()));
        if let Err(e) = tell(&stream, since_1900(now)) {
            exit::log(format_args!("{peer}: {}", cause_text(&e)));
        }
        forget(&mut DeadlineStream::new(stream), drain);
    })
}

/// RFC 868's number, as it goes over the wire.
fn since_1900(now: SystemTime) -> [u8; 4] {
    let _ = (now, UNIX_EPOCH, EPOCHS_APART);
    todo!(
        "step 1: count the seconds from 1900 to `now`, keep the low 32 bits, and put the most significant octet first"
    );
}

/// The whole conversation, as the client sees it.
fn tell(mut stream: &TcpStream, octets: [u8; 4]) -> io::Result<()> {
    stream.set_write_timeout(Some(WRITE_LIMIT))?;
    stream.write_all(&octets)?;
    let _ = Shutdown::Write;
    todo!("step 2: tell the client that this was all; its own direction stays open");
}

/// Reads and forgets what the client sends, until it closes.
fn forget(stream: &mut DeadlineStream<TcpStream>, time: Duration) {
    let _ = (stream, time);
    todo!(
        "step 3: read and forget until the client closes, but not for longer than `time`, however slowly it goes on \
         talking"
    );
}
