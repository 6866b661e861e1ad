//! A relay that shows a third party what the client says, and never waits for it.
//!
//! As `proxy`, with a mirror beside the server. Each client gets a connection to the server, and one to the mirror. What the
//! client sends goes on to the server at once; a copy goes to the mirror, in order. The traffic between client and server is
//! what it would be without a mirror: half-close and reset are carried, nothing waits, whatever the mirror does.
//!
//! Copies wait for the mirror in a queue of `--queue` octets. A piece that does not fit is left out; later ones that fit are
//! not. A mirror that cannot be reached, that breaks, or that does not take a piece within `--patience` is given up: that
//! piece and all after it are left out. What the mirror says is thrown away. When the conversation is over, the mirror gets
//! what is still in the queue, and then a FIN. After that, a line on standard output tells the octets:
//!
//! ```text
//! 127.0.0.1:40123: 1234 to the server, 567 back; 1200 mirrored, 34 left out
//! ```
//!
//! - Graded: the traffic, with every kind of mirror; what the mirror gets; the line; memory; the stop.
//! - Not graded: the log, how a stream is cut into pieces.
//! - May be hard-coded: nothing.
//!
//! ```text
//! cargo run --bin echo_server &  nc -lk 127.0.0.1 7054 &
//! cargo run -p lessons --bin tee_proxy -- 127.0.0.1:7007 --mirror 127.0.0.1:7054     # then: nc 127.0.0.1 7053
//! ```

use clap::Parser;
use crossbeam_channel::{Receiver, Sender, unbounded};
use netkata::accept::{self, Limits};
use netkata::conn::{Conn, Peer};
use netkata::context::{Context, Ready};
use netkata::deadline::DeadlineStream;
use netkata::endpoint::Endpoint;
use netkata::error::{Attempt, Result};
use netkata::relay::{self, From, Watch};
use netkata::{dial, exit, human};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// Carries connections on to a server, and shows a mirror what the clients say.
#[derive(Parser)]
#[command(allow_missing_positional = true)]
#[command(after_help = "Example:\n  tee_proxy :7053 127.0.0.1:7007 --mirror 127.0.0.1:7054 --queue 64KiB")]
struct Args {
    /// Where to listen: host:port, :port, unix:///path or just a path; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7053")]
    listen: Endpoint,
    /// The server, written likewise
    upstream: Endpoint,
    /// The mirror, written likewise
    #[arg(long)]
    mirror: Endpoint,
    /// How much may wait for the mirror, in octets for each client
    #[arg(long, default_value = "1MiB", value_parser = human::parse_size)]
    queue: usize,
    /// How long the mirror may take: to accept, and then for each piece
    #[arg(long, default_value = "5s", value_parser = human::parse_limit)]
    patience: Duration,
    /// After SIGINT or SIGTERM, let connections go on for this long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
}

/// Octets of one client's conversation.
struct Counts {
    to_server: u64,
    back: u64,
    mirrored: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(args))
}

fn serve(args: Args) -> Result<()> {
    let limits = Limits { grace: args.grace, ..Limits::default() };
    let (listen, args) = (args.listen.clone(), Arc::new(args));
    accept::run_on(&listen, &limits, move |client, peer| match connect(&args.upstream, Duration::from_secs(5)) {
        Ok(server) => report(peer, &tee(client, server, &args)),
        Err(e) => exit::log(format_args!("{peer}: {e}")),
    })
}

fn connect(to: &Endpoint, limit: Duration) -> Result<Conn> {
    dial::endpoint(&Context::new().with_timeout(limit), to)
}

fn report(peer: Peer, counts: &Counts) {
    let Counts { to_server, back, mirrored } = counts;
    let left_out = to_server.saturating_sub(*mirrored);
    let _ = exit::say(format_args!(
        "{peer}: {to_server} to the server, {back} back; {mirrored} mirrored, {left_out} left out"
    ));
}

/// The way to the mirror: copies go into a queue, whose other end a thread of its own empties.
struct Mirror {
    queue: Sender<Vec<u8>>,
    /// Octets that the queue still has room for.
    room: Arc<AtomicUsize>,
}

/// One client's conversation, from its first octet to the mirror's last.
fn tee(client: Conn, server: Conn, args: &Arc<Args>) -> Counts {
    let (queue, pieces) = unbounded();
    let room = Arc::new(AtomicUsize::new(args.queue));
    let mut mirror = Mirror { queue, room: room.clone() };
    let args = args.clone();
    let feeding = move || feed(&args, &pieces, &room);
    let _ = (client, server, feeding, &mut mirror, relay::Options::default());
    todo!(
        "step 1: start a thread for `feeding`; let the relay carry the conversation, with the mirror to watch it; then \
         end the queue, wait for the thread, and count"
    );
}

impl Watch for Mirror {
    fn wants(&self, from: From) -> bool {
        from == From::Client
    }

    /// Called by the relay before the octets go on to the server: what takes long here is felt there.
    fn data(&mut self, _: From, octets: &[u8]) {
        let _ = (octets, &self.queue, &self.room, Relaxed);
        todo!(
            "step 2: if there is room for all of these octets, take it, and put a copy of them into the queue; if not, \
             do nothing"
        );
    }
}

/// The mirror's thread: connects, sends the pieces, and says when it is done. Returns how many octets the mirror took.
fn feed(args: &Args, pieces: &Receiver<Vec<u8>>, room: &AtomicUsize) -> u64 {
    let over = Context::new();
    let Ok(mut mirror) = open(args, &over).inspect_err(|e| exit::log(e)) else { return 0 };
    let mirrored = send(pieces, room, &mut mirror, args);
    let _ = mirror.get_ref().shutdown(Shutdown::Write);
    over.cancel();
    mirrored
}

/// Sends pieces until the queue has ended or the mirror is given up. Returns how many octets were sent.
fn send(pieces: &Receiver<Vec<u8>>, room: &AtomicUsize, mirror: &mut DeadlineStream<Conn>, args: &Args) -> u64 {
    let _ = (pieces, room, mirror as &mut dyn Write, args);
    todo!(
        "step 3: write each piece, in `args.patience` at the most, count its octets and give their room back; when a \
         write fails, log it and give up"
    );
}

fn open(args: &Args, over: &Context) -> Result<DeadlineStream<Conn>> {
    let mirror = connect(&args.mirror, args.patience)?;
    let (answers, over, patience) = (mirror.try_clone().attempt("read", &args.mirror)?, over.clone(), args.patience);
    let reading = move || throw_away(&answers, &over, patience);
    thread::Builder::new().name("answers".into()).spawn(reading).attempt("read", &args.mirror)?;
    Ok(DeadlineStream::new(mirror))
}

/// A mirror may be a server that answers. If nobody read that, it would stop reading in turn. When it has been sent its last,
/// it has `patience` to close.
fn throw_away(mut answers: &Conn, over: &Context, patience: Duration) {
    let mut buffer = [0; 16 * 1024];
    while matches!(over.wait_readable(answers), Ok(Ready::Socket)) {
        if !matches!(answers.read(&mut buffer), Ok(1..)) {
            return;
        }
    }
    let last = Context::new().with_timeout(patience);
    while matches!(last.wait_readable(answers), Ok(Ready::Socket)) && matches!(answers.read(&mut buffer), Ok(1..)) {}
}
