//! An echo server for datagrams between Unix sockets (RFC 862): message limits are kept, and nothing is lost on the way.
//!
//! The client speaks first. Each datagram is a message of its own, and goes back whole to whoever sent it, from the server's own
//! name; an empty one too, and it ends nothing. Of one that is longer than `--buffer`, the kernel throws the rest away; what
//! is left is echoed, and the cut is logged. There is no connection, so nobody closes.
//!
//! An answer needs an address: a client that has not called bind(2) has none, and cannot be answered. The server in its turn needs
//! permission to write to the *client's* file (unix(7)), and takes a relative path as its own. What could not be answered is
//! counted, and logged once a second at most for each cause.
//!
//! A client that asks and does not read is left out as soon as its queue is full: the server never waits. But the queue of one
//! that has called connect(2) has no limit except the server's send buffer, which all unread answers share: such a client can use
//! it up, and nobody is answered then until it reads or leaves.
//!
//! A file that a dead server left behind is replaced, a live server's is not. SIGINT and SIGTERM end the server at once, with a
//! line of figures; the file is removed. Whoever may write to the file may ask: see `--mode` and `--group`.
//!
//! ```text
//! cargo run --bin unixgram_echo -- harbour.sock --verbose
//! echo ahoy | socat -t1 - UNIX-SENDTO:harbour.sock,bind=alma.sock
//! ```

use clap::Parser;
use netkata::error::{self, Attempt, cause_text, is_timeout};
use netkata::human::{count, size_within, thousands};
use netkata::unix::datagram::{self, Received};
use netkata::unix::options::AccessOptions;
use netkata::unix::{Bound, Kind, Name, file};
use netkata::{exit, listen, stop};
use socket2::SockRef;
use std::collections::HashMap;
use std::fmt;
use std::os::unix::net::UnixDatagram;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Sends each datagram back to the socket file that it came from (RFC 862).
#[derive(Parser)]
#[command(after_help = "Examples:
  unixgram_echo harbour.sock --verbose
  unixgram_echo /run/harbour.sock --mode 660 --group users
  unixgram_echo @harbour --buffer 65536
  echo ahoy | socat -t1 - UNIX-SENDTO:harbour.sock,bind=alma.sock")]
struct Args {
    /// Where to wait for datagrams: the path of a socket file, or @name
    #[arg(default_value_t = Name::in_temp("harbour-gram.sock"))]
    name: Name,
    #[command(flatten)]
    access: AccessOptions,
    /// Octets of a datagram that there is room for; the rest of a longer one is lost
    #[arg(long, default_value = "1024", value_parser = size_within::<usize>(1..=LONGEST))]
    buffer: usize,
    /// Log each datagram
    #[arg(short, long)]
    verbose: bool,
}

/// More than a send buffer of the usual size takes in one datagram.
const LONGEST: usize = 1 << 20;
/// The send buffer that we ask for; `net.core.wmem_max` limits what we get. An answer stays in it until its client reads it.
const SEND_BUFFER: usize = 4 << 20;
/// The same trouble is told once in this time.
const QUIET: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(&args))
}

fn serve(args: &Args) -> error::Result<()> {
    let stop = stop::on_signals()?;
    let url = args.name.url(Kind::Datagram);
    let bound = file::datagrams(&args.name, &args.access.access()).attempt("listen", &url)?;
    let _ = SockRef::from(&bound.socket).set_send_buffer_size(SEND_BUFFER);
    listen::say_where(&url)?;
    let mut desk = Desk { bound: &bound, verbose: args.verbose, tally: Tally::default(), told: HashMap::new() };
    let mut buffer = vec![0; args.buffer];
    let ended = datagram::serve(&stop, &bound.socket, &mut buffer, |octets, got| desk.take(octets, &got));
    exit::log(format_args!("stopping: {}", desk.tally));
    ended.attempt("receive", &url)
}

/// Where the datagrams are answered and counted.
struct Desk<'a> {
    bound: &'a Bound<UnixDatagram>,
    verbose: bool,
    tally: Tally,
    /// When some trouble may be told again, and how often it has come since it was.
    told: HashMap<String, (Instant, usize)>,
}

impl Desk<'_> {
    fn take(&mut self, octets: &[u8], got: &Received) {
        let (from, size) = (shown(got.from.as_ref()), count(got.whole, "octet"));
        self.tally.datagrams += 1;
        self.tally.octets += got.len;
        if got.is_truncated() {
            self.tally.cut += 1;
            self.complain("cut", format_args!("{from}: {size}, cut to {}", thousands(got.len)));
        } else if self.verbose {
            exit::log(format_args!("{from}: {size}"));
        }
        if let Err(why) = self.answer(octets, got.from.as_ref()) {
            self.tally.unanswered += 1;
            self.complain(&why, format_args!("{from}: not answered: {why}"));
        }
    }

    // [answer]
    /// Sends the octets back, or says why that cannot be.
    fn answer(&self, octets: &[u8], from: Option<&Name>) -> Result<(), String> {
        // connect(2) gives a client somebody to send to, and no name of its own: only bind(2) does.
        let client = from.ok_or("it has no name, for it has not called bind(2)")?;
        // The client's file may be a link to ours by now, or its path, where it is relative, mean ours. Each echo would be the
        // next datagram, and there is no time to live that would end it.
        if *client == self.bound.name {
            return Err("it has our own name".into());
        }
        // UDP would drop what the receiver has no room for. A Unix socket lets the sender wait, unless it asks not to: one client
        // that does not read would stop the server for all.
        match datagram::send_to(&self.bound.socket, octets, client) {
            Ok(_) => Ok(()),
            Err(e) if is_timeout(&e) => Err("no room for one more unread answer".into()),
            Err(e) => Err(cause_text(&e)),
        }
    }
    // [/answer]

    /// Logs trouble, but the same again only after a while: a client that does not read would fill the log.
    fn complain(&mut self, trouble: &str, line: fmt::Arguments<'_>) {
        let now = Instant::now();
        let (next, held_back) = self.told.entry(trouble.into()).or_insert((now, 0));
        if now < *next {
            *held_back += 1;
            return;
        }
        *next = now + QUIET;
        match std::mem::take(held_back) {
            0 => exit::log(line),
            before => exit::log(format_args!("{line} (and {} before)", thousands(before))),
        }
    }
}

fn shown(from: Option<&Name>) -> String {
    from.map_or_else(|| "a client without a name".into(), ToString::to_string)
}

/// What has come so far.
#[derive(Default)]
struct Tally {
    datagrams: usize,
    octets: usize,
    cut: usize,
    unanswered: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (datagrams, octets) = (count(self.datagrams, "datagram"), count(self.octets, "octet"));
        write!(f, "{datagrams}, {octets}, {} cut, {} not answered", thousands(self.cut), thousands(self.unanswered))
    }
}
