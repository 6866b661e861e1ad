//! Prints the words of a stream, each as soon as it is complete: what stands between white space, as Unicode has it.
//!
//! The server speaks, the scanner only reads, to the end of the stream. A word may come in any number of pieces, cut even
//! inside a character, and one read may bring many words or none. Punctuation is no white space: `tide,` is a word. More than
//! 64 KiB without white space, and octets that are not UTF-8, are errors that name the offset: U+FFFD in their place would
//! hide where the stream went wrong. With `--listen` it waits for one client. Nothing to read for `--idle` is an error.
//!
//! ```text
//! printf 'any berth free, captain?' | nc -lN 127.0.0.1 7042 &  sleep 1; cargo run --bin word_scanner
//! cargo run --bin word_scanner -- --listen                     # and in another terminal: nc 127.0.0.1 7042
//! ```

use clap::Parser;
use netkata::addr::Network;
use netkata::context::{Cause, Context, Ready};
use netkata::error::{Attempt, NetError, cause_text};
use netkata::{dial, exit, human, listen, stop};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;
use std::{fmt, str};

/// The longest word, in octets. Without a limit, a stream without white space would be kept whole.
pub const LONGEST: usize = 64 << 10;
const BUFFER: usize = 16 << 10;

/// Prints each word of a stream on a line of its own.
#[derive(Parser)]
#[command(after_help = "Examples:\n  word_scanner 127.0.0.1:7042\n  word_scanner --listen :7042 --idle 30s")]
struct Args {
    /// The server, or with --listen where to wait: host:port, :port or [v6]:port
    #[arg(default_value = "127.0.0.1:7042")]
    address: String,
    /// Wait for a client, and read from that one
    #[arg(long)]
    listen: bool,
    /// How long to wait for a connection to be made, and then for something to read
    #[arg(long, default_value = "1m", value_parser = human::parse_limit)]
    idle: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| run(&args))
}

fn run(args: &Args) -> Result<(), NetError> {
    let stop = stop::on_signals()?;
    if !args.listen {
        return scan(&stop, dial::dial(&stop.with_timeout(args.idle), &args.address)?, args);
    }
    let listener = listen::tcp_announced(Network::Tcp, &args.address)?;
    match stop.wait_readable(&listener).attempt("accept", &args.address)? {
        Ready::Socket => scan(&stop, listener.accept().attempt("accept", &args.address)?.0, args),
        Ready::Ended(_) => Ok(()),
    }
}

/// Reads to the end, or until told to stop. There is no limit to the whole: what it needs of memory is one word.
fn scan(stop: &Context, mut stream: TcpStream, args: &Args) -> Result<(), NetError> {
    let failed = |why: String| NetError::invalid("read", format!("tcp://{}", args.address), why);
    let (mut words, mut lines) = (Words::default(), String::new());
    let mut buffer = vec![0; BUFFER];
    loop {
        match stop.with_timeout(args.idle).wait_readable(&stream).attempt("read", &args.address)? {
            Ready::Socket => {}
            Ready::Ended(Cause::Canceled) => return Ok(()),
            Ready::Ended(_) => return Err(failed(format!("nothing came for {}", human::duration(args.idle)))),
        }
        let n = stream.read(&mut buffer).map_err(|e| failed(cause_text(&e)))?;
        let each = |word: &str| add_line(&mut lines, word);
        let result = if n == 0 { words.finish(each) } else { words.feed(&buffer[..n], each) };
        // The words before a fault are whole, and what is complete is not kept back.
        let mut out = io::stdout();
        out.write_all(lines.as_bytes()).and_then(|()| out.flush()).attempt("write", "standard output")?;
        lines.clear();
        if n == 0 || result.is_err() {
            return result.map_err(|fault| failed(fault.to_string()));
        }
    }
}

/// A stream may say anything, and a terminal would obey some of it (console_codes(4)).
fn add_line(lines: &mut String, word: &str) {
    for c in word.chars() {
        if c.is_control() { lines.extend(c.escape_default()) } else { lines.push(c) }
    }
    lines.push('\n');
}

/// Cuts a stream into words, in whatever pieces it comes: the same words as if it had come as a whole.
///
/// `BufRead::split` would not do: it knows one delimiter of one octet, and gives an empty word between two of them.
#[derive(Debug, Default)]
pub struct Words {
    /// The word that is not complete yet, from its first octet on; its last character may be incomplete, too.
    held: Vec<u8>,
    /// So many octets of it were looked at: whole characters, none of them white space.
    seen: usize,
    /// Where in the stream `held` begins.
    offset: usize,
}

impl Words {
    /// Takes what came next, and gives each word that is complete with it to `each`: up to the first fault, and no further.
    pub fn feed(&mut self, octets: &[u8], mut each: impl FnMut(&str)) -> Result<(), Fault> {
        self.held.extend_from_slice(octets);
        let (text, fault) = self.decode();
        let mut start = 0;
        for (at, c) in text[self.seen..].char_indices().map(|(at, c)| (self.seen + at, c)) {
            let next = at + c.len_utf8();
            if c.is_whitespace() {
                // Two delimiters in a row have no word between them.
                if start < at {
                    each(&text[start..at]);
                }
                start = next;
            } else if next - start > LONGEST {
                return Err(Fault::TooLong(self.offset + start));
            }
        }
        self.seen = text.len() - start;
        self.offset += start;
        self.held.drain(..start);
        fault
    }

    /// The whole characters of what is held, and what is wrong after them.
    fn decode(&self) -> (&str, Result<(), Fault>) {
        let valid = str::from_utf8(&self.held).map_or_else(|e| e.valid_up_to(), str::len);
        // At the end, the rest of a character may still be on its way.
        let invalid = str::from_utf8(&self.held[valid..]).is_err_and(|e| e.error_len().is_some());
        let fault = if invalid { Err(Fault::Invalid(self.offset + valid)) } else { Ok(()) };
        (str::from_utf8(&self.held[..valid]).unwrap_or_default(), fault)
    }

    /// The stream has ended: the last word needs no delimiter, but its last character must be whole.
    pub fn finish(&mut self, mut each: impl FnMut(&str)) -> Result<(), Fault> {
        match self.decode().0 {
            word if word.len() < self.held.len() => return Err(Fault::Cut(self.offset + word.len())),
            "" => {}
            word => each(word),
        }
        Ok(())
    }
}

/// What is wrong with a stream, and at which octet, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Octets that are not UTF-8, whatever may follow.
    Invalid(usize),
    /// The stream ended inside the character that begins there.
    Cut(usize),
    /// The word that begins there is longer than [`LONGEST`].
    TooLong(usize),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Invalid(at) => write!(f, "invalid UTF-8 at offset {at}"),
            Fault::Cut(at) => write!(f, "the stream ended in the middle of a character, at offset {at}"),
            Fault::TooLong(at) => write!(f, "a word of more than 64 KiB, at offset {at}"),
        }
    }
}
