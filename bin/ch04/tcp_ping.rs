//! Connects to a port again and again, and says how long each connect took: a ping for hosts that filter ICMP.
//!
//! The client sends nothing: it connects, and closes at once. Each try costs the server a connection, and may end up in its
//! log: ask before you watch what is not yours. The time of a try has a limit, and the look-up of the name is part of it.
//! A try that nobody answers is a timeout, which may be over soon: the next one comes. A refusal is an answer, and one
//! that will not change by itself, so it ends the program – but that is what a service gives while it is being restarted.
//! To wait for one to come back, use `--keep-going`. The status is 0 if any try connected, as with ping(8), and 1 if none did
//! or an error ended it.
//!
//! ```text
//! nc -lk 127.0.0.1 7007 &  cargo run --bin tcp_ping -- 127.0.0.1:7007
//! cargo run --bin tcp_ping -- 127.0.0.1:7007 -c 0 --keep-going      # now stop nc, and start it again
//! ```

use clap::Parser;
use netkata::addr::Network;
use netkata::context::{Context, is_canceled};
use netkata::dial::Dialer;
use netkata::error::{NetError, Result, cause_text};
use netkata::{exit, human, stop};
use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Tells how long it takes to connect to a TCP port.
#[derive(Parser)]
#[command(after_help = "Examples:\n  tcp_ping harbour.example:https\n  tcp_ping [::1]:7007 -c 0 -i 200ms --keep-going")]
struct Args {
    /// Where to connect
    #[arg(value_name = "HOST:PORT")]
    address: String,
    /// How many times; 0 is until Ctrl-C
    #[arg(short, default_value_t = 3)]
    count: u64,
    /// The time from one try to the next
    #[arg(short, default_value = "1s", value_parser = human::parse_limit)]
    interval: Duration,
    /// The time that a try may take
    #[arg(short = 'W', default_value = "5s", value_parser = human::parse_limit)]
    wait: Duration,
    /// Go on after a refusal and other errors that are no timeout
    #[arg(short, long)]
    keep_going: bool,
    /// IPv4 only
    #[arg(short = '4', conflicts_with = "ipv6")]
    ipv4: bool,
    /// IPv6 only
    #[arg(short = '6')]
    ipv6: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut tally = Tally::default();
    let result = ping(&args, &mut tally);
    let refused = matches!(&result, Err(e) if e.cause().kind() == io::ErrorKind::ConnectionRefused);
    let code = exit::run(|| result);
    if refused {
        exit::log("to wait for a service that is being restarted: --keep-going");
    }
    if tally.connected == 0 { ExitCode::FAILURE } else { code }
}

fn ping(args: &Args, tally: &mut Tally) -> Result<()> {
    let stop = stop::on_signals()?;
    exit::say(format_args!("PING {}", args.address))?;
    if args.count == 0 {
        exit::say("CTRL+C to stop.")?;
    }
    let ended = try_until_stopped(args, &stop, tally);
    tally.print(&args.address)?;
    ended
}

fn try_until_stopped(args: &Args, stop: &Context, tally: &mut Tally) -> Result<()> {
    let network = match (args.ipv4, args.ipv6) {
        (true, _) => Network::Tcp4,
        (_, true) => Network::Tcp6,
        _ => Network::Tcp,
    };
    let dialer = Dialer { network, ..Dialer::default() };
    loop {
        let start = Instant::now();
        let result = dialer.dial(&stop.with_timeout(args.wait), &args.address);
        // To drop the stream is to close it: nothing was sent, so this is a FIN.
        let result = result.map(drop);
        let took = human::round_to(start.elapsed(), Duration::from_micros(1));
        if matches!(&result, Err(e) if is_canceled(e.cause())) {
            return Ok(());
        }
        tally.sent += 1;
        match result {
            Ok(()) => tally.connected(took)?,
            Err(e) => tally.failed(took, e, args.keep_going)?,
        }
        if tally.sent == args.count || stop.sleep(args.interval.saturating_sub(start.elapsed())).is_err() {
            return Ok(());
        }
    }
}

#[derive(Default)]
struct Tally {
    sent: u64,
    connected: u32,
    least: Duration,
    most: Duration,
    sum: Duration,
}

impl Tally {
    fn connected(&mut self, took: Duration) -> Result<()> {
        self.least = if self.connected == 0 { took } else { self.least.min(took) };
        self.most = self.most.max(took);
        self.sum += took;
        self.connected = self.connected.saturating_add(1);
        exit::say(format_args!("{} {}", self.sent, human::duration(took)))
    }

    /// An error where the next try cannot be expected to do better is handed back.
    fn failed(&self, took: Duration, e: NetError, keep_going: bool) -> Result<()> {
        exit::say(format_args!("{} fail in {}: {}", self.sent, human::duration(took), cause_text(e.cause())))?;
        // A wrong address stays wrong.
        let hopeless = e.cause().kind() == io::ErrorKind::InvalidInput;
        if hopeless || !keep_going && !e.is_temporary() { Err(e) } else { Ok(()) }
    }

    fn print(&self, address: &str) -> Result<()> {
        exit::say(format_args!("--- {address} ---\n{} sent, {} connected", self.sent, self.connected))?;
        if self.connected > 0 {
            let average = human::round_to(self.sum / self.connected, Duration::from_micros(1));
            let [least, average, most] = [self.least, average, self.most].map(human::duration);
            exit::say(format_args!("min/avg/max {least}/{average}/{most}"))?;
        }
        Ok(())
    }
}
