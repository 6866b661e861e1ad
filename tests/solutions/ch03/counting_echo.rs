//! An echo server (RFC 862) that counts its clients, and says how many when it leaves.
//!
//! The client speaks first, or not at all; octets go back as they come; when the client closes its direction, the server
//! sends what is still due and closes too. On SIGINT and SIGTERM new clients are refused, those connected are served to
//! their end, for `--grace` at most. Then one line goes to standard output, `served 3 clients`, and the server ends with
//! status 0. A client is whoever was let in: one that sent nothing, one that reset, one that was cut off at the end.
//!
//! - Graded: the echo; the line, the only one after the announcement; that it comes last; what it counts; the grace; status 0.
//! - Not graded: the log, the largest number of connections, what happens without descriptors.
//! - May be hard-coded: nothing.
//!
//! ```text
//! cargo run -p lessons --bin counting_echo
//! nc 127.0.0.1 7010            # type a line; press Ctrl-C at the server; type another line, then Ctrl-D
//! ```

use clap::Parser;
use netkata::addr::Network;
use netkata::context::{Context, Ready};
use netkata::error::{Attempt, Result, cause_text, is_about_one_connection, is_shortage};
use netkata::slots::Slots;
use netkata::{exit, human, listen, stop};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// Connections served at once.
const MOST: usize = 10_000;
/// A connection on which nothing moves for this long is closed.
const IDLE: Duration = Duration::from_secs(300);
/// How long to leave accept(2) alone when descriptors or threads have run out.
const PAUSE: Duration = Duration::from_millis(100);

/// Sends back whatever it is sent, and counts its clients.
#[derive(Parser)]
#[command(after_help = "Example:\n  counting_echo :7010 --grace 10s\n  nc 127.0.0.1 7010")]
struct Args {
    /// Where to listen: host:port, :port or [v6]:port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7010")]
    address: String,
    /// After SIGINT or SIGTERM, let connections go on for this long
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
    listener.set_nonblocking(true).attempt("listen", &args.address)?;
    let open = Slots::new(MOST);
    let clients = accept_until_stopped(&stop, &listener, &open).attempt("accept", &args.address)?;
    // From here on, new clients are refused.
    drop(listener);
    finish(&open, args.grace);
    report(clients)
}

/// Lets clients in until the server is to stop. Returns how many there were.
fn accept_until_stopped(stop: &Context, listener: &TcpListener, open: &Slots) -> io::Result<usize> {
    let mut clients = 0;
    while stop.wait_readable(listener)? == Ready::Socket {
        match listener.accept().and_then(|(stream, peer)| welcome(stream, peer, open, &mut clients)) {
            Ok(()) => {}
            // For one, a client that changed its mind while it waited in the queue.
            Err(e) if is_about_one_connection(&e) => {}
            // The connection that found no room makes poll(2) say "ready" again at once.
            Err(e) if is_shortage(&e) => drop(stop.sleep(PAUSE)),
            Err(e) => return Err(e),
        }
    }
    Ok(clients)
}

/// Counts one client, and serves it beside the others.
fn welcome(stream: TcpStream, peer: SocketAddr, open: &Slots, clients: &mut usize) -> io::Result<()> {
    // step 1: take a slot of `open` (without one, the client is refused), attend to the client in a thread that keeps the
    // slot to its end, and count the client, once
    // stub: let _ = (&stream, peer, open, clients, attend, thread::Builder::new());
    let Some(slot) = open.take() else { return Ok(()) };
    thread::Builder::new().name(peer.to_string()).spawn(move || {
        // Given back when the thread ends, however it ends.
        let _slot = slot;
        attend(&stream, peer);
    })?;
    // Here, not in the threads: the number needs no lock, and whoever is still connected at the end is in it.
    *clients += 1;
    Ok(())
    // end of step 1
}

/// One client, from its first octet to its last.
fn attend(stream: &TcpStream, peer: SocketAddr) {
    if let Err(e) = echo(stream) {
        exit::log(format_args!("{peer}: {}", cause_text(&e)));
    }
}

/// Sends everything back, to the end of the stream.
fn echo(mut stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_write_timeout(Some(IDLE))?;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n])?,
        }
    }
}

/// Lets those who are connected finish.
fn finish(open: &Slots, grace: Duration) {
    // step 2: wait until nobody is connected any more, but for `grace` at most
    // stub: let _ = (open, grace);
    open.wait_empty(grace);
    // end of step 2
}

/// The line on standard output.
fn report(clients: usize) -> Result<()> {
    // step 3: say how many clients were served, in one line on standard output: `served 1 client`, `served 3 clients`
    // stub: let _ = clients;
    exit::say(format_args!("served {}", human::count(clients, "client")))
    // end of step 3
}
