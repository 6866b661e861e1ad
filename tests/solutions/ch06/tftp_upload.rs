//! A TFTP server that takes files: the other half of `tftp_server` (RFC 1350).
//!
//! The client speaks first: a WRQ in mode octet, to the known port. The server answers from a port of its own, with ACK 0. The
//! client sends the file in blocks of 512 octets, from number 1 on, and sends each one when the one before is acknowledged. A
//! block of fewer octets, or of none, is the last. An ACK that nothing follows is sent again after `--timeout`, `--retries`
//! times in all. A block that comes twice is acknowledged twice and written once.
//!
//! Nobody ever finds half a file: until it is whole, an upload is called `.CLIENT.part`, and that goes away with it. The name
//! is there before the ACK of the last block is.
//!
//! What is refused gets an ERROR, and leaves nothing behind:
//!
//! - 2: a name that is not one of a file in the folder itself: with `/` or `\` in it, with a dot in front, or not UTF-8.
//! - 3: more than `--limit` octets.
//! - 4: an RRQ, another mode than octet, what is no TFTP packet, a block of more than 512 octets.
//! - 5: packets from a port that has no part in the transfer; it goes on. `Peer` does this.
//! - 6: a name that there is already, or that another upload took in the meantime.
//!
//! - Graded: all of that, to the octet; uploads side by side; the stop. Not graded: the words of an ERROR, the log.
//! - May be hard-coded: how many uploads there are at once. Options (RFC 2347) are ignored, as a server may.
//!
//! ```text
//! mkdir -p /tmp/inbox && cargo run -p lessons --bin tftp_upload -- --root /tmp/inbox
//! curl -T tides.txt tftp://127.0.0.1:7070/tides.txt
//! ```

use clap::Parser;
use netkata::addr::Network;
use netkata::crew::Crew;
use netkata::datagram::{self, Received, canonical};
use netkata::error::{Attempt, Result, cause_text};
use netkata::exit::{self, log};
use netkata::slots::{Slot, Slots};
use netkata::tftp::{BLOCK_SIZE, Block, End, ErrorCode, Mode, Opcode, Packet, Patience, Peer, Refusal};
use netkata::{hexdump, human, stop};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Uploads at once; more are refused.
const UPLOADS: usize = 64;

/// Takes files over TFTP.
#[derive(Clone, Parser)]
#[command(after_help = "Example:\n  tftp_upload :7070 --root /srv/inbox\n  curl -T tides.txt tftp://127.0.0.1:7070/")]
struct Args {
    /// Where to wait for requests: host:port, :port or [v6]:port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7070")]
    address: String,
    /// Where the files go
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// Octets in a file, at the most
    #[arg(long, default_value = "16MiB", value_parser = human::parse_size)]
    limit: usize,
    /// Wait so long for a block, then send the ACK again
    #[arg(long, default_value = "6s", value_parser = human::parse_limit)]
    timeout: Duration,
    /// Send each ACK so many times at most
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=255))]
    retries: u32,
    /// After SIGINT or SIGTERM, let uploads go on for so long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
}

/// The parts of the uploads that run, by client: its address and port are one half of a transfer's name.
type Parts = Arc<Mutex<HashMap<SocketAddr, PathBuf>>>;

/// Why an upload fails.
enum Stop {
    /// By us: the client is told.
    Refused(Refusal),
    /// By the client, or by nobody's answer: there is nothing to tell.
    Ended(End),
}

type Granted<T> = std::result::Result<T, Refusal>;
type Step<T> = std::result::Result<T, Stop>;

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(&args))
}

fn serve(args: &Args) -> Result<()> {
    let stop = stop::on_signals()?;
    fs::read_dir(&args.root).attempt("open", args.root.display())?;
    let socket = datagram::announced(Network::Udp, &args.address)?;
    let address = socket.local_addr().attempt("listen", &args.address)?;
    let patience = Patience { timeout: args.timeout, sends: args.retries };
    let (root, limit) = (args.root.clone(), args.limit as u64);
    let desk = Desk { root, limit, parts: Parts::default(), slots: Slots::new(UPLOADS), crew: Crew::new("upload") };
    let mut buffer = vec![0; datagram::LONGEST];
    datagram::serve(&stop, &socket, &mut buffer, |octets, came: Received| {
        let (local, client) = (came.to.unwrap_or(address.ip()).to_canonical(), canonical(came.from));
        // Even an ERROR comes from a port of its own. Without one there is none: the client will ask again.
        let Ok(peer) = Peer::open(local, client, patience) else { return };
        let ender = peer.ender();
        if let Err(refusal) = desk.take(octets, peer) {
            log(format_args!("{client}: refused: {}", refusal.why));
            ender.tell(refusal.code, &refusal.why);
        }
    })
    .attempt("receive", format_args!("udp://{address}"))?;
    drop(socket);
    desk.slots.wait_empty(args.grace);
    // What is still under way stays half a file.
    lock(&desk.parts).drain().for_each(|(_, part)| drop(fs::remove_file(part)));
    Ok(())
}

/// The known port.
struct Desk {
    root: PathBuf,
    limit: u64,
    parts: Parts,
    slots: Slots,
    crew: Crew,
}

impl Desk {
    /// A datagram came, from this peer.
    fn take(&self, octets: &[u8], peer: Peer) -> Granted<()> {
        let client = peer.address();
        // An ERROR for an ERROR would go on for ever. And a request that comes twice is about one upload.
        if Opcode::Error.leads(octets) || lock(&self.parts).contains_key(&client) {
            return Ok(());
        }
        let name = requested(octets)?;
        let (target, limit) = (vacant(&self.root, &name)?, self.limit);
        let busy = || Refusal::new(ErrorCode::NOT_DEFINED, format!("busy with {}", human::count(UPLOADS, "upload")));
        let slot = self.slots.take().ok_or_else(busy)?;
        let part = Part::create(&self.root, client, &self.parts, slot).map_err(refused)?;
        log(format_args!("{client}: sends {}", hexdump::text(name.as_bytes(), 100)));
        self.crew.run(move || upload(peer, part, &target, limit)).map_err(refused)
    }
}

/// The whole of it, in a thread of its own.
fn upload(mut peer: Peer, part: Part, target: &Path, limit: u64) {
    let client = peer.address();
    let received = receive(&mut peer, &part.file, limit).and_then(|(last, octets)| {
        keep(&part.path, target)?;
        // Before the slot is given back: when the server stops, this must still go out.
        peer.send(&Packet::ack(last), 0)?;
        Ok((last, octets))
    });
    drop(part);
    match received {
        Ok((last, octets)) => {
            let octets = human::count(usize::try_from(octets).unwrap_or(usize::MAX), "octet");
            log(format_args!("{client}: received {octets}"));
            farewell(&mut peer, last);
        }
        Err(Stop::Refused(refusal)) => {
            log(format_args!("{client}: refused: {}", refusal.why));
            peer.tell(refusal.code, &refusal.why);
        }
        Err(Stop::Ended(end)) => log(format_args!("{client}: {end}")),
    }
}

/// What a request asks for, if it is one to write a file, octet by octet.
fn requested(octets: &[u8]) -> Granted<String> {
    // step 1: give the name that a WRQ in mode octet has; refuse everything else by ERROR 4, and by ERROR 2 a name that is no
    // UTF-8
    // stub: let _ = (octets, Packet::parse, Mode::of);
    let illegal = |why: &str| Err(Refusal::new(ErrorCode::ILLEGAL_OPERATION, why));
    match Packet::parse(octets) {
        Ok(Packet::Wrq(request)) if Mode::of(request.mode) == Some(Mode::Octet) => {
            let name = str::from_utf8(request.filename).map(str::to_string);
            name.map_err(|_| Refusal::new(ErrorCode::ACCESS_VIOLATION, "a name that is not UTF-8"))
        }
        Ok(Packet::Wrq(_)) => illegal("only mode octet is served"),
        Ok(Packet::Rrq(_)) => illegal("files are written here, not read"),
        Ok(packet) => illegal(&format!("{} without a transfer", packet.opcode())),
        Err(fault) => illegal(&fault.to_string()),
    }
    // end of step 1
}

/// Where the file will be, if nothing is there.
fn vacant(root: &Path, name: &str) -> Granted<PathBuf> {
    // step 2: refuse a name that leads out of the folder, or into another (ERROR 2), and one that is taken (ERROR 6)
    // stub: let _ = (root, name);
    if name.starts_with('.') || name.contains(['/', '\\']) {
        return Err(Refusal::new(ErrorCode::ACCESS_VIOLATION, "not the name of a file in the folder"));
    }
    let path = root.join(name);
    match path.symlink_metadata() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(path),
        Err(e) => Err(refused(e)),
        Ok(_) => Err(Refusal::new(ErrorCode::FILE_EXISTS, "there is such a file")),
    }
    // end of step 2
}

/// Writes block after block to the part. Gives the number of the last, which is not acknowledged yet, and how many octets
/// there were.
fn receive(peer: &mut Peer, mut part: &File, limit: u64) -> Step<(Block, u64)> {
    // step 3: acknowledge block 0, write block 1, and so on up to one that is not full; more than `limit` octets are ERROR 3
    // stub: let _ = (peer, &mut part, limit, next, refused, File::write_all);
    let (mut block, mut total) = (Block(0), 0);
    loop {
        let payload = next(peer, block)?;
        total += payload.len() as u64;
        if total > limit {
            return Err(Refusal::new(ErrorCode::DISK_FULL, format!("more than {limit} octets")).into());
        }
        part.write_all(&payload).map_err(refused)?;
        block = block.next();
        if payload.len() < BLOCK_SIZE {
            return Ok((block, total));
        }
    }
    // end of step 3
}

/// Acknowledges `block` until the one after it comes: `patience.sends` times, each for `patience.timeout`.
fn next(peer: &mut Peer, block: Block) -> Step<Vec<u8>> {
    // step 4: send the ACK, and wait for the next block until the timeout; answer the same block by the same ACK, end at an
    // ERROR, refuse a block of more than 512 octets by ERROR 4, and let everything else pass
    // stub: let _ = (peer, block, BLOCK_SIZE, End::told, Instant::now);
    for attempt in 0..peer.patience.sends {
        peer.send(&Packet::ack(block), attempt)?;
        let deadline = Instant::now() + peer.patience.timeout;
        while let Some(datagram) = peer.receive(deadline)? {
            match Packet::parse(datagram) {
                Ok(Packet::Data { block: came, payload }) if came == block.next() => {
                    if payload.len() > BLOCK_SIZE {
                        return Err(Refusal::new(ErrorCode::ILLEGAL_OPERATION, "too long a block").into());
                    }
                    return Ok(payload.to_vec());
                }
                Ok(Packet::Data { block: came, .. }) if came == block => peer.send(&Packet::ack(block), attempt)?,
                Ok(Packet::Error { code, message }) => return Err(End::told(code, message).into()),
                _ => {}
            }
        }
    }
    Err(End::Silent(peer.patience.sends).into())
    // end of step 4
}

/// Gives the part its name, unless that is taken by now.
fn keep(part: &Path, target: &Path) -> Granted<()> {
    // step 5: make the whole file appear under its name in one moment, without replacing another that came first (ERROR 6)
    // stub: let _ = (part, target);
    fs::hard_link(part, target).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => Refusal::new(ErrorCode::FILE_EXISTS, "another upload was faster"),
        _ => refused(e),
    })
    // end of step 5
}

/// The last ACK is on its way. It may be lost like any other, and then the last block comes again (RFC 1350, section 6).
fn farewell(peer: &mut Peer, last: Block) {
    // step 6: acknowledge the last block again when it comes again, until it did not for a timeout; `patience.sends` ACKs in all
    // stub: let _ = (peer, last);
    for attempt in 1..peer.patience.sends {
        let deadline = Instant::now() + peer.patience.timeout;
        loop {
            match peer.receive(deadline).map(|datagram| datagram.map(Packet::parse)) {
                Ok(Some(Ok(Packet::Data { block, .. }))) if block == last => break,
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return,
            }
        }
        if peer.send(&Packet::ack(last), attempt).is_err() {
            return;
        }
    }
    // end of step 6
}

/// A file that is not whole yet. It goes when this is dropped, however the thread ends.
struct Part {
    file: File,
    path: PathBuf,
    client: SocketAddr,
    parts: Parts,
    _slot: Slot,
}

impl Part {
    fn create(root: &Path, client: SocketAddr, parts: &Parts, slot: Slot) -> io::Result<Self> {
        let path = root.join(format!(".{client}.part"));
        let file = File::create(&path)?;
        lock(parts).insert(client, path.clone());
        Ok(Self { file, path, client, parts: parts.clone(), _slot: slot })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        lock(&self.parts).remove(&self.client);
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<End> for Stop {
    fn from(end: End) -> Self {
        Self::Ended(end)
    }
}

/// What a failing file system is to the client.
fn refused(e: io::Error) -> Refusal {
    let full = matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    Refusal::new(if full { ErrorCode::DISK_FULL } else { ErrorCode::NOT_DEFINED }, cause_text(&e))
}

fn lock(parts: &Parts) -> MutexGuard<'_, HashMap<SocketAddr, PathBuf>> {
    parts.lock().unwrap_or_else(PoisonError::into_inner)
}
