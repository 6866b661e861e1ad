//! Hands an open TCP connection to another process, which finishes the conversation. The client notices nothing.
//!
//! `give` listens on TCP. It speaks first, `your ship?`, and reads one line of at most 256 octets, its LF or CR LF included: that,
//! and not an octet more, for what is in this process's memory does not travel with the descriptor. Then it connects to the
//! taker's socket, hands the connection over, and closes its own descriptor. If nobody takes the connection, the client is told
//! `no berth free`, and the connection is shut down for every process that has it. A client has `--name-time` for its line, a taker
//! `--take-time` for its word. A giver that has handed its clients over may end: they stay connected.
//!
//! A hand-over is a Unix stream connection of its own, and the giver speaks first: the client's line as it came, with one
//! descriptor, sent with its first octet. The taker answers `taken` or `refused: WHY`, a line of at most 256 octets, and closes.
//! The line must be text, and be there within `--give-time`.
//! `take` accepts the descriptor of a connected TCP socket, and nothing else; everything else is closed. Both check by the
//! kernel's word that the other process is their own user's, or root's: a giver may keep a copy and read along, and a taker gets
//! all that the client says (`--any-user` trusts everybody).
//!
//! The taker then greets the client, `welcome, SHIP`, and sends each line back as `SHIP: LINE` until a line is `bye`, the client
//! closes, a line is too long, or none comes for `--idle`.
//!
//! ```text
//! cargo run --bin pass_fd -- take harbour.sock & cargo run --bin pass_fd -- give 127.0.0.1:7072 --to harbour.sock
//! nc 127.0.0.1 7072                               # say Alma, then stop the giver, and go on
//! ```

mod arrival;
mod conversation;
mod give;
mod hand_over;
mod lines;
mod take;
mod trust;

use clap::{Parser, Subcommand};
use netkata::exit;
use netkata::unix::Name;
use std::process::ExitCode;

/// The longest line, of a client or in a hand-over, with its line end; in octets.
const LINE: usize = 256;
/// The taker's word that the connection is its own from now on.
const TAKEN: &[u8] = b"taken\n";

/// Hands open TCP connections from one process to another.
#[derive(Parser)]
#[command(after_help = "Example:\n  pass_fd take /run/harbour.sock --mode 0600\n  \
                        pass_fd give :7072 --to /run/harbour.sock\n  nc 127.0.0.1 7072")]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Takes TCP clients, asks their name, and hands them over
    Give(give::Options),
    /// Takes connections that are handed over, and talks to their clients
    Take(take::Options),
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| match args.what {
        What::Give(options) => give::serve(options),
        What::Take(options) => take::serve(options),
    })
}

/// Where a taker waits, unless it is told otherwise.
fn usual_place() -> String {
    Name::in_temp("pass_fd.sock").to_string()
}
