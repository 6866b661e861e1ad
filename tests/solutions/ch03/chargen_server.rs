//! A character generator (RFC 864): lines of a rotating pattern, for ever, to whoever connects.
//!
//! The server speaks first, and does not stop: line 0, line 1, and so on. The 95 printing characters of ASCII, from the
//! space (20) to `~` (7e), stand in a ring. Line N is the 72 characters from number N on, then CR LF: 74 octets.
//!
//! The client closes, whenever it likes, by FIN or RST, and only its own connection ends. It may read as slowly as it
//! likes, too: the server waits, and makes nothing more meanwhile. A client that takes nothing at all for `--stall`
//! is dropped. What a client sends is not read, and its half-close means nothing: the lines go on. On SIGINT and SIGTERM
//! the stream ends after a whole line. Beyond `--max-connections`, connections are closed at once.
//!
//! - Graded: the pattern, to the octet; clients that leave, send, half-close, read slowly or not at all; memory; the stop.
//! - Not graded: the log, speed, how many lines go into one write.
//! - May be hard-coded: the numbers 72 and 95, and the space that the ring begins with.
//!
//! ```text
//! cargo run -p lessons --bin chargen_server
//! nc 127.0.0.1 7019 | head -3
//! ```

use clap::Parser;
use netkata::accept::{self, Limits};
use netkata::addr::Network;
use netkata::context::Context;
use netkata::deadline::DeadlineStream;
use netkata::error::{Attempt, Result, cause_text};
use netkata::{exit, human, listen, stop};
use std::io::{self, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

/// The printing characters, and the first of them.
const RING: usize = 95;
const FIRST: u8 = b' ';
/// Characters in a line, and octets with CR LF.
const WIDTH: usize = 72;
const LINE: usize = WIDTH + 2;

/// Sends lines of characters for ever (RFC 864).
#[derive(Parser)]
#[command(after_help = "Example:\n  chargen_server :7019 --stall 10s\n  nc 127.0.0.1 7019 | head -3")]
struct Args {
    /// Where to listen: host:port, :port or [v6]:port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7019")]
    address: String,
    /// Drop a client that takes nothing for this long
    #[arg(long, default_value = "30s", value_parser = human::parse_limit)]
    stall: Duration,
    /// Connections served at once; more are closed at once
    #[arg(long, default_value_t = 12_000)]
    max_connections: usize,
    /// After SIGINT or SIGTERM, wait this long for clients to take their last line
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(&args))
}

fn serve(args: &Args) -> Result<()> {
    let stop = stop::on_signals()?;
    let listener = listen::tcp_announced(Network::Tcp, &args.address)?;
    let limits = Limits { connections: args.max_connections, grace: args.grace };
    let (end, stall) = (stop.clone(), args.stall);
    accept::serve(&stop, listener, &limits, move |stream, peer| {
        // Every conversation here ends with an error or with the server: a client that has had enough just leaves.
        if let Err(e) = generate(&mut DeadlineStream::new(stream), &end, stall) {
            exit::log(format_args!("{peer}: {}", cause_text(&e)));
        }
    })
    .attempt("accept", &args.address)?;
    Ok(())
}

/// Line `n` of the pattern.
fn line(n: usize) -> [u8; LINE] {
    // step 1: make line `n`: 72 characters of the ring, from number `n` on, then CR LF
    // stub: let _ = (n, RING, FIRST);
    let mut line = [0; LINE];
    for (i, octet) in (n..).zip(&mut line[..WIDTH]) {
        *octet = FIRST + (i % RING) as u8;
    }
    line[WIDTH..].copy_from_slice(b"\r\n");
    line
    // end of step 1
}

/// Sends lines until the server is to stop, or the client is gone (that is an error, and the caller logs it).
fn generate(stream: &mut DeadlineStream<TcpStream>, stop: &Context, stall: Duration) -> io::Result<()> {
    // Line 95 is line 0 again: this is all there is to send, and it is made before anybody waits for it.
    let page: Vec<u8> = (0..RING).flat_map(line).collect();
    // step 2: send the page again and again, until `stop` has a cause; a page that was begun goes out whole
    // stub: let _ = (stream, stop, stall, page, send);
    while stop.cause().is_none() {
        send(stream, &page, stall)?;
    }
    Ok(())
    // end of step 2
}

/// Sends these lines, as fast as the client takes them.
fn send(stream: &mut DeadlineStream<TcpStream>, mut lines: &[u8], stall: Duration) -> io::Result<()> {
    // step 3: send all of it; each time the client takes some, it has `stall` again for the rest, and then it is an error
    // stub: let _ = (stream.by_ref(), &mut lines, stall);
    while !lines.is_empty() {
        stream.set_timeout(stall);
        let taken = stream.write(lines)?;
        lines = &lines[taken..];
    }
    Ok(())
    // end of step 3
}
