//! Takes frames of type, length and value, and sends each back as it was understood.
//!
//! The client speaks first. A frame is a type octet (1 Binary, 2 String), the length of the value in four octets, most
//! significant first, and the value: 10 MiB at the most. It goes back when it is complete and its String is UTF-8.
//! A frame that is wrong, or that the client breaks off, is answered by a String `error: …` with the offset of the octet that
//! made it wrong. Then the server closes (FIN): nobody knows where the next frame begins. When the client closes its
//! direction between two frames, the server closes, too. Silence between two frames is limited by `--idle`; inside a
//! frame, and while its echo waits to be read, by `--frame-time`.
//!
//! ```text
//! cargo run --bin tlv_server
//! printf '\002\0\0\0\004Alma' | nc -N 127.0.0.1 7040 | cargo run -q --bin tlv -- decode
//! ```

use clap::Parser;
use netkata::accept::{self, Limits};
use netkata::addr::Network;
use netkata::deadline::DeadlineStream;
use netkata::error::{Result, cause_text, is_timeout};
use netkata::tlv::{Error, Reader, VALUES, Value};
use netkata::{exit, human};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

/// Octets of a Binary, or characters of a String, that the log shows.
const LOGGED: usize = 64;
/// How long, and how many octets, to listen to a client that the server has closed.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_OCTETS: u64 = 11 << 20;

/// Sends frames back.
#[derive(Parser)]
#[command(after_help = "Example:\n  tlv_server :7040 --idle 30s\n  tlv_client 127.0.0.1:7040 --string Alma")]
struct Args {
    /// Where to listen: host:port, :port or [v6]:port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7040")]
    address: String,
    /// tcp, tcp4 or tcp6
    #[arg(long, default_value = "tcp")]
    network: Network,
    /// Connections served at once, each with a value of up to 10 MiB; more are closed at once
    #[arg(long, default_value_t = 256)]
    max_connections: usize,
    /// Close a connection on which no frame begins for this long
    #[arg(long, default_value = "5m", value_parser = human::parse_limit)]
    idle: Duration,
    /// The time for a whole frame to come, and for its echo to go
    #[arg(long, default_value = "30s", value_parser = human::parse_limit)]
    frame_time: Duration,
    /// After SIGINT or SIGTERM, let connections go on for this long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
}

/// Why a conversation ended before its time.
enum Trouble {
    /// What came is no frame.
    Frame(Error),
    /// The client is silent, gone, or does not read: there is nobody to tell.
    Lost(io::Error),
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(&args))
}

fn serve(args: &Args) -> Result<()> {
    let limits = Limits { connections: args.max_connections, grace: args.grace };
    let (idle, frame_time) = (args.idle, args.frame_time);
    accept::run(args.network, &args.address, &limits, move |stream, peer| {
        let stream = DeadlineStream::new(stream);
        match converse(&stream, peer, idle, frame_time) {
            Ok(()) => {}
            Err(Trouble::Frame(e)) => {
                exit::log(format_args!("{peer}: {e}"));
                stream.set_timeout(frame_time);
                let _ = send(&mut BufWriter::new(stream.clone()), &Value::String(format!("error: {e}")));
            }
            Err(Trouble::Lost(e)) => exit::log(format_args!("{peer}: {}", cause_text(&e))),
        }
        farewell(stream);
    })
}

fn converse(
    stream: &DeadlineStream<TcpStream>,
    peer: SocketAddr,
    idle: Duration,
    frame_time: Duration,
) -> std::result::Result<(), Trouble> {
    let mut frames = Reader::new(BufReader::new(stream.clone()), VALUES);
    let mut back = BufWriter::new(stream.clone());
    loop {
        // Between two frames a client may be silent; inside one it may not.
        stream.set_timeout(idle);
        frames.get_mut().fill_buf().map_err(|e| Trouble::Lost(silent(e, idle)))?;
        stream.set_timeout(frame_time);
        let Some(value) = frames.read_value().map_err(Trouble::Frame)? else { return Ok(()) };
        exit::log(format_args!("{peer}: {}", value.shown(LOGGED)));
        stream.set_timeout(frame_time);
        send(&mut back, &value).map_err(Trouble::Lost)?;
    }
}

/// Header and value leave together, and at once: the client may wait for this frame before it sends the next.
fn send(back: &mut BufWriter<DeadlineStream<TcpStream>>, value: &Value) -> io::Result<()> {
    value.write_to(back)?;
    back.flush()
}

fn silent(e: io::Error, idle: Duration) -> io::Error {
    if is_timeout(&e) { io::Error::other(format!("no frame for {}, closed", human::duration(idle))) } else { e }
}

/// To close a socket that holds unread octets is a reset, which can destroy the answer: first a FIN, then a last look.
fn farewell(stream: DeadlineStream<TcpStream>) {
    if stream.get_ref().shutdown(Shutdown::Write).is_ok() {
        stream.set_timeout(LINGER);
        let _ = io::copy(&mut stream.take(LINGER_OCTETS), &mut io::sink());
    }
}
