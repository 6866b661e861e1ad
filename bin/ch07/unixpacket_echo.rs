//! An echo server for sequenced packets over a Unix socket: a connection, as a stream has, that keeps messages apart, as
//! datagrams are.
//!
//! The client speaks first, or not at all. Each packet comes back as one packet, in order: the empty one, too, which is not the
//! end. When the client closes its direction (half-close), the server sends what is still due and closes, too. Nothing is
//! shortened: a packet longer than `--max-length` is named in the log, and the connection is closed; the echoes of what came
//! before it can still be read. A client that is silent for `--idle`, or does not take its echoes for so long, is closed;
//! clients beyond `--max-connections` are closed at once. Who may connect is for `--mode` and `--group` to say.
//!
//! ```text
//! cargo run --bin unixpacket_echo -- harbour-packet.sock
//! (echo Alma; sleep 0.1; echo Bruna) | socat -v - UNIX-CONNECT:harbour-packet.sock,type=5
//! ```

use clap::Parser;
use netkata::accept::{self, Limits};
use netkata::deadline::Timeouts;
use netkata::error::{Attempt, Result, cause_text, is_timeout};
use netkata::human::{count, size_within, thousands};
use netkata::listen::say_where;
use netkata::unix::options::AccessOptions;
use netkata::unix::seqpacket::{self, Packets, Received};
use netkata::unix::stream::Client;
use netkata::unix::{Kind, Name};
use netkata::{exit, human};
use std::io;
use std::net::Shutdown;
use std::process::ExitCode;
use std::time::Duration;

/// A packet must fit into the sender's send buffer (`net.core.wmem_default`, 212,992 octets), less 32 octets of the kernel's:
/// a longer one could not be sent back.
const LONGEST: usize = 212_960;

/// Sends packets back, each as one packet.
#[derive(Parser)]
#[command(after_help = "Examples:
  unixpacket_echo /run/harbour.sock --group staff
  echo Alma | socat - UNIX-CONNECT:/run/harbour.sock,type=5")]
struct Args {
    /// Where to listen: a path, or @name for Linux's abstract names
    #[arg(default_value_t = Name::in_temp("harbour-packet.sock"))]
    name: Name,
    #[command(flatten)]
    access: AccessOptions,
    /// Octets of the longest packet; a longer one ends its connection
    #[arg(long, default_value = "65536", value_parser = size_within::<usize>(1..=LONGEST))]
    max_length: usize,
    /// Close a connection on which nothing moves for this long
    #[arg(long, default_value = "5m", value_parser = human::parse_limit)]
    idle: Duration,
    /// Connections served at once; more are closed at once
    #[arg(long, default_value_t = 12_000)]
    max_connections: usize,
    /// After SIGINT or SIGTERM, let connections go on for this long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
    /// Log each packet
    #[arg(short, long)]
    verbose: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(&args))
}

fn serve(args: &Args) -> Result<()> {
    let url = args.name.url(Kind::Seqpacket);
    let listen = || {
        let listener = seqpacket::listen(&args.name, &args.access.access()).attempt("listen", &url)?;
        say_where(&url).map(|()| listener)
    };
    let limits = Limits { connections: args.max_connections, grace: args.grace };
    let (max_length, idle, verbose) = (args.max_length, args.idle, args.verbose);
    accept::run_with(listen, &url, &limits, move |packets: Packets, client| {
        if let Err(e) = echo(&packets, client, max_length, idle, verbose) {
            exit::log(format_args!("{client}: {}", if is_timeout(&e) { stuck(idle) } else { cause_text(&e) }));
        }
        part(&packets);
    })
}

// [echo]
fn echo(packets: &Packets, client: Client, max_length: usize, idle: Duration, verbose: bool) -> io::Result<()> {
    packets.read_timeout(Some(idle))?;
    packets.write_timeout(Some(idle))?;
    let mut buffer = vec![0; max_length];
    // One call brings one packet, whole: there is nothing to collect, and nothing to cut apart.
    while let Received::Packet { len, whole } = packets.receive(&mut buffer)? {
        if whole > len {
            return Err(too_long(whole, max_length));
        }
        if verbose {
            exit::log(format_args!("{client}: {}", count(len, "octet")));
        }
        packets.send(&buffer[..len])?;
    }
    Ok(())
}
// [/echo]

/// The kernel has thrown away what the buffer had no room for: what is left would be a wrong answer.
fn too_long(whole: usize, max_length: usize) -> io::Error {
    let (whole, limit) = (count(whole, "octet"), thousands(max_length));
    io::Error::new(io::ErrorKind::InvalidData, format!("a packet of {whole}, longer than {limit}, closed"))
}

fn stuck(idle: Duration) -> String {
    format!("nothing moved for {}, closed", human::duration(idle))
}

/// To close a socket that holds unread packets is a reset, and of packets the client would learn that before it reads the echoes
/// that it is still due. After a shutdown of both directions it can send no more, so what is left to read has an end.
fn part(packets: &Packets) {
    if packets.shutdown(Shutdown::Both).is_ok() {
        while let Ok(Received::Packet { .. }) = packets.receive(&mut []) {}
    }
}
