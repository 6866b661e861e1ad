//! Lets members of some groups in, on a Unix socket: the kernel says who they are.
//!
//! The server speaks first. Who connects is judged by the credentials that the process had at connect(2), against the groups
//! named on the command line. Whoever is in one of them gets `Welcome`, a line feed, and may stay for as long as it likes: what it
//! sends is read and thrown away, 1 MiB at the most, and when it closes its direction, the server closes too. Everybody else gets
//! `Access denied`, a line feed, and the end. Nothing depends on what a client says. There is no group that counts without
//! being named, not even the server's own, and root is nobody special.
//!
//! `--policy` says which groups a client is in. `process-groups`: those of its process, effective and supplementary, which the
//! kernel itself would ask when the process opens a file. `gid`: the effective one alone, so that `sudo -g` is a key. `db-groups`:
//! those of its user by passwd(5) and group(5), whatever the process has; one that was given a group, or gave one up, is
//! misjudged.
//!
//! The socket file is open to all users (mode 0666), for who may not connect cannot be told why. `--mode` and `--group` make it a
//! second guard, in front of this one.
//!
//! ```text
//! cargo run --bin creds_server -- users --socket harbour.sock
//! nc -U harbour.sock
//! ```

mod conversation;
mod door;
mod names;
mod policy;

use clap::Parser;
use door::Door;
use netkata::accept::{self, Limits};
use netkata::error::{Attempt, Result};
use netkata::unix::options::AccessOptions;
use netkata::unix::{Kind, Name, stream};
use netkata::{exit, listen, stop, sys};
use policy::Policy;
use std::process::ExitCode;
use std::sync::Arc;

const MODE_HELP: &str =
    "Permissions of the socket file, octal; who may write to it may connect [default: 0660 with --group, else 0666]";

/// Lets members of some groups in, on a Unix socket.
#[derive(Parser)]
#[command(mut_arg("mode", |a| a.help(MODE_HELP)))]
#[command(after_help = "Example:\n  creds_server users staff --socket /run/harbour.sock\n  nc -U /run/harbour.sock")]
struct Args {
    /// Groups whose members may stay, by name or number; one that this machine does not have is skipped
    #[arg(value_name = "GROUP", required = true)]
    groups: Vec<String>,
    /// Which groups a client is in
    #[arg(long, value_enum, default_value_t = Policy::ProcessGroups)]
    policy: Policy,
    /// Where to listen: a path, or @name for an abstract one [default: creds.sock in the folder for temporary files]
    #[arg(long, value_name = "NAME")]
    socket: Option<Name>,
    #[command(flatten)]
    access: AccessOptions,
    /// Log users and groups by number: no names are looked up
    #[arg(short, long)]
    numeric: bool,
    /// Clients at once; more are closed at once
    #[arg(long, default_value_t = 1024)]
    max_connections: usize,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(&args))
}

fn serve(args: &Args) -> Result<()> {
    sys::limits::raise_descriptors().attempt("raise", "the limit on open descriptors")?;
    let stop = stop::on_signals()?;
    let name = args.socket.clone().unwrap_or_else(|| Name::in_temp("creds.sock"));
    let url = name.url(Kind::Stream);
    let access = args.access.access_or(&name, 0o666);
    let listener = stream::listen(&name, &access).attempt("listen", &url)?;
    // Whoever connects already waits in the queue.
    let door = Arc::new(Door::for_groups(&args.groups, args.policy, args.numeric));
    listen::say_where(&url)?;
    let limits = Limits { connections: args.max_connections, grace: conversation::LINGER * 2 };
    let ctx = stop.clone();
    let handle = move |stream, client| conversation::hold(&ctx, &door, stream, client);
    // Each client leaves by itself, or is sent away at the stop: there is nobody to cut off.
    accept::serve(&stop, listener, &limits, handle).attempt("accept", &url).map(drop)
}
