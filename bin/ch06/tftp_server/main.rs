//! Sends files over TFTP (RFC 1350), with blocks of other sizes, timeouts, sizes and windows where the client asks for them
//! (RFC 2347, 2348, 2349, 7440).
//!
//! The client speaks first: a read request to the known port. Every answer comes from a port of its own, which stands for this
//! transfer (RFC 1350, section 4): DATA of 512 octets, each acknowledged before the next goes. A shorter one is the last. What
//! is not acknowledged in time is sent again, `--retries` times in all. That time is `--timeout` until a round trip was measured;
//! then it follows the round trip (RFC 6298), from `--min-timeout` up to `--timeout`, and doubles as long as nothing comes. A
//! client may ask for a time of its own. With `--payload`, one file answers to every
//! name. With `--root`, the name is that of a file below the folder, and nothing above it can be had. Files are read only and as
//! octets only: WRQ, netascii and mail are answered by an ERROR. TFTP asks nobody for a password.
//!
//! ```text
//! cargo run --bin tftp_server -- --root /srv/tftp
//! curl -s tftp://127.0.0.1:7069/tides.txt
//! ```

mod desk;
mod running;
mod shelf;
mod tally;
mod transfer;

use clap::Parser;
use desk::Desk;
use netkata::addr::Network;
use netkata::error::{Attempt, Result};
use netkata::tftp::{Grants, Patience};
use netkata::{datagram, exit, human, stop, sys};
use shelf::Shelf;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Sends files over TFTP.
#[derive(Parser)]
#[command(
    after_help = "Examples:\n  tftp_server :69 --root /srv/tftp\n  tftp_server 127.0.0.1:7069 --payload tides.txt\n  \
                        curl -s tftp://127.0.0.1:7069/tides.txt"
)]
struct Args {
    /// Where to wait for requests: host:port, :port or [v6]:port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7069")]
    address: String,
    #[command(flatten)]
    files: Files,
    /// udp, udp4 or udp6
    #[arg(long, default_value = "udp")]
    network: Network,
    /// Wait so long for an ACK, then send again; later as long as ACKs take, and this at most
    #[arg(long, default_value = "6s", value_parser = human::parse_limit)]
    timeout: Duration,
    /// However soon ACKs come, wait no less than this
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = human::parse_limit)]
    min_timeout: Duration,
    /// Send each packet so many times at most
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=255))]
    retries: u32,
    /// Transfers at once; more are refused
    #[arg(long, default_value_t = 256)]
    max_transfers: usize,
    /// As RFC 1350 has it: ignore the options that clients ask for
    #[arg(long)]
    no_options: bool,
    /// Grant blocks of so many octets at most; also no more than the route takes in one piece
    #[arg(long, default_value_t = 65_464, value_parser = clap::value_parser!(u16).range(8..=65_464))]
    max_blksize: u16,
    /// Grant windows of so many blocks at most; also no more than 256 KiB
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    max_windowsize: u16,
    /// After SIGINT or SIGTERM, let transfers go on for so long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
    /// Also log what is ignored and what is sent again
    #[arg(short, long)]
    verbose: bool,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Files {
    /// Send this file, whatever name is asked for
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
    /// Send files below this folder
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

/// What every transfer keeps to.
#[derive(Clone, Copy)]
struct Rules {
    patience: Patience,
    min_timeout: Duration,
    grants: Option<Grants>,
    verbose: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(&args))
}

fn serve(args: &Args) -> Result<()> {
    sys::limits::raise_descriptors().attempt("raise", "the limit on open descriptors")?;
    let stop = stop::on_signals()?;
    let shelf = Shelf::open(&args.files)?;
    let socket = datagram::announced(args.network, &args.address)?;
    let address = socket.local_addr().attempt("listen", &args.address)?;
    let grants = Grants { blksize: args.max_blksize, windowsize: args.max_windowsize };
    let rules = Rules {
        patience: Patience { timeout: args.timeout, sends: args.retries },
        min_timeout: args.min_timeout,
        grants: (!args.no_options).then_some(grants),
        verbose: args.verbose,
    };
    let desk = Desk::new(address.ip(), shelf, rules, args.max_transfers);
    let mut buffer = vec![0; datagram::LONGEST];
    datagram::serve(&stop, &socket, &mut buffer, |octets, came| desk.take(octets, &came))
        .attempt("receive", format_args!("udp://{address}"))?;
    // From here on, the kernel refuses requests over ICMP.
    drop(socket);
    desk.close(args.grace);
    Ok(())
}
