//! Asks a web server for the header of a page, by hand: HTTP/1.0 over a bare socket (RFC 1945).
//!
//! The client speaks first: `HEAD / HTTP/1.0`, a `Host` line and an empty line, each with CR LF. The server answers with a
//! status line, header lines, an empty line, and closes: in HTTP/1.0 the end of the stream is the end of the answer. What was
//! read is printed up to the empty line. An answer has `--limit` octets at the most, and the whole exchange takes `--timeout`
//! at the most.
//!
//! ```text
//! python3 -m http.server 8000 &  cargo run --bin head_client
//! cargo run --bin head_client -- 127.0.0.1:8000 --path /Cargo.toml --read hand
//! ```

use clap::{Parser, ValueEnum};
use netkata::addr::split_host_port;
use netkata::context::Context;
use netkata::deadline::DeadlineStream;
use netkata::dial::dial;
use netkata::error::{Attempt, NetError, Result, cause_text, is_timeout};
use netkata::{exit, hexdump, human};
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Asks a web server for the header of a page.
#[derive(Parser)]
#[command(after_help = "Example:\n  head_client harbour.example:80 --path /tides")]
struct Args {
    /// The server: host:port, :port (this machine) or [v6]:port
    #[arg(default_value = "127.0.0.1:8000")]
    address: String,
    /// What to ask for
    #[arg(long, default_value = "/", value_parser = parse_path)]
    path: String,
    /// The longest answer
    #[arg(long, default_value = "64KiB", value_parser = human::parse_size)]
    limit: usize,
    /// Time for the whole exchange, from the look-up of the name to the end of the stream
    #[arg(long, default_value = "10s", value_parser = human::parse_limit)]
    timeout: Duration,
    /// How to read to the end
    #[arg(long, value_enum, default_value_t = How::Library)]
    read: How,
}

#[derive(Clone, Copy, ValueEnum)]
enum How {
    /// With `Read::take` and `Read::read_to_end`
    Library,
    /// With a loop of our own, 512 octets at a time
    Hand,
}

/// A space would end the path, and a line end would begin a header line that the user has not meant to send.
fn parse_path(text: &str) -> std::result::Result<String, String> {
    match text.bytes().all(|o| o.is_ascii_graphic()) {
        true if text.starts_with('/') => Ok(text.into()),
        true => Err("a path begins with /".into()),
        false => {
            Err("a path has no spaces, and nothing but ASCII: write %20 for a space (RFC 3986 section 2.1)".into())
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| ask(&args))
}

fn ask(args: &Args) -> Result<()> {
    // One budget: what connecting took is not there for reading.
    let deadline = Instant::now() + args.timeout;
    let stream = dial(&Context::new().with_deadline(deadline), &args.address)?;
    let mut stream = DeadlineStream::new(stream);
    stream.set_deadline(deadline);
    let peer = format!("tcp://{}", args.address);
    // Our direction stays open: to some servers, a client that closes has lost interest.
    stream.write_all(request(args).as_bytes()).attempt("write", &peer)?;
    let mut answer = Vec::new();
    let end = match args.read {
        How::Library => read_by_library(&mut stream, args.limit, &mut answer),
        How::Hand => read_by_hand(&mut stream, args.limit, &mut answer),
    };
    let rest = print_header(&answer[..answer.len().min(args.limit)])?;
    let result = match end {
        Err(e) => Err(describe(&e, answer.len(), args)),
        Ok(()) if answer.len() > args.limit => {
            Err(format!("an answer of more than {}", human::count(args.limit, "octet")))
        }
        Ok(()) => check(&answer, rest),
    };
    result.map_err(|why| NetError::invalid("read", peer, why))
}

/// One server may have many names. HTTP/1.0 did not think of that; servers ask for the name anyway (RFC 9112 section 3.2).
fn request(args: &Args) -> String {
    let host = match split_host_port(&args.address) {
        Ok(("", port)) => format!("localhost:{port}"),
        _ => args.address.clone(),
    };
    format!("HEAD {} HTTP/1.0\r\nHost: {host}\r\n\r\n", args.path)
}

/// One octet more than allowed shows that there is more; it is not waited for any longer than that.
fn read_by_library(stream: &mut impl Read, limit: usize, answer: &mut Vec<u8>) -> io::Result<()> {
    stream.take((limit as u64).saturating_add(1)).read_to_end(answer).map(drop)
}

fn read_by_hand(stream: &mut impl Read, limit: usize, answer: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 512];
    while answer.len() <= limit {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => answer.extend_from_slice(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Prints the lines up to the empty one, as a terminal may have them. Returns how many octets follow it, `None` when it did
/// not come.
fn print_header(answer: &[u8]) -> Result<Option<usize>> {
    let mut lines = answer.split_inclusive(|&o| o == b'\n');
    let mut left = answer.len();
    for line in lines.by_ref() {
        left -= line.len();
        let text = line.trim_ascii_end();
        if text.is_empty() && line.ends_with(b"\n") {
            return Ok(Some(left));
        }
        exit::say(hexdump::text(text, text.len()))?;
    }
    Ok(None)
}

fn check(answer: &[u8], rest: Option<usize>) -> std::result::Result<(), String> {
    match rest {
        _ if answer.is_empty() => Err("the server closed without a word".into()),
        _ if !answer.starts_with(b"HTTP/") => Err("the answer is not HTTP".into()),
        None => Err("the server closed before the empty line that ends a header".into()),
        Some(0) => Ok(()),
        Some(n) => {
            exit::log(format_args!(
                "{} after the header: HEAD asks for none (RFC 9110 section 9.3.2)",
                human::count(n, "octet")
            ));
            Ok(())
        }
    }
}

fn describe(e: &io::Error, got: usize, args: &Args) -> String {
    let (limit, got) = (human::duration(args.timeout), human::count(got, "octet"));
    if is_timeout(e) {
        format!("no end of the stream within {limit}, after {got}")
    } else {
        format!("{}, after {got}", cause_text(e))
    }
}
