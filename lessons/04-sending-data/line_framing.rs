//! A server for lines that end in CR LF, and in nothing else; each is answered by its octets in reverse order.
//!
//! The client speaks first. A line is what stands before CR LF: octets, text or not, none to `--limit` of them. The answer
//! to each is a line as well, and the answers come in the order of the lines:
//!
//! - `+` and the octets of the line, the last one first;
//! - `-too long` when there were more than `--limit` octets. The rest of the line is skipped, not kept;
//! - `-bare LF` when a LF stands in it that no CR precedes, `-bare CR` when a CR does that no LF follows. Both are refused,
//!   not repaired: what one program takes for a line end and the next does not, an attacker can hide a line in;
//! - `-no line end` when the client closes its direction in the middle of a line. Then the server closes, too.
//!
//! A line with several faults is answered by the first of them, and the next line begins after the next CR LF. Where the
//! stream is cut into segments and reads means nothing, not even between CR and LF.
//!
//! - Graded: the answers, to the octet, whatever the cuts; memory; the FIN.
//! - Not graded: which fault is named where an octet is both bare and one too many; the log.
//! - May be hard-coded: the four answers.
//!
//! ```text
//! cargo run -p lessons --bin line_framing
//! printf 'tide\r\nebb\nflow\r\n' | nc -N 127.0.0.1 7051                # +edit, and -bare LF
//! ```

use clap::Parser;
use netkata::accept::{self, Limits};
use netkata::addr::Network;
use netkata::error::{Result, cause_text};
use netkata::{exit, human};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

/// Octets read at once.
const BUFFER: usize = 4096;

/// Reverses lines.
#[derive(Parser)]
#[command(after_help = "Example:\n  line_framing :7051 --limit 80\n  printf 'tide\\r\\n' | nc -N 127.0.0.1 7051")]
struct Args {
    /// Where to listen: host:port, :port or [v6]:port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7051")]
    address: String,
    /// The longest line, in octets, without its CR LF
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    limit: u32,
    /// Close a connection on which nothing moves for this long
    #[arg(long, default_value = "1m", value_parser = human::parse_limit)]
    idle: Duration,
    /// After SIGINT or SIGTERM, let connections go on for this long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
}

/// A line, or what is wrong with it.
type Line = std::result::Result<Vec<u8>, &'static str>;

const TOO_LONG: &str = "too long";
const BARE_LF: &str = "bare LF";
const BARE_CR: &str = "bare CR";
const NO_LINE_END: &str = "no line end";

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(&args))
}

fn serve(args: &Args) -> Result<()> {
    let limits = Limits { grace: args.grace, ..Limits::default() };
    let (limit, idle) = (args.limit as usize, args.idle);
    accept::run(Network::Tcp, &args.address, &limits, move |stream, peer| {
        if let Err(e) = converse(stream, limit, idle) {
            exit::log(format_args!("{peer}: {}", cause_text(&e)));
        }
    })
}

/// A read brings a part of a line, or many lines, or both: the framer alone knows where it stands.
fn converse(mut stream: TcpStream, limit: usize, idle: Duration) -> io::Result<()> {
    stream.set_read_timeout(Some(idle))?;
    stream.set_write_timeout(Some(idle))?;
    let (mut framer, mut buffer) = (Framer::new(limit), [0; BUFFER]);
    loop {
        let n = stream.read(&mut buffer)?;
        let lines = match n {
            0 => framer.end().into_iter().collect(),
            n => buffer[..n].iter().filter_map(|&octet| framer.take(octet)).collect::<Vec<Line>>(),
        };
        let answers: Vec<u8> = lines.into_iter().flat_map(answer).collect();
        stream.write_all(&answers)?;
        if n == 0 {
            return Ok(());
        }
    }
}

/// Makes lines of octets. What it keeps from one octet to the next is all that it knows of the line so far.
struct Framer {
    limit: usize,
    /// The octets of the line so far, `limit` at the most.
    line: Vec<u8>,
    /// The first thing that is wrong with it.
    fault: Option<&'static str>,
    /// The octet before was a CR: what it was good for, this one tells.
    after_cr: bool,
}

impl Framer {
    fn new(limit: usize) -> Self {
        Self { limit, line: Vec::new(), fault: None, after_cr: false }
    }

    /// Takes the next octet of the stream. When it ends a line, that is the result.
    fn take(&mut self, octet: u8) -> Option<Line> {
        let _ = (octet, self.after_cr, BARE_CR, BARE_LF, Self::blame, Self::keep, Self::end_line);
        todo!(
            "step 1: CR LF ends a line: return what `end_line` gives. The two may come in two reads, so remember the \
             CR. A CR that no LF follows and a LF that no CR precedes are to `blame`; any other octet is to `keep`"
        );
    }

    /// Something is wrong with this line. The first fault counts.
    fn blame(&mut self, fault: &'static str) {
        self.fault.get_or_insert(fault);
    }

    /// Adds an octet to the line, within the limit.
    fn keep(&mut self, octet: u8) {
        let _ = (octet, self.limit, TOO_LONG);
        todo!(
            "step 2: keep the octet, but no more than `limit` of them: an octet too many is the fault TOO_LONG, and is \
             dropped"
        );
    }

    /// CR LF has come: gives the line out, or its first fault.
    fn end_line(&mut self) -> Line {
        let _ = (&mut self.line, &mut self.fault);
        todo!(
            "step 3: return the line, or its fault if there is one, and begin the next line with nothing left of this \
             one"
        );
    }

    /// The client has closed its direction: what is there of a line is no line.
    fn end(&mut self) -> Option<Line> {
        let _ = NO_LINE_END;
        todo!(
            "step 4: when a line has begun and not ended, that is the fault NO_LINE_END, even if it is a CR alone; \
             otherwise there is nothing to answer"
        );
    }
}

/// The line that answers a line.
fn answer(line: Line) -> Vec<u8> {
    let _ = line;
    todo!("step 5: `+` and the octets of the line in reverse order, or `-` and the fault; either with CR LF");
}
