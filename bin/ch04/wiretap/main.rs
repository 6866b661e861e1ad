//! Stands between clients and a server, carries what they say unchanged, and shows and records the conversation.
//!
//! Who speaks first, framing and length are the business of the two sides: over TCP and Unix sockets each sees what it would
//! see without the tap, half-closes and resets included; over UDP each client has a port of its own towards the server, each
//! port that the server answers from (TFTP answers from another) has one here, and every datagram is carried whole. An
//! upstream that cannot be reached resets the client. A conversation on which nothing moves for `--idle` is reset (TCP) or
//! forgotten (UDP); clients beyond `--max-connections` are turned away. Streams may go from a TCP port to a socket file and
//! back. Packets (`unixpacket://`) and datagrams (`unixgram://`) of Unix sockets go to such sockets, one by one and whole. A
//! client of datagrams that has a name gets a stand-in for it, a socket beside the tap's own (`tap.sock.1`), for the server to
//! answer to. Where a queue is full nothing is dropped: the sender waits, and a client that does not read holds up its own answers
//! only. Not carried: descriptors and credentials, and what others than the server's host send to a UDP client's port there.
//!
//! The traffic never waits for the record. What the screen or a file is too slow for is left out of that record, and told
//! there; a standard output that is closed (`| head`) ends the printing and nothing else. Each side's first `--max-bytes`
//! of a conversation are recorded. A capture is as the packets would be without the tap: from the client to the upstream.
//!
//! ```text
//! cargo run --bin wiretap -- 127.0.0.1:7007 -w talk.pcapng     # in front of: cargo run --bin echo_server
//! printf 'ahoy\r\n' | nc -N 127.0.0.1 7045
//! ```

mod record;
mod streams;
mod unix;

use clap::Parser;
use netkata::addr::{Network, resolve, resolve_listen};
use netkata::endpoint::Endpoint;
use netkata::error::{Attempt, NetError, Result};
use netkata::relay::datagrams::Limits;
use netkata::tap::datagrams;
use netkata::tap::files::Target;
use netkata::tap::record::{Recorder, Word};
use netkata::{exit, human, listen, stop};
use std::net::UdpSocket;
use std::process::ExitCode;
use std::time::Duration;

/// Shows and records what clients and a server say to each other.
#[derive(Parser)]
#[command(allow_missing_positional = true)]
#[command(after_help = "Examples:
  wiretap 127.0.0.1:7007
  wiretap :7045 unix:///run/harbour.sock -w talk.txt -w talk.pcapng -w talk.svg
  wiretap udp://127.0.0.1:5300 udp://192.0.2.1:53 --only dns
  wiretap unixpacket://front.sock unixpacket:///run/harbour.sock
  mkfifo live.pcapng; wireshark -k -i live.pcapng & wiretap 127.0.0.1:80 -w live.pcapng")]
struct Args {
    /// Where to listen: host:port, udp://host:port, a path, @name, unix://, unixgram:// or unixpacket:// with either; port 0 is
    /// any free port
    #[arg(default_value = "127.0.0.1:7045")]
    listen: String,
    /// Where to carry everything to, written likewise
    upstream: String,
    /// Record in this file too: a dialogue (.txt), a sequence diagram (.svg) or a capture (.pcapng); may be repeated
    #[arg(short, long, value_name = "FILE")]
    write: Vec<Target>,
    /// Show what they say and nothing else: no times, no hexadecimal
    #[arg(short, long, conflicts_with_all = ["dump", "quiet"])]
    follow: bool,
    /// Show all octets, as a dump below each line
    #[arg(short = 'x', long, conflicts_with = "quiet")]
    dump: bool,
    /// Print nothing but where it listens, and failures
    #[arg(short, long)]
    quiet: bool,
    /// Octets shown of each line in hexadecimal; of text, three times as many
    #[arg(long, default_value_t = 16)]
    octets: usize,
    /// Octets recorded of each side of a conversation, as in 64KiB; or "all"
    #[arg(long, default_value = "1MiB", value_parser = size)]
    max_bytes: u64,
    /// Show and record these only: client or server, conversations by letter, protocols: client,A,B or http,tls
    #[arg(long, value_delimiter = ',', value_name = "WHAT,…")]
    only: Vec<Word>,
    /// Give up a conversation on which nothing moves for this long
    #[arg(long, default_value = "5m", value_parser = human::parse_limit)]
    idle: Duration,
    /// How long the upstream may take to accept
    #[arg(long, default_value = "5s", value_parser = human::parse_limit)]
    connect_timeout: Duration,
    /// Conversations at once; further clients are turned away
    #[arg(long, default_value_t = 1000)]
    max_connections: usize,
    /// After SIGINT or SIGTERM, let connections go on for this long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
}

fn size(text: &str) -> std::result::Result<u64, String> {
    if text == "all" { Ok(u64::MAX) } else { human::parse_size(text).map(|n| n as u64) }
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| tap(&args))
}

fn tap(args: &Args) -> Result<()> {
    if let Some(ends) = unix::ends(&args.listen, &args.upstream)? {
        let recorder = record::start(args)?;
        return record::finish(args, &recorder, unix::carry(&ends, args, &recorder));
    }
    let (listen, upstream) = (args.listen.parse()?, args.upstream.parse()?);
    let udp = match (&listen, &upstream) {
        (Endpoint::Udp(listen), Endpoint::Udp(upstream)) => Some((listen, upstream)),
        (Endpoint::Udp(_), other) | (other, Endpoint::Udp(_)) => {
            return Err(NetError::invalid("carry", format!("UDP and {}", other.scheme()), "no streams over UDP"));
        }
        _ => None,
    };
    let recorder = record::start(args)?;
    let carried = match udp {
        Some((listen, upstream)) => carry_datagrams(listen, upstream, args, &recorder),
        None => streams::carry(&listen, &upstream, args, &recorder),
    };
    record::finish(args, &recorder, carried)
}

fn carry_datagrams(listen: &str, upstream: &str, args: &Args, recorder: &Recorder) -> Result<()> {
    let server = resolve(Network::Udp, upstream)?[0];
    let addresses = resolve_listen(Network::Udp, listen)?;
    let stop = stop::on_signals()?;
    let socket = UdpSocket::bind(addresses.as_slice()).attempt("listen", &args.listen)?;
    listen::announce("udp", socket.local_addr().attempt("listen", &args.listen)?)?;
    let limits = Limits { idle: args.idle, clients: args.max_connections, ..Limits::default() };
    datagrams::carry(&socket, server, &limits, recorder, &stop).attempt("receive", &args.listen)
}
