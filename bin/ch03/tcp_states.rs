//! Shows the state of every TCP socket, or each change of state as it happens.
//!
//! Nothing is sent or received: the program reads the kernel's table, /proc/net/tcp and tcp6 (Linux). With `--watch` it
//! reads the table every `--interval` and prints what differs, so a state that lasts for less is missed. CLOSED, the
//! state of a connection that does not exist, is not in the table: here it stands for "was not there" and "is gone". On
//! one machine both ends of a connection are in the table.
//!
//! ```text
//! cargo run --bin tcp_states -- --watch --port 7007 --interval 10ms
//! nc -l 127.0.0.1 7007 &  printf 'ahoy\n' | nc -N 127.0.0.1 7007
//! ```

use clap::Parser;
use netkata::error::{Attempt, Result};
use netkata::proc_net::{self, Entry, State};
use netkata::{exit, human, stop};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

/// Shows the states of TCP connections.
#[derive(Parser)]
#[command(
    after_help = "Examples:\n  tcp_states --port 7007\n  tcp_states --watch --port 7007 --interval 10ms --count 12"
)]
struct Args {
    /// Only sockets with this port at either end
    #[arg(long)]
    port: Option<u16>,
    /// Print changes as they happen, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// With --watch: how often to look
    #[arg(long, default_value = "500ms", value_parser = human::parse_limit)]
    interval: Duration,
    /// With --watch: end after so many changes
    #[arg(long, requires = "watch", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| match if args.watch { watch(&args) } else { table(&args) } {
        // Whoever read this has seen enough (`| head`).
        Err(e) if e.cause().kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    })
}

/// The sockets that were asked for.
fn sockets(args: &Args) -> Result<Vec<Entry>> {
    let mut entries = match args.port {
        Some(port) => proc_net::tcp_with_port(port)?,
        None => proc_net::tcp()?,
    };
    entries.sort_by_key(|e| (e.local.port(), e.local, e.remote));
    Ok(entries)
}

fn table(args: &Args) -> Result<()> {
    let entries = sockets(args)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut print = || {
        writeln!(
            out,
            "{:12} {:>6} {:>6} {:25} {:25} {:>5} inode",
            "state", "recv-q", "send-q", "local", "remote", "uid"
        )?;
        for e in &entries {
            let (local, remote) = (e.local.to_string(), e.remote.to_string());
            let Entry { state, receive_queue, send_queue, uid, inode, .. } = e;
            writeln!(out, "{state:12} {receive_queue:>6} {send_queue:>6} {local:25} {remote:25} {uid:>5} {inode}")?;
        }
        out.flush()
    };
    print().attempt("write", "standard output")
}

/// A connection is known by its two ends.
type Ends = (SocketAddr, SocketAddr);

fn states(args: &Args) -> Result<BTreeMap<Ends, State>> {
    Ok(sockets(args)?.into_iter().map(|e| ((e.local, e.remote), e.state)).collect())
}

fn watch(args: &Args) -> Result<()> {
    let stop = stop::on_signals()?;
    let mut before = states(args)?;
    exit::log(format_args!("watching {}", human::count(before.len(), "socket")));
    let mut left = args.count.unwrap_or(u64::MAX);
    while stop.sleep(args.interval).is_ok() {
        let now = states(args)?;
        for change in changes(&before, &now) {
            exit::say(change)?;
            left -= 1;
            if left == 0 {
                return Ok(());
            }
        }
        before = now;
    }
    Ok(())
}

/// `127.0.0.1:7007 127.0.0.1:50001 ESTABLISHED -> CLOSE_WAIT`
fn changes(before: &BTreeMap<Ends, State>, now: &BTreeMap<Ends, State>) -> Vec<String> {
    let all: BTreeSet<&Ends> = before.keys().chain(now.keys()).collect();
    let state = |table: &BTreeMap<Ends, State>, ends| *table.get(ends).unwrap_or(&State::Closed);
    all.into_iter()
        .map(|ends| (ends, state(before, ends), state(now, ends)))
        .filter(|(_, old, new)| old != new)
        .map(|((local, remote), old, new)| format!("{local} {remote} {old} -> {new}"))
        .collect()
}
