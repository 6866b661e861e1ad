//! Reads a stream through a fixed buffer to its end, and shows what each read brought.
//!
//! The server (`--serve`) speaks first: it writes `--octets` octets in one call, the same to every client, and closes. There
//! is no framing: only the end of the stream says that it was all. The client prints the size of each read, and at the end
//! how many there were, the smallest and the largest, and a CRC-32, so that both ends can be compared. Nothing to read, or
//! nobody who reads, for `--timeout` is an error, and so are more than `--limit` octets.
//!
//! ```text
//! cargo run --bin read_chunks -- --serve &  cargo run --bin read_chunks
//! nc -d 127.0.0.1 7041 | gzip -c | tail -c8 | od -An -tx4    # the CRC-32 by another program, then the size
//! ```

use clap::Parser;
use netkata::accept::{self, Limits};
use netkata::addr::Network;
use netkata::deadline::DeadlineStream;
use netkata::error::{NetError, Result, cause_text, is_timeout};
use netkata::{dial, exit, human};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// The largest buffer, and the most that `--serve` holds in memory for its clients.
const MOST: usize = 1 << 30;
/// How long the server listens to a client that it has sent everything. To close with octets unread would be a reset, which
/// can destroy the last of what was sent (RFC 9293 section 3.6.1).
const FAREWELL: Duration = Duration::from_secs(1);

/// Reads a stream through a fixed buffer, or serves one.
#[derive(Parser)]
#[command(after_help = "Examples:\n  read_chunks --serve --octets 1MiB\n  read_chunks 127.0.0.1:7041 --buffer 4KiB")]
struct Args {
    /// The server, or with --serve where to listen: host:port, :port or [v6]:port
    #[arg(default_value = "127.0.0.1:7041")]
    address: String,
    /// What one read may bring at most
    #[arg(long, default_value = "512KiB", value_parser = size_in_memory)]
    buffer: usize,
    /// More octets than this are an error
    #[arg(long, default_value = "1GiB", value_parser = human::parse_size)]
    limit: usize,
    /// Print the totals only
    #[arg(short, long)]
    quiet: bool,
    /// Be the other side: send octets to whoever connects
    #[arg(long)]
    serve: bool,
    /// With --serve: how many octets to send
    #[arg(long, default_value = "16MiB", value_parser = size_in_memory)]
    octets: usize,
    /// With --serve: other octets for another number
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Give up when nothing moves for this long
    #[arg(long, default_value = "10s", value_parser = human::parse_limit)]
    timeout: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| if args.serve { serve(&args) } else { read(&args) })
}

fn size_in_memory(text: &str) -> std::result::Result<usize, String> {
    human::parse_size(text).and_then(|n| (1..=MOST).contains(&n).then_some(n).ok_or("not 1 octet to 1GiB".into()))
}

fn read(args: &Args) -> Result<()> {
    let stream = dial::dial_timeout(&args.address, args.timeout)?;
    let mut tally = Tally::default();
    let ended = read_to_end(args, &mut DeadlineStream::new(stream), &mut tally);
    // What came before a failure is worth seeing, too.
    tally.print(args.buffer)?;
    ended
}

fn read_to_end(args: &Args, stream: &mut DeadlineStream<TcpStream>, tally: &mut Tally) -> Result<()> {
    let failed = |why: String| Err(NetError::invalid("read", format!("tcp://{}", args.address), why));
    let mut buffer = vec![0; args.buffer];
    loop {
        stream.set_timeout(args.timeout);
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => {
                tally.add(&buffer[..n], n == buffer.len());
                if !args.quiet {
                    exit::say(format_args!("read {}", human::count(n, "octet")))?;
                }
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if is_timeout(&e) => return failed(format!("nothing came for {}", human::duration(args.timeout))),
            Err(e) => return failed(cause_text(&e)),
        }
        if tally.octets > args.limit {
            return failed(format!("more than {}", human::count(args.limit, "octet")));
        }
    }
}

#[derive(Default)]
struct Tally {
    octets: usize,
    reads: usize,
    full: usize,
    smallest: usize,
    largest: usize,
    crc: u32,
}

impl Tally {
    fn add(&mut self, octets: &[u8], full: bool) {
        let n = octets.len();
        self.octets += n;
        self.reads += 1;
        self.full += usize::from(full);
        self.smallest = if self.reads == 1 { n } else { self.smallest.min(n) };
        self.largest = self.largest.max(n);
        self.crc = crc32(self.crc, octets);
    }

    fn print(&self, buffer: usize) -> Result<()> {
        let (octets, reads) = (human::count(self.octets, "octet"), human::count(self.reads, "read"));
        let [smallest, largest, buffer] = [self.smallest, self.largest, buffer].map(human::thousands);
        exit::say(format_args!("{octets} in {reads}, crc-32 {:08x}", self.crc))?;
        exit::say(format_args!("smallest {smallest}, largest {largest}; {} filled the buffer of {buffer}", self.full))
    }
}

/// CRC-32 as gzip has it (RFC 1952 section 8), of what `crc` is the sum of and these octets after it.
fn crc32(crc: u32, octets: &[u8]) -> u32 {
    !octets.iter().fold(!crc, |crc, &octet| TABLE[usize::from(crc as u8 ^ octet)] ^ crc >> 8)
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut bit = 0;
    while bit < 8 * table.len() {
        let crc = if bit % 8 == 0 { bit as u32 / 8 } else { table[bit / 8] };
        table[bit / 8] = if crc & 1 == 1 { 0xedb8_8320 ^ crc >> 1 } else { crc >> 1 };
        bit += 1;
    }
    table
};

fn serve(args: &Args) -> Result<()> {
    // One copy for all clients: what a client costs does not depend on how much it gets.
    let mut octets = vec![0; args.octets];
    fastrand::Rng::with_seed(args.seed).fill(&mut octets);
    let (octets, timeout) = (Arc::new(octets), args.timeout);
    let (size, crc) = (human::count(octets.len(), "octet"), crc32(0, &octets));
    exit::log(format_args!("{size} for each client, crc-32 {crc:08x}"));
    accept::run(Network::Tcp, &args.address, &Limits::default(), move |stream, peer| {
        let sent = send(stream, &octets, timeout);
        let _ = sent.inspect_err(|e| exit::log(format_args!("{peer}: {}", cause_text(e))));
    })
}

fn send(mut stream: TcpStream, octets: &[u8], timeout: Duration) -> io::Result<()> {
    // For each write(2) that `write_all` makes of it: a reader may be slow, but not stuck.
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all(octets)?;
    stream.shutdown(Shutdown::Write)?;
    let mut stream = DeadlineStream::new(stream);
    stream.set_timeout(FAREWELL);
    io::copy(&mut stream, &mut io::sink()).map(drop)
}
