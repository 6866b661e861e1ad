//! A store of keys and values, spoken to in frames of type, length and value.
//!
//! The client speaks first. Each request is a frame, as in `tlv_server`, with a type of its own; each is answered by one frame,
//! in order. All clients share one store.
//!
//! | request | value | answer |
//! |---|---|---|
//! | 16 Set | a String frame, the key, and then a Binary frame, the data; nothing else | 32 Done |
//! | 17 Get | the key | 33 Data, the octets; or 35 Missing |
//! | 18 Delete | the key | 32 Done; or 35 Missing |
//! | 19 List | empty | 34 Keys: a String frame for each key, in the order of their octets |
//!
//! Done and Missing are empty. A key is UTF-8 and has 1 to 255 octets; data is any octets, 65,536 at the most; the store holds
//! `--max-keys` keys at the most, and a Set of a key that is there replaces its data. Whatever is wrong with a request (an
//! unknown type, a key or data that is too long, a Set with frames that are wrong, too many or too few, a full store) is
//! answered by 47 Error, with a text. Nothing is stored then, **and the connection goes on**: the frame was whole, so the
//! server knows where the next one begins. A frame that is not whole, or claims more than 65,801 octets, is answered by 47 Error,
//! too, and then the server closes (FIN). A client may be silent for `--idle`; a frame and its answer have `--frame-time`.
//!
//! - Graded: the answers, to the octet; the limits, and that they are inclusive; requests that are wrong, and what follows
//!   them; what is shared; clients side by side.
//! - Not graded: the text of an Error (but there is one), the log.
//! - May be hard-coded: the types and the limits. They are the contract.
//!
//! ```text
//! cargo run -p lessons --bin kv_server
//! printf '\020\0\0\0\020\002\0\0\0\004Alma\001\0\0\0\00212\021\0\0\0\004Alma' | nc -N 127.0.0.1 7050 | xxd
//! ```

use clap::Parser;
use netkata::accept::{self, Limits};
use netkata::addr::Network;
use netkata::deadline::DeadlineStream;
use netkata::error::Result;
use netkata::tlv::{BINARY, Error, Frame, Header, Kind, Reader, STRING, every, write_frame};
use netkata::{exit, human};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const SET: u8 = 16;
const GET: u8 = 17;
const DELETE: u8 = 18;
const LIST: u8 = 19;
const DONE: u8 = 32;
const DATA: u8 = 33;
const KEYS: u8 = 34;
const MISSING: u8 = 35;
const ERROR: u8 = 47;

/// Octets in a key.
const LONGEST_KEY: u32 = 255;
/// Octets under a key.
const LONGEST_DATA: u32 = 65_536;

/// What stands in a Set: these two, in this order. A reader with this table holds them to their limits.
const ENTRY: &[Kind] = &[Kind { limit: LONGEST_KEY, ..STRING }, Kind { limit: LONGEST_DATA, ..BINARY }];
/// Every type is read, so that an unknown one can be answered, up to the longest Set there is.
const REQUESTS: &[Kind] = &every("request", 2 * Header::LEN as u32 + LONGEST_KEY + LONGEST_DATA);

/// How long, and how many octets, to listen to a client that the server has closed.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_OCTETS: u64 = 1 << 20;

/// Keeps values under keys.
#[derive(Parser)]
#[command(after_help = "Example:\n  kv_server :7050 --max-keys 10")]
struct Args {
    /// Where to listen: host:port, :port or [v6]:port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7050")]
    address: String,
    /// Keys that the store holds
    #[arg(long, default_value_t = 1000)]
    max_keys: usize,
    /// Close a connection on which no frame begins for this long
    #[arg(long, default_value = "5m", value_parser = human::parse_limit)]
    idle: Duration,
    /// The time for a whole frame to come, and for its answer to go
    #[arg(long, default_value = "10s", value_parser = human::parse_limit)]
    frame_time: Duration,
    /// After SIGINT or SIGTERM, let connections go on for this long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
}

/// The type of an answer and its value; or what is wrong with the request.
type Answer = std::result::Result<(u8, Vec<u8>), String>;

/// What all clients share. A `BTreeMap` is in order.
struct Store {
    entries: Mutex<BTreeMap<String, Vec<u8>>>,
    max_keys: usize,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(&args))
}

fn serve(args: &Args) -> Result<()> {
    let limits = Limits { connections: 256, grace: args.grace };
    let (idle, frame_time) = (args.idle, args.frame_time);
    let store = Arc::new(Store { entries: Mutex::default(), max_keys: args.max_keys });
    accept::run(Network::Tcp, &args.address, &limits, move |stream, peer| {
        let stream = DeadlineStream::new(stream);
        let mut back = BufWriter::new(stream.clone());
        if let Err(e) = converse(&stream, &mut back, &store, idle, frame_time) {
            exit::log(format_args!("{peer}: {e}"));
            stream.set_timeout(frame_time);
            let _ = send(&mut back, ERROR, e.to_string().as_bytes());
        }
        farewell(stream);
    })
}

/// Request after request, to the end of the stream or the first frame that is not whole.
fn converse(
    stream: &DeadlineStream<TcpStream>,
    back: &mut impl Write,
    store: &Store,
    idle: Duration,
    frame_time: Duration,
) -> std::result::Result<(), Error> {
    let mut frames = Reader::new(BufReader::new(stream.clone()), REQUESTS);
    loop {
        stream.set_timeout(idle);
        if frames.get_mut().fill_buf().is_err() {
            // Silent for too long, or gone: there is nobody to tell.
            return Ok(());
        }
        stream.set_timeout(frame_time);
        let Some(request) = frames.read_frame()? else { return Ok(()) };
        let (code, value) = store.answer(&request).unwrap_or_else(|why| (ERROR, why.into_bytes()));
        stream.set_timeout(frame_time);
        if send(back, code, &value).is_err() {
            // The client is gone, or does not read.
            return Ok(());
        }
    }
}

impl Store {
    /// Does what is asked.
    fn answer(&self, request: &Frame) -> Answer {
        let _ = (request, [SET, GET, DELETE, LIST], [Self::set, Self::get, Self::delete, Self::list]);
        todo!(
            "step 1: tell the four requests apart by `request.kind.code`, and let `set`, `get`, `delete` and `list` \
             answer them; a type that is none of the four is an Err that names it"
        );
    }

    /// A key, once it was looked at.
    fn key(octets: &[u8]) -> std::result::Result<&str, String> {
        let _ = (octets, LONGEST_KEY);
        todo!("step 2: a key is UTF-8, and has 1 to 255 octets; what has not is an Err");
    }

    /// `value` is the key. This one is given.
    fn delete(&self, value: &[u8]) -> Answer {
        let code = if self.entries().remove(Self::key(value)?).is_some() { DONE } else { MISSING };
        Ok((code, Vec::new()))
    }

    /// `value` is the key.
    fn get(&self, value: &[u8]) -> Answer {
        let _ = (value, DATA, MISSING);
        todo!("step 3: answer DATA with what is stored under the key, or MISSING");
    }

    /// The octets of the key and the data of a Set.
    fn entry(value: &[u8]) -> std::result::Result<(Vec<u8>, Vec<u8>), String> {
        let _ = (value, ENTRY);
        todo!(
            "step 4: `value` is a stream, too: read a String and a Binary from it, by a Reader with the table ENTRY, \
             and see that nothing is left"
        );
    }

    /// `value` is two frames.
    fn set(&self, value: &[u8]) -> Answer {
        let (name, data) = Self::entry(value)?;
        let name = Self::key(&name)?;
        let mut entries = self.entries();
        let _ = (name, data, &mut entries, self.max_keys, DONE);
        todo!(
            "step 5: store the data under its key, if that is there already or there is room for one more, and answer \
             DONE"
        );
    }

    /// `value` is empty, or the request is wrong.
    fn list(&self, value: &[u8]) -> Answer {
        let _ = (value, KEYS);
        todo!("step 6: answer KEYS with a String frame for each key, as `write_frame` makes them");
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Header and value leave together, and at once: the client may wait for this answer before it asks again.
fn send(back: &mut impl Write, code: u8, value: &[u8]) -> std::result::Result<(), Error> {
    write_frame(back, Kind { code, name: "answer", limit: u32::MAX }, value)?;
    back.flush().map_err(|source| Error::Io { offset: 0, source })
}

/// To close a socket that holds unread octets is a reset, which can destroy the answer: first a FIN, then a last look.
fn farewell(stream: DeadlineStream<TcpStream>) {
    if stream.get_ref().shutdown(Shutdown::Write).is_ok() {
        stream.set_timeout(LINGER);
        let _ = io::copy(&mut stream.take(LINGER_OCTETS), &mut io::sink());
    }
}
