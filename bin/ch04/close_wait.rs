//! An echo server with a mistake: whom a client has left, it does not leave, and the sockets pile up in CLOSE_WAIT.
//!
//! The client speaks first; octets go back as they come. When the client closes its direction, or fails, the handler is
//! done, and should close. What it does instead is `--mistake`: it moves the stream to a table that nobody clears, or keeps
//! a clone of it there, or forgets it. With `--fixed` it closes all the same. After each client, a line says how many
//! sockets are in CLOSE_WAIT, by sock_diag(7) (Linux), and how many the process holds. At Enter the server writes `are
//! you there` to each stream in the table, and lets go of those that fail.
//!
//! ```text
//! cargo run --bin close_wait
//! nc -z 127.0.0.1 7047; nc -z 127.0.0.1 7047; ss -tn state close-wait
//! ```

use clap::{Parser, ValueEnum};
use netkata::accept::{self, Limits};
use netkata::addr::Network;
use netkata::error::{Attempt, Result, cause_text};
use netkata::proc_net::State;
use netkata::sock_diag;
use netkata::{exit, human};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// A connection on which nothing moves for this long has failed.
const IDLE: Duration = Duration::from_secs(300);
/// Octets read at once.
const BUFFER: usize = 4096;
const QUESTION: &[u8] = b"are you there\n";

/// Leaves its sockets in CLOSE_WAIT, for you to see.
#[derive(Clone, Parser)]
#[command(after_help = "Examples:\n  close_wait\n  close_wait --mistake clone\n  close_wait --mistake clone --fixed")]
struct Args {
    /// Where to listen: host:port, :port or [v6]:port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7047")]
    address: String,
    /// How not to close
    #[arg(long, value_enum, default_value_t = Mistake::Table)]
    mistake: Mistake,
    /// Close all the same
    #[arg(long)]
    fixed: bool,
    /// After SIGINT or SIGTERM, let connections go on for this long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mistake {
    /// The stream moves to a table that nobody clears
    Table,
    /// A clone of the stream stays in a table
    Clone,
    /// The stream is never dropped, as in a cycle of `Rc`
    Forget,
}

/// Streams that nobody looks at any more.
type Table = Arc<Mutex<Vec<TcpStream>>>;

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(&args))
}

fn serve(args: &Args) -> Result<()> {
    let table = Table::default();
    ask_at_enter(table.clone()).attempt("wait for", "Enter")?;
    let limits = Limits { grace: args.grace, ..Limits::default() };
    let (mistake, fixed) = (args.mistake, args.fixed);
    accept::run(Network::Tcp, &args.address, &limits, move |stream, peer| {
        let port = stream.local_addr().map_or(0, |ours| ours.port());
        if let Err(e) = handle(stream, mistake, fixed, &table) {
            exit::log(format_args!("{peer}: {}", cause_text(&e)));
        }
        tell(port);
    })
}

// [handle]
fn handle(stream: TcpStream, mistake: Mistake, fixed: bool, table: &Table) -> io::Result<()> {
    if matches!(mistake, Mistake::Clone) {
        // For a second thread, or to be able to cancel: there are good reasons to have a clone.
        lock(table).push(stream.try_clone()?);
    }
    let ended = echo(&stream);
    if fixed {
        // A drop would not do where a clone lives: the socket is closed with its last handle. This ends the connection,
        // for all of them. It fails when the client's reset was faster, and that is an end as well.
        let _ = stream.shutdown(Shutdown::Both);
        return ended;
    }
    match mistake {
        Mistake::Table => lock(table).push(stream),
        Mistake::Clone => drop(stream),
        Mistake::Forget => std::mem::forget(stream),
    }
    ended
}
// [/handle]

fn echo(mut stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_write_timeout(Some(IDLE))?;
    let mut buffer = [0; BUFFER];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n])?,
        }
    }
}

/// What the kernel has of this server's sockets, and what this process has. One handler at a time: what asks the kernel is
/// a socket, too.
fn tell(port: u16) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let held = sockets_held();
    // The listener is not counted.
    let count = human::count(held.len().saturating_sub(1), "socket");
    match left_behind(port, &held).and_then(|n| exit::say(format_args!("{n} in CLOSE_WAIT, {count} held"))) {
        Ok(()) => {}
        Err(e) => exit::log(e),
    }
}

/// How many of these sockets are in CLOSE_WAIT: by inode, since another program's client may have been given the same port
/// for its own end.
fn left_behind(port: u16, held: &[u64]) -> Result<usize> {
    let left = sock_diag::with_local_port(port, &[State::CloseWait])?;
    Ok(left.iter().filter(|s| held.contains(&s.inode)).count())
}

/// The descriptors of this process that are sockets: `socket:[INODE]` (proc(5), /proc/PID/fd).
fn sockets_held() -> Vec<u64> {
    let descriptors = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let targets = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.filter_map(|t| t.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()).collect()
}

/// In CLOSE_WAIT we may still write. A client that has closed altogether answers with a reset, and the write after that
/// one fails.
fn ask_at_enter(table: Table) -> io::Result<()> {
    let ask = move || {
        for _ in io::stdin().lines().map_while(io::Result::ok) {
            let mut streams = lock(&table);
            let Some(Ok(ours)) = streams.first().map(TcpStream::local_addr) else { continue };
            streams.retain_mut(|stream| stream.write_all(QUESTION).is_ok());
            drop(streams);
            tell(ours.port());
        }
    };
    thread::Builder::new().name("enter".into()).spawn(ask).map(drop)
}

/// A panic elsewhere leaves the table whole: each change is one call.
fn lock(table: &Table) -> MutexGuard<'_, Vec<TcpStream>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}
