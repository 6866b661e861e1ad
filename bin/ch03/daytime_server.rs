//! A daytime server (RFC 867): the date and the time, in one line, to whoever connects.
//!
//! The server speaks first, and alone: one line of printable ASCII with CR LF, then it closes its direction. What the
//! client sends is thrown away. It is read all the same, for at most 2 s and 1 MiB: to close a socket that holds unread
//! octets resets the connection, and a reset can destroy the line before the client has read it.
//!
//! ```text
//! cargo run --bin daytime_server -- --zone Europe/Lisbon
//! nc 127.0.0.1 7013
//! ```

use clap::Parser;
use jiff::{Timestamp, tz::TimeZone};
use netkata::accept::{self, Limits};
use netkata::addr::Network;
use netkata::deadline::DeadlineStream;
use netkata::error::{Result, cause_text};
use netkata::{exit, human};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

/// The form of RFC 867's example: `Tuesday, February 22, 1982 17:37:43-PST`.
const FORM: &str = "%A, %B %-d, %Y %H:%M:%S-%Z\r\n";
/// One line fits into any send buffer: a client that does not take it within this time is not there.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// How long, and how many octets, to listen to a client that talks where it should only listen.
const DRAIN_TIME: Duration = Duration::from_secs(2);
const DRAIN_OCTETS: u64 = 1 << 20;

/// Tells the date and the time to whoever connects (RFC 867).
#[derive(Parser)]
#[command(after_help = "Example:\n  daytime_server :7013 --zone Europe/Lisbon\n  nc 127.0.0.1 7013")]
struct Args {
    /// Where to listen: host:port, :port or [v6]:port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7013")]
    address: String,
    /// tcp, tcp4 or tcp6
    #[arg(long, default_value = "tcp")]
    network: Network,
    /// UTC, local, or a name from the time zone database such as Europe/Lisbon
    #[arg(long, default_value = "local", value_parser = zone)]
    zone: TimeZone,
    /// After SIGINT or SIGTERM, let connections go on for this long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(&args))
}

fn zone(name: &str) -> std::result::Result<TimeZone, String> {
    match name {
        "UTC" => Ok(TimeZone::UTC),
        // A machine that was never told its zone keeps UTC.
        "local" => Ok(TimeZone::try_system().unwrap_or(TimeZone::UTC)),
        name => TimeZone::get(name)
            .map_err(|_| "not in this machine's time zone database (write UTC, local or Europe/Lisbon)".into()),
    }
}

fn serve(args: &Args) -> Result<()> {
    let limits = Limits { grace: args.grace, ..Limits::default() };
    let zone = args.zone.clone();
    accept::run(args.network, &args.address, &limits, move |stream, peer| {
        if let Err(e) = tell_time(stream, &zone) {
            exit::log(format_args!("{peer}: {}", cause_text(&e)));
        }
    })
}

fn tell_time(stream: TcpStream, zone: &TimeZone) -> io::Result<()> {
    let line = Timestamp::now().to_zoned(zone.clone()).strftime(FORM).to_string();
    stream.set_write_timeout(Some(WRITE_LIMIT))?;
    (&stream).write_all(line.as_bytes())?;
    // The client sees the end of the line and of the stream now. Its own direction is still open.
    stream.shutdown(Shutdown::Write)?;
    drain(stream);
    Ok(())
}

/// Reads and forgets, until the client closes. However that ends, the line is out.
fn drain(stream: TcpStream) {
    let stream = DeadlineStream::new(stream);
    // A deadline, not a timeout: a client that drips octets would renew a timeout for ever.
    stream.set_timeout(DRAIN_TIME);
    let _ = io::copy(&mut stream.take(DRAIN_OCTETS), &mut io::sink());
}
