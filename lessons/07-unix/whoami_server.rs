//! Tells its callers who they are, by the kernel's word and not by theirs.
//!
//! A Unix stream. The client speaks first: a line that ends with LF, or with the stream. The server answers with one line, and
//! closes.
//!
//! | the client's line | the answer |
//! |---|---|
//! | empty, or none at all | `pid 4711, user anna, groups harbour staff` |
//! | `pid 4711`, `user anna` or `group staff`, and it is so | the same |
//! | one of these, and it is not so | `refused: you are pid 4711, user anna, groups harbour staff` |
//! | anything else | `refused: `, and a reason |
//!
//! What is so is what the kernel noted when the client connected: its process, its effective user, and all the groups that this
//! process was in, the effective group first, then the others in the kernel's order, each of them once. A user or a group is
//! called by its name, or by its number where it has none. In a claim, a number will do in any case: `user 1000`. The two words
//! stand apart by spaces.
//!
//! A line has 256 octets at the most, without the LF, and `--time` to come; what is longer is refused at once. What follows the
//! line is not read. A claim is octets from a stranger: none of them is answered or logged as it came, but escaped.
//!
//! - Graded: all of that, to the octet; callers of other users and groups, where the grader is root; callers side by side; the
//!   stop.
//! - Not graded: the reasons, the log, but that nothing raw is in it. May be hard-coded: the limit.
//!
//! ```text
//! cargo run -p lessons --bin whoami_server -- whoami.sock
//! for claim in '' "user $USER" 'user neptune'; do echo "$claim" | nc -N -U whoami.sock; done
//! ```

use clap::Parser;
use netkata::accept::{self, Limits};
use netkata::conn::{Conn, Peer};
use netkata::deadline::DeadlineStream;
use netkata::endpoint::Endpoint;
use netkata::error::{Result, cause_text};
use netkata::exit::log;
use netkata::unix::accounts::{group_name, user_name};
use netkata::unix::options::AccessOptions;
use netkata::unix::{Name, credentials};
use netkata::{exit, human, listen};
use std::fmt;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::process::ExitCode;
use std::time::Duration;

/// Octets in a line, without its LF.
const LONGEST: usize = 256;
/// How long, and how many octets, to listen to a client that was answered before it had said all.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_OCTETS: u64 = 1 << 20;

/// Tells its callers who they are.
#[derive(Parser)]
#[command(after_help = "Example:\n  whoami_server /run/whoami.sock --mode 666")]
struct Args {
    /// Where to listen: a path, or @name (Linux only) [default: whoami.sock in the temporary folder]
    name: Option<Name>,
    /// The time for a line to come, and for the answer to go
    #[arg(long, default_value = "5s", value_parser = human::parse_limit)]
    time: Duration,
    #[command(flatten)]
    access: AccessOptions,
}

/// Who is at the other end, as the kernel knows it.
struct Caller {
    /// Not known where the process cannot be seen from here.
    pid: Option<i32>,
    uid: u32,
    /// The effective group first.
    groups: Vec<u32>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| run(args))
}

fn run(args: Args) -> Result<()> {
    let endpoint = Endpoint::Unix(args.name.unwrap_or_else(|| Name::in_temp("whoami.sock")));
    let limits = Limits { connections: 256, ..Limits::default() };
    let listen = || listen::announced_for(&endpoint, &args.access.access());
    accept::run_with(listen, &endpoint, &limits, move |stream, peer| {
        let mut stream = DeadlineStream::new(stream);
        if let Err(e) = serve(&mut stream, peer, args.time) {
            log(format_args!("{peer}: {}", cause_text(&e)));
        }
        farewell(stream);
    })
}

impl Caller {
    /// Asks the kernel.
    fn of(socket: &Conn) -> io::Result<Self> {
        let _ = (credentials::of(socket), credentials::groups_of(socket));
        todo!("step 1: ask for the peer's process, its user and its groups, and keep each group once");
    }
}

/// One line, one answer.
fn serve(stream: &mut DeadlineStream<Conn>, peer: Peer, time: Duration) -> io::Result<()> {
    stream.set_timeout(time);
    let caller = Caller::of(stream.get_ref())?;
    let _ = (caller, peer, read_line, Caller::judge, <[u8]>::escape_ascii, <DeadlineStream<Conn> as Write>::write_all);
    todo!(
        "step 2: read the line and judge it; log who said what, escaped; answer with the caller, or with `refused: …`, \
         also when no line came in time; the answer has `time`, too"
    );
}

/// Reads a line, without its LF.
fn read_line(stream: &mut DeadlineStream<Conn>) -> io::Result<Vec<u8>> {
    let _ = (stream.take(0), LONGEST, ErrorKind::InvalidData, BufReader::<io::Empty>::read_until);
    todo!(
        "step 3: read up to LF or the end of the stream, and never more than LONGEST octets and the LF; a longer line \
         is an Err"
    );
}

impl Caller {
    /// Whether what a line claims is so. An empty one claims nothing.
    fn judge(&self, line: &[u8]) -> std::result::Result<bool, String> {
        let _ = (self.pid, self.uid, &self.groups, line, user_name, group_name);
        todo!(
            "step 4: take the words of the line apart; compare `pid`, `user` and `group` with what is so, by number \
             and by name; what is no such claim is an Err with a reason"
        );
    }
}

/// As in the answer: `pid 4711, user anna, groups harbour staff`.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = (f, user_name, group_name);
        todo!("step 5: write the pid (or `unknown`), the user's name, and the names of the groups");
    }
}

/// To close a socket that holds unread octets is a reset, here as in TCP: first the end of our direction, then a last look.
fn farewell(stream: DeadlineStream<Conn>) {
    if stream.get_ref().shutdown(Shutdown::Write).is_ok() {
        stream.set_timeout(LINGER);
        let _ = io::copy(&mut stream.take(LINGER_OCTETS), &mut io::sink());
    }
}
