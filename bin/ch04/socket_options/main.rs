//! Sets socket options, reads them back, and holds a connection on which they can be watched from outside.
//!
//! It connects; with `--listen` it waits for one client instead. A table shows what each option is on a new socket, what
//! was asked for, and what the kernel made of it. There is no framing: the program sends `--send` octets, drops what
//! comes, and closes at Enter, at Ctrl-C, after `--hold`, or when the peer is gone. The options are set before the
//! handshake, where both sides are told how the other's window counts; with `--late`, after it.
//!
//! std and socket2 leave the kernel's defaults as they are. Go's library turns keepalive on, and Nagle's algorithm off.
//!
//! ```text
//! cargo run --bin socket_options -- --listen --keepalive 20s
//! nc -d 127.0.0.1 7048 & ss -tno 'sport = :7048'
//! ```

mod options;

use clap::Parser;
use netkata::addr::Network;
use netkata::context::{Context, Ready};
use netkata::dial::Dialer;
use netkata::error::{Attempt, Result, cause_text, is_timeout};
use netkata::{exit, human, listen, stop};
use options::Options;
use socket2::{SockRef, Socket};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

/// How long to wait for the connection, and then for a write when the buffers are full.
const CONNECT: Duration = Duration::from_secs(10);
const WRITE: Duration = Duration::from_millis(100);
/// Octets read, and dropped, at once.
const BUFFER: usize = 64 * 1024;

/// Sets and shows keepalive, linger, nodelay and buffers.
#[derive(Parser)]
#[command(after_help = "Examples:\n  socket_options --listen --keepalive 20s\n  socket_options --linger 0 --hold 2s")]
struct Args {
    /// Where to connect to, or to listen: host:port, :port or [v6]:port
    #[arg(default_value = "127.0.0.1:7048")]
    address: String,
    /// Wait for one client instead
    #[arg(long)]
    listen: bool,
    #[command(flatten)]
    options: Options,
    /// Set the options after the handshake, not before
    #[arg(long)]
    late: bool,
    /// Send so many octets, as far as the buffers take them
    #[arg(long, default_value = "0", value_parser = human::size_within::<usize>(0..=1 << 26))]
    send: usize,
    /// Close after so long, not at Enter
    #[arg(long, value_parser = human::parse_duration)]
    hold: Option<Duration>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| run(&args))
}

fn run(args: &Args) -> Result<()> {
    let stop = stop::on_signals()?;
    let early = if args.late { None } else { Some(args.options.clone()) };
    let Some(mut stream) = (if args.listen { accept(args, early, &stop) } else { connect(args, early, &stop) })? else {
        return Ok(());
    };
    if args.late {
        args.options.set(&SockRef::from(&stream)).attempt("set", "socket options")?;
    }
    for line in args.options.table(&stream).attempt("inspect", "the connection")? {
        exit::say(line)?;
    }
    exit::say(match send(&mut stream, args.send).and_then(|()| hold(args, &stop, &mut stream)) {
        Ok(why) => why.into(),
        Err(e) => format!("the connection is gone: {}", cause_text(&e)),
    })?;
    let start = Instant::now();
    // close(2): what happens to octets that the peer has not acknowledged, and whether this waits, is SO_LINGER's.
    drop(stream);
    let took = human::round_to(start.elapsed(), Duration::from_millis(1));
    exit::say(format_args!("close took {}", human::duration(took)))
}

/// `None` when a signal came first.
fn connect(args: &Args, early: Option<Options>, stop: &Context) -> Result<Option<TcpStream>> {
    let control = move |socket: &Socket, _| early.as_ref().map_or(Ok(()), |o| o.set(&SockRef::from(socket)));
    let dialer = Dialer { control: Some(Box::new(control)), ..Dialer::default() };
    match dialer.dial(&stop.with_timeout(CONNECT), &args.address) {
        Err(_) if stop.cause().is_some() => Ok(None),
        dialled => dialled.map(Some),
    }
}

/// `None` when a signal came first.
fn accept(args: &Args, early: Option<Options>, stop: &Context) -> Result<Option<TcpStream>> {
    let listener = listen::tcp(Network::Tcp, &args.address)?;
    if let Some(options) = early {
        // The kernel answers a SYN before this program hears of it: accept(2) is too late for the window's scale.
        options.set(&SockRef::from(&listener)).attempt("set", "socket options")?;
    }
    let address = listener.local_addr().attempt("listen", &args.address)?;
    listen::announce("tcp", address)?;
    match stop.wait_readable(&listener).attempt("accept", address)? {
        Ready::Ended(_) => Ok(None),
        Ready::Socket => listener.accept().map(|(stream, _)| Some(stream)).attempt("accept", address),
    }
}

/// Sends as many of these octets as the buffers of both ends take.
fn send(stream: &mut TcpStream, octets: usize) -> io::Result<()> {
    stream.set_write_timeout(Some(WRITE))?;
    let (octets, mut sent) = (vec![b'~'; octets], 0);
    while sent < octets.len() {
        match stream.write(&octets[sent..]) {
            Ok(n) => sent += n,
            Err(e) if is_timeout(&e) => break,
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Reads and drops what comes until it is time to close; says why it is time.
fn hold(args: &Args, stop: &Context, stream: &mut TcpStream) -> io::Result<&'static str> {
    let held = match args.hold {
        Some(time) => stop.with_timeout(time),
        None => until_enter(stop)?,
    };
    let mut buffer = vec![0; BUFFER];
    // Octets that were never read would turn the close into a reset, whatever the options say.
    while held.wait_readable(stream)? == Ready::Socket {
        if stream.read(&mut buffer)? == 0 {
            return Ok("the peer has closed");
        }
    }
    Ok("closing")
}

/// A context that a line on standard input ends, or its end.
fn until_enter(stop: &Context) -> io::Result<Context> {
    let held = stop.child();
    let enter = held.clone();
    // read(2) on a terminal cannot be interrupted: the thread is left behind when the connection ends first.
    thread::Builder::new().name("enter".into()).spawn(move || {
        let _ = io::stdin().take(1).read(&mut [0]);
        enter.cancel();
    })?;
    Ok(held)
}
