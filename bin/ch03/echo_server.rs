//! An echo server (RFC 862): a thread per connection, with the accept loop written out.
//!
//! The client speaks first, or not at all. There is no framing: octets go back in order, as they come. When the client
//! closes its direction (half-close), the server sends what is still due and closes too. A connection on which nothing
//! moves for `--idle` is closed; connections beyond `--max-connections` are closed at once.
//!
//! ```text
//! cargo run --bin echo_server
//! printf 'ahoy\n' | nc -N 127.0.0.1 7007
//! ```

use clap::Parser;
use netkata::addr::Network;
use netkata::context::{Context, Ready};
use netkata::error::{Attempt, Result, cause_text, is_about_one_connection, is_shortage};
use netkata::slots::{Slot, Slots};
use netkata::{exit, human, listen, stop, sys};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// The first buffer holds more than one Ethernet frame brings. Most clients never need more, and a silent one costs little.
const FIRST_BUFFER: usize = 2 * 1024;
/// Octets read at once from a client that fills it: a stream then costs few system calls.
const BUFFER: usize = 64 * 1024;
/// The thread's stack. The buffer is on the heap, and an echo calls nothing deep.
const STACK: usize = 128 * 1024;
/// How long to leave accept(2) alone when descriptors or threads have run out. Doubled up to a second.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Sends back whatever it is sent (RFC 862).
#[derive(Parser)]
#[command(after_help = "Example:\n  echo_server :7007 --idle 30s\n  printf 'ahoy\\n' | nc -N 127.0.0.1 7007")]
struct Args {
    /// Where to listen: host:port, :port or [v6]:port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7007")]
    address: String,
    /// tcp, tcp4 or tcp6
    #[arg(long, default_value = "tcp")]
    network: Network,
    /// Connections served at once; more are closed at once
    #[arg(long, default_value_t = 12_000)]
    max_connections: usize,
    /// Close a connection on which nothing moves for this long
    #[arg(long, default_value = "5m", value_parser = human::parse_limit)]
    idle: Duration,
    /// After SIGINT or SIGTERM, let connections go on for this long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
    /// Log each connection
    #[arg(short, long)]
    verbose: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(&args))
}

fn serve(args: &Args) -> Result<()> {
    sys::limits::raise_descriptors().attempt("raise", "the limit on open descriptors")?;
    let stop = stop::on_signals()?;
    let listener = listen::tcp_announced(args.network, &args.address)?;
    // A client may be gone between "a connection waits" and accept(2), which must not block then.
    listener.set_nonblocking(true).attempt("listen", &args.address)?;
    let slots = Slots::new(args.max_connections);
    accept_until_stopped(&stop, &listener, &slots, args).attempt("accept", &args.address)?;
    // From here on, new clients are refused; those already here may finish.
    drop(listener);
    exit::log(format_args!("stopping: {} open", human::count(slots.taken(), "connection")));
    match slots.wait_empty(args.grace) {
        0 => {}
        left => exit::log(format_args!(
            "cut off {} after {}",
            human::count(left, "connection"),
            human::duration(args.grace)
        )),
    }
    Ok(())
}

// [accept]
fn accept_until_stopped(stop: &Context, listener: &TcpListener, slots: &Slots, args: &Args) -> io::Result<()> {
    let mut pause = FIRST_PAUSE;
    while stop.wait_readable(listener)? == Ready::Socket {
        match listener.accept() {
            Ok((stream, peer)) => match slots.take() {
                None => exit::log(format_args!("{peer}: refused, all {} slots are taken", slots.limit())),
                Some(slot) => match start(stream, peer, slot, args) {
                    Ok(()) => pause = FIRST_PAUSE,
                    Err(e) => back_off(stop, &e, &mut pause),
                },
            },
            // For one, a client that changed its mind while it waited in the queue.
            Err(e) if is_about_one_connection(&e) => {}
            Err(e) if is_shortage(&e) => back_off(stop, &e, &mut pause),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
// [/accept]

fn start(stream: TcpStream, peer: SocketAddr, slot: Slot, args: &Args) -> io::Result<()> {
    let (idle, verbose) = (args.idle, args.verbose);
    // Some systems hand the listener's non-blocking mode on to what it accepts.
    stream.set_nonblocking(false)?;
    // `thread::spawn` would panic when the system has no thread left.
    let started = thread::Builder::new().name(peer.to_string()).stack_size(STACK).spawn(move || {
        // Held until the thread ends, however it ends.
        let _slot = slot;
        match echo(&stream, idle) {
            Ok(total) if verbose => exit::log(format_args!("{peer}: closed after {}", human::count(total, "octet"))),
            Ok(_) => {}
            Err(e) => exit::log(format_args!("{peer}: {}", cause_text(&e))),
        }
    });
    // The system's own text for it, EAGAIN, does not say what there is too little of.
    started.map(drop).map_err(|e| io::Error::other(format!("no thread could be started: {e}")))
}

/// Out of descriptors or threads. The connection that found no room stays in the queue, so poll(2) says "ready" at once:
/// without a pause this loop would spin and take the processor from those who could finish and make room.
fn back_off(stop: &Context, e: &io::Error, pause: &mut Duration) {
    exit::log(format_args!("accept: {}; waiting {}", cause_text(e), human::duration(*pause)));
    let _ = stop.sleep(*pause);
    *pause = (*pause * 2).min(LONGEST_PAUSE);
}

// [echo]
fn echo(mut stream: &TcpStream, idle: Duration) -> io::Result<usize> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(idle))?;
    stream.set_write_timeout(Some(idle))?;
    let mut buffer = vec![0; FIRST_BUFFER];
    let mut total = 0;
    loop {
        match read(stream, &mut buffer)? {
            0 => return Ok(total),
            n => {
                stream.write_all(&buffer[..n])?;
                total += n;
                if n == buffer.len() {
                    buffer.resize(BUFFER, 0);
                }
            }
        }
    }
}
// [/echo]

/// One read. Ctrl-Z and fg interrupt a read that has a timeout, although nothing has happened to the connection (signal(7)).
fn read(mut stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
