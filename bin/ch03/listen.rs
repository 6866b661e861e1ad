//! A listener and nothing more: binds a port, says which, and shows that the port is taken.
//!
//! Nobody here calls accept(2). A client connects all the same: the kernel shakes hands and puts the connection into
//! the listener's queue (the backlog). What the client sends waits there too, and gets no answer. When the program
//! ends, the connections in the queue are reset.
//!
//! ```text
//! cargo run --bin listen -- :7001
//! nc -v 127.0.0.1 7001        # succeeds; in a third terminal: ss -tn '( sport = :7001 or dport = :7001 )'
//! ```

use clap::Parser;
use netkata::addr::Network;
use netkata::error::{Attempt, NetError, Result};
use netkata::{exit, listen, stop};
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

/// Binds a TCP port, shows that it is exclusive, and waits for Ctrl-C without accepting anyone.
#[derive(Parser)]
#[command(after_help = "Example:\n  listen :7001 --network tcp4\n  nc -v 127.0.0.1 7001")]
struct Args {
    /// Where to listen: host:port, :port or [v6]:port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:0")]
    address: String,
    /// tcp (both versions of IP), tcp4 or tcp6
    #[arg(long, default_value = "tcp")]
    network: Network,
    /// Close at once, instead of waiting for Ctrl-C
    #[arg(long)]
    once: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| hold(&args))
}

fn hold(args: &Args) -> Result<()> {
    let stop = stop::on_signals()?;
    let listener = listen::tcp_announced(args.network, &args.address)?;
    // With port 0, only the socket knows which port the kernel chose.
    let bound = listener.local_addr().attempt("listen", &args.address)?.to_string();
    say(format_args!("bound to {bound:?}"))?;
    match listen::tcp(args.network, &bound) {
        Err(e) => say(format_args!("second bind: {e}"))?,
        Ok(_) => return Err(NetError::invalid("listen", &bound, "a second socket got the same port")),
    }
    if !args.once {
        let _ = stop.done().recv();
    }
    // Dropping the listener closes it: the port is free, and whoever waits in the queue is reset.
    drop(listener);
    say("closed")
}

/// Prints a line. `println!` would panic when the reader of a pipe has gone.
fn say(line: impl Display) -> Result<()> {
    writeln!(io::stdout(), "{line}").attempt("write", "standard output")
}
