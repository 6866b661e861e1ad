//! An echo server for datagrams (RFC 862), with the receive loop written out.
//!
//! The client speaks first. Each datagram is a message of its own, and goes back to whoever sent it, from the address that it
//! was sent to: no connection, no order, no promise that either arrives. An empty datagram is echoed like any other, and ends
//! nothing. Of one that is longer than `--buffer`, the kernel throws the rest away; what is left is echoed, and the cut is
//! logged. With `--stop-word`, a datagram of that word, with or without a line end, is echoed and ends the server: anybody who
//! can reach the port can do it. A datagram that cannot be answered is logged and costs nobody else anything. SIGINT and SIGTERM
//! end the server at once, with a line of figures.
//!
//! The sender's address is what the sender says it is. Whoever writes the address of another echo service there has the two
//! answer each other without end: this is a server for loopback, and for networks where such senders are filtered (RFC 2827).
//!
//! ```text
//! cargo run --bin udp_echo_server -- --verbose
//! printf 'ahoy' | nc -u -w1 127.0.0.1 7060
//! ```

use clap::Parser;
use netkata::addr::Network;
use netkata::context::{Context, Ready};
use netkata::datagram::{self, LONGEST, canonical, passes};
use netkata::error::{Attempt, Result, cause_text};
use netkata::human::{count, size_within, thousands};
use netkata::{exit, stop};
use std::fmt;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;

/// Sends each datagram back to its sender (RFC 862).
#[derive(Parser)]
#[command(after_help = "Examples:
  udp_echo_server :7060 --verbose
  udp_echo_server --buffer 65535 --stop-word STOP
  printf 'ahoy' | nc -u -w1 127.0.0.1 7060")]
struct Args {
    /// Where to listen: host:port, :port or [v6]:port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7060")]
    address: String,
    /// udp, udp4 or udp6
    #[arg(long, default_value = "udp")]
    network: Network,
    /// Octets of a datagram that there is room for; the rest of a longer one is lost
    #[arg(long, default_value = "1024", value_parser = size_within::<usize>(1..=LONGEST))]
    buffer: usize,
    /// End when a datagram of this word comes, from anybody
    #[arg(long, value_name = "WORD")]
    stop_word: Option<String>,
    /// Log each datagram
    #[arg(short, long)]
    verbose: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(&args))
}

fn serve(args: &Args) -> Result<()> {
    let stop = stop::on_signals()?;
    let socket = datagram::announced(args.network, &args.address)?;
    let mut tally = Tally::default();
    let ended = echo_until_stopped(&stop, &socket, args, &mut tally);
    exit::log(format_args!("stopping: {tally}"));
    ended.attempt("receive", format_args!("udp://{}", args.address))
}

// No accept(2), no thread for each client: one socket for everybody, and each datagram brings its sender's address.
// [loop]
fn echo_until_stopped(stop: &Context, socket: &UdpSocket, args: &Args, tally: &mut Tally) -> io::Result<()> {
    let mut buffer = vec![0; args.buffer];
    while stop.wait_readable(socket)? == Ready::Socket {
        let got = match datagram::receive(socket, &mut buffer) {
            Ok(got) => got,
            Err(e) if passes(&e) => continue,
            Err(e) => return Err(e),
        };
        // The rest of the buffer still holds the end of an earlier, longer datagram: somebody else's.
        let octets = &buffer[..got.len];
        tally.count(&got, args.verbose);
        if let Err(e) = datagram::reply(socket, octets, &got) {
            exit::log(format_args!("{}: not answered: {}", canonical(got.from), cause_text(&e)));
        }
        if is_stop(args, octets, got.from) {
            return Ok(());
        }
    }
    Ok(())
}
// [/loop]

/// Whether that was the stop word. Who ended the server should be on record.
fn is_stop(args: &Args, octets: &[u8], from: SocketAddr) -> bool {
    let stops = args.stop_word.as_ref().is_some_and(|word| line(octets) == word.as_bytes());
    if stops {
        exit::log(format_args!("{}: sent the stop word", canonical(from)));
    }
    stops
}

/// A datagram without the line end that a terminal adds.
fn line(octets: &[u8]) -> &[u8] {
    octets.strip_suffix(b"\n").map_or(octets, |text| text.strip_suffix(b"\r").unwrap_or(text))
}

/// What has come so far.
#[derive(Default)]
struct Tally {
    datagrams: usize,
    octets: usize,
    cut: usize,
}

impl Tally {
    /// Counts a datagram, and logs one that was cut.
    fn count(&mut self, got: &datagram::Received, verbose: bool) {
        self.datagrams += 1;
        self.octets += got.len;
        let (from, size) = (canonical(got.from), count(got.whole, "octet"));
        if got.is_truncated() {
            self.cut += 1;
            exit::log(format_args!("{from}: {size}, cut to {}", thousands(got.len)));
        } else if verbose {
            exit::log(format_args!("{from}: {size}"));
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {} cut", count(self.datagrams, "datagram"), count(self.octets, "octet"), thousands(self.cut))
    }
}
