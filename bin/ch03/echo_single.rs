//! An echo server that serves one client at a time, line by line. A second client waits: why that is not enough.
//!
//! The client speaks first. A line ends with LF or CR LF and holds at most 65,536 octets, its end included; it goes back
//! as it came. At the end of the stream, what is there counts as a line. The line `STOP` is not answered: the server
//! closes, and ends. A client that sends no whole line for `--idle` is sent away, since others wait in the queue, where
//! they can connect and write but get no answer.
//!
//! ```text
//! cargo run --bin echo_single
//! printf 'ahoy\nSTOP\n' | nc 127.0.0.1 7008
//! ```

use clap::Parser;
use netkata::addr::Network;
use netkata::context::{Context, Ready};
use netkata::deadline::DeadlineStream;
use netkata::error::{Attempt, Result, cause_text, is_about_one_connection, is_shortage, is_timeout};
use netkata::{exit, hexdump, human, listen, stop};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// The longest line, its end included. Whoever sends more without a line end would fill the memory.
const LONGEST_LINE: usize = 64 * 1024;
/// How long to leave accept(2) alone when descriptors have run out.
const PAUSE: Duration = Duration::from_millis(100);
/// How long, and how many octets, to read on after our last word.
const DRAIN_TIME: Duration = Duration::from_secs(1);
const DRAIN_OCTETS: u64 = 1 << 20;

/// Sends lines back, to one client at a time; the line STOP ends it.
#[derive(Parser)]
#[command(after_help = "Example:\n  echo_single :7008 --idle 30s\n  printf 'ahoy\\nSTOP\\n' | nc 127.0.0.1 7008")]
struct Args {
    /// Where to listen: host:port, :port or [v6]:port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7008")]
    address: String,
    /// tcp, tcp4 or tcp6
    #[arg(long, default_value = "tcp")]
    network: Network,
    /// Time for each line: for the client to send it, and to take it back
    #[arg(long, default_value = "5m", value_parser = human::parse_limit)]
    idle: Duration,
    /// After SIGINT or SIGTERM, let the client go on for this long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| {
        let stop = stop::on_signals()?;
        let listener = listen::tcp_announced(args.network, &args.address)?;
        end_after_grace(&stop, args.grace)?;
        serve(&stop, &listener, args.idle).attempt("accept", &args.address)
    })
}

/// The one thread that serves may be blocked in a read when the signal comes. Another one waits for the signal, gives
/// the client its time, and ends the process: the kernel closes what is open.
fn end_after_grace(stop: &Context, grace: Duration) -> Result<()> {
    let stop = stop.clone();
    let wait = move || {
        let _ = stop.done().recv();
        thread::sleep(grace);
        exit::log(format_args!("cut off 1 connection after {}", human::duration(grace)));
        std::process::exit(0);
    };
    thread::Builder::new().name("grace".into()).spawn(wait).map(drop).attempt("start", "a thread")
}

fn serve(stop: &Context, listener: &TcpListener, idle: Duration) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    while stop.wait_readable(listener)? == Ready::Socket {
        match listener.accept() {
            // Until this client is done, nobody accepts the next.
            Ok((stream, peer)) => match converse(stream, idle) {
                Ok(Goodbye::Stop) => return Ok(()),
                Ok(Goodbye::Closed) => {}
                Err(e) if is_timeout(&e) => {
                    exit::log(format_args!("{peer}: sent away after {}", human::duration(idle)))
                }
                Err(e) => exit::log(format_args!("{peer}: {}", cause_text(&e))),
            },
            Err(e) if is_about_one_connection(&e) => {}
            Err(e) if is_shortage(&e) => drop(stop.sleep(PAUSE)),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// How a conversation ended.
enum Goodbye {
    Closed,
    Stop,
}

fn converse(stream: TcpStream, idle: Duration) -> io::Result<Goodbye> {
    // Some systems hand the listener's non-blocking mode on to what it accepts.
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    let mut client = BufReader::new(DeadlineStream::new(stream));
    let mut line = Vec::new();
    loop {
        line.clear();
        // A point in time, not a limit for each read: octets in drips would renew that for ever.
        client.get_ref().set_timeout(idle);
        // One octet more than allowed tells a line that is too long from one that just fits.
        match (&mut client).take(LONGEST_LINE as u64 + 1).read_until(b'\n', &mut line)? {
            0 => return Ok(Goodbye::Closed),
            n if n > LONGEST_LINE => return refuse(client.into_inner()),
            _ => {}
        }
        let text = line.strip_suffix(b"\n").map_or(&line[..], |l| l.strip_suffix(b"\r").unwrap_or(l));
        // Our own standard output may be a pipe that nobody reads any more. That is no fault of the client's.
        let _ = writeln!(io::stdout(), "-> {}", hexdump::text(text, LONGEST_LINE));
        if text == b"STOP" {
            say_goodbye(client.into_inner());
            return Ok(Goodbye::Stop);
        }
        client.get_mut().write_all(&line)?;
    }
}

fn refuse(client: DeadlineStream<TcpStream>) -> io::Result<Goodbye> {
    say_goodbye(client);
    Err(io::Error::other(format!("a line of more than {}", human::count(LONGEST_LINE, "octet"))))
}

/// Closes our direction, and reads on for a moment: to close a socket that holds unread octets is a reset, and a reset can
/// destroy what we sent before the client has read it.
fn say_goodbye(client: DeadlineStream<TcpStream>) {
    let _ = client.get_ref().shutdown(Shutdown::Write);
    client.set_timeout(DRAIN_TIME);
    let _ = io::copy(&mut client.take(DRAIN_OCTETS), &mut io::sink());
}
