//! An echo server with absolute deadlines: traffic moves one of them on, and nothing moves the other.
//!
//! The client speaks first; octets go back as they come. Two clocks run on each connection:
//!
//! - `--deadline`: a time to hear the next octet by. Each octet moves it on. The first time it passes, the server moves it
//!   on once more and reads again, on the same connection. The second time, it closes.
//! - `--total`: the end of the connection, whatever is said. A client that drips an octet a second meets it as well.
//!
//! The client sees nothing of the first timeout, and the end of the stream (FIN) at the second or at `--total`.
//!
//! ```text
//! cargo run --bin deadline_server
//! nc 127.0.0.1 7033            # wait six seconds, type a line, then wait until the server leaves
//! ```

use clap::Parser;
use netkata::accept::{self, Limits};
use netkata::addr::Network;
use netkata::deadline::DeadlineStream;
use netkata::error::{Result, cause_text};
use netkata::{exit, human};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Echoes, and shows what absolute deadlines do.
#[derive(Parser)]
#[command(after_help = "Example:\n  deadline_server :7033 --deadline 2s --total 10s\n  nc 127.0.0.1 7033")]
struct Args {
    /// Where to listen: host:port, :port or [v6]:port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7033")]
    address: String,
    /// tcp, tcp4 or tcp6
    #[arg(long, default_value = "tcp")]
    network: Network,
    /// How long a client may be silent; each octet moves the deadline on
    #[arg(long, default_value = "5s", value_parser = human::parse_limit)]
    deadline: Duration,
    /// How long a connection may last at all; nothing moves this one
    #[arg(long, default_value = "30s", value_parser = human::parse_limit)]
    total: Duration,
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
    let (silence, total) = (args.deadline, args.total);
    accept::run(args.network, &args.address, &limits, move |stream, peer| {
        if let Err(e) = converse(stream, peer, silence, total) {
            exit::log(format_args!("{peer}: {}", cause_text(&e)));
        }
    })
}

fn converse(stream: TcpStream, peer: SocketAddr, silence: Duration, total: Duration) -> io::Result<()> {
    let mut stream = DeadlineStream::new(stream);
    let mut buffer = [0; 4096];
    let end = Instant::now() + total;
    let mut second_chance = true;
    // [deadline]
    loop {
        // Whatever happened, this is the new point in time: so each octet moves the deadline on, but never past the end.
        stream.set_deadline(end.min(Instant::now() + silence));
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => echo(&mut stream, &buffer[..n], end.min(Instant::now() + silence))?,
            Err(e) if e.kind() != io::ErrorKind::TimedOut => return Err(e),
            Err(_) if Instant::now() >= end => break log_end(peer, total),
            Err(_) if !second_chance => break log_silence(peer, silence, "closing"),
            Err(_) => {
                // Nothing is wrong with the connection: with a later deadline it works again.
                second_chance = false;
                log_silence(peer, silence, "moved on once");
            }
        }
    }
    // [/deadline]
    // To close with an unread octet in the buffer is a reset. The FIN goes first, so that the client sees an end.
    stream.get_ref().shutdown(Shutdown::Write)
}

/// The deadline covers the answer too. A write that times out is the end: nobody knows how much of it went out.
fn echo(stream: &mut DeadlineStream<TcpStream>, octets: &[u8], deadline: Instant) -> io::Result<()> {
    stream.set_deadline(deadline);
    stream.write_all(octets).map_err(|e| io::Error::new(e.kind(), format!("write: {}", cause_text(&e))))
}

fn log_silence(peer: SocketAddr, silence: Duration, then: &str) {
    exit::log(format_args!("{peer}: deadline passed after {} of silence; {then}", human::duration(silence)));
}

fn log_end(peer: SocketAddr, total: Duration) {
    exit::log(format_args!("{peer}: the connection's {} are over; closing", human::duration(total)));
}
