//! One echo over three carriers: TCP, Unix streams and Unix sequenced packets. It is written once, for a trait ([`Conn`]), and
//! each carrier says in a few lines how it keeps the promises of that trait.
//!
//! The client speaks first, or not at all; what it sends goes back in order. When it closes its direction (half-close), the
//! server sends what is still due and closes, too. A connection on which nothing moves for `--idle` is closed, connections
//! beyond `--max-connections` at once.
//!
//! The trait hides the addresses, how a connection is made, and whether a network lies between. It cannot hide the
//! boundaries: over TCP and Unix streams, three writes may come back as one read or as five; over `unixpacket`, a packet comes
//! back as one packet, an empty one, too, and one that is longer than the buffer ends the connection, for its rest is gone.
//! A protocol that is to work over all three marks its own messages (as chapter 4 does), sends no empty ones, and none longer
//! than 65,536 octets.
//!
//! ```text
//! cargo run --bin any_echo -- unix://harbour.sock
//! printf 'ahoy\n' | nc -NU harbour.sock
//! ```

mod conn;
mod place;

use clap::Parser;
use conn::Conn;
use netkata::accept::{self, Limits};
use netkata::addr::Network;
use netkata::error::{Attempt, NetError, Result, cause_text, is_timeout};
use netkata::listen::{self, Accept, say_where};
use netkata::unix::options::AccessOptions;
use netkata::unix::{seqpacket, stream};
use netkata::{exit, human};
use place::Place;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

/// Octets taken at once: of a stream, as many as there are by then; of packets, one, which may not be longer.
const BUFFER: usize = 64 * 1024;

/// Sends back what it is sent, over TCP or a Unix socket.
#[derive(Parser)]
#[command(after_help = "Examples:
  any_echo :7071
  any_echo unix:///run/harbour.sock --group staff
  any_echo unixpacket:@harbour --idle 30s")]
struct Args {
    /// Where to listen: host:port, a path, @name, or one of these after tcp://, unix:// or unixpacket://
    #[arg(default_value = "127.0.0.1:7071")]
    endpoint: String,
    #[command(flatten)]
    access: AccessOptions,
    /// Close a connection on which nothing moves for this long
    #[arg(long, default_value = "5m", value_parser = human::parse_limit)]
    idle: Duration,
    /// Connections served at once; more are closed at once
    #[arg(long, default_value_t = 12_000)]
    max_connections: usize,
    /// After SIGINT or SIGTERM, let connections go on for this long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| choose(&args, &args.endpoint.parse()?))
}

/// The only place that knows all three.
fn choose(args: &Args, place: &Place) -> Result<()> {
    let access = args.access.access();
    match place {
        Place::Tcp(_) if access.is_given() => {
            Err(NetError::invalid("listen", place.to_string(), "only a socket file has a mode and a group"))
        }
        Place::Tcp(address) => serve(args, place, || listen::tcp_announced(Network::Tcp, address)),
        Place::Unix(name) => serve(args, place, || announce(place, stream::listen(name, &access))),
        Place::Packets(name) => serve(args, place, || announce(place, seqpacket::listen(name, &access))),
    }
}

fn announce<L>(place: &Place, listener: io::Result<L>) -> Result<L> {
    let listener = listener.attempt("listen", place)?;
    say_where(place).map(|()| listener)
}

/// A listener of any kind, as long as what it accepts is a [`Conn`].
fn serve<L>(args: &Args, place: &Place, listen: impl FnOnce() -> Result<L>) -> Result<()>
where
    L: Accept<Stream: Conn>,
{
    let limits = Limits { connections: args.max_connections, grace: args.grace };
    let idle = args.idle;
    accept::run_with(listen, place, &limits, move |conn: L::Stream, peer| {
        if let Err(e) = echo(&conn, idle) {
            let why =
                if is_timeout(&e) { format!("nothing moved for {}", human::duration(idle)) } else { cause_text(&e) };
            exit::log(format_args!("{peer}: {why}, closed"));
        }
        conn.finish();
    })
}

fn echo(conn: &impl Conn, idle: Duration) -> io::Result<()> {
    conn.set_up(idle)?;
    let mut buffer = vec![0; BUFFER];
    while let Some(len) = conn.receive(&mut buffer)? {
        conn.send(&buffer[..len])?;
    }
    Ok(())
}
