//! The time in a datagram (RFC 868): chapter 3's time server, without a connection.
//!
//! Over TCP, to connect is to ask. Here the client speaks first: any datagram asks, an empty one as well. The answer is one
//! datagram of four octets, the seconds since 1900-01-01 00:00 UTC, the most significant octet first; after 2^32 - 1 comes 0, on
//! 2036-02-07. It goes to whoever asked, from the address that was asked. Nobody closes anything, and nothing ends the server but a
//! signal: the next question comes from somebody else.
//!
//! A sender's address is what the sender says it is. Whoever writes there the address of another service that answers whatever
//! comes has the two talk to each other for ever (CVE-1999-0103). So three kinds of datagrams are no questions, and get no
//! answer:
//!
//! - one of four octets: that is what an answer looks like;
//! - one from a port in `--services`, where servers send from and clients do not: 7 is echo, 19 chargen, 37 the time;
//! - one from a port with the same number as the server's own, on any address.
//!
//! - Graded: the four octets; who gets them; what is answered and what is not; the clock at its wrap; the stop.
//! - Not graded: the log. May be hard-coded: nothing.
//!
//! ```text
//! cargo run -p lessons --bin udp_time
//! echo 'what time is it' | nc -u -w1 127.0.0.1 7067 | xxd
//! ```

use clap::Parser;
use netkata::addr::Network;
use netkata::datagram::{self, Received, canonical};
use netkata::error::{Attempt, Result, cause_text};
use netkata::{exit, stop};
use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// From 1900-01-01 to 1970-01-01, where Unix begins to count: 70 years with 17 leap days, in seconds.
const EPOCHS_APART: u64 = (70 * 365 + 17) * 24 * 60 * 60;
/// Nothing of a question matters but its length.
const BUFFER: usize = 4;

/// Tells the seconds since 1900 to whoever sends a datagram (RFC 868).
#[derive(Parser)]
#[command(after_help = "Example:\n  udp_time :7067\n  echo 'what time is it' | nc -u -w1 127.0.0.1 7067 | xxd")]
struct Args {
    /// Where to listen: host:port, :port or [v6]:port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7067")]
    address: String,
    /// Tell this time, in seconds since 1970, instead of the clock's: 2085978495 is the last second before the wrap
    #[arg(long, value_name = "SECONDS")]
    at: Option<u32>,
    /// Ports that are not answered: other servers have them
    #[arg(long, value_name = "PORT", value_delimiter = ',', default_values_t = [7, 13, 17, 19, 37])]
    services: Vec<u16>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(&args))
}

fn serve(args: &Args) -> Result<()> {
    let stop = stop::on_signals()?;
    let socket = datagram::announced(Network::Udp, &args.address)?;
    let ours = socket.local_addr().attempt("listen", &args.address)?;
    // The loop is the one that `udp_echo_server` writes out.
    let ended = datagram::serve(&stop, &socket, &mut [0; BUFFER], |_, got| {
        if is_answer(&got) || is_service(got.from.port(), ours, &args.services) {
            return;
        }
        let now = args.at.map_or_else(SystemTime::now, |s| UNIX_EPOCH + Duration::from_secs(s.into()));
        answer(&socket, &got, now);
    });
    ended.attempt("receive", format_args!("udp://{}", args.address))
}

/// Whether a datagram looks like an answer of this protocol.
fn is_answer(got: &Received) -> bool {
    let _ = got;
    todo!(
        "step 1: tell a datagram of four octets from all others, empty ones and those that were longer than the buffer"
    );
}

/// Whether a server sends from this port, and not a client. `ours` is where we listen.
fn is_service(port: u16, ours: SocketAddr, services: &[u16]) -> bool {
    let _ = (port, ours, services);
    todo!("step 2: a server sends from the port that it is asked on: one of `services`, or one with our own number");
}

/// Sends the time to who asked.
fn answer(socket: &UdpSocket, question: &Received, now: SystemTime) {
    let _ = (socket, question, now, since_1900, datagram::reply, canonical, cause_text);
    todo!(
        "step 3: send what `since_1900` gives to who asked, from the address that was asked; log a failure, and go on"
    );
}

/// RFC 868's number, as it goes over the wire.
fn since_1900(now: SystemTime) -> [u8; 4] {
    let _ = (now, UNIX_EPOCH, EPOCHS_APART);
    todo!("step 4: tell the number that chapter 3's time server tells; your own code from there will do");
}
