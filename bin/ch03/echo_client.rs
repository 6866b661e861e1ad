//! A client for line-based servers such as `echo_single`: sends each line of its input, prints the line that answers.
//!
//! The client speaks first: one line with LF, at most 65,536 octets; then it waits up to `--timeout` for one line. The
//! line `STOP` is sent and is the last. After it, or at the end of input, the client closes its direction (half-close)
//! and prints what still comes until the server closes too, for `--timeout` and 1 MiB at most. Octets that are not
//! printable ASCII are shown as `\xNN`.
//!
//! ```text
//! cargo run --bin echo_client                        # leaves with STOP or Ctrl-D
//! printf 'ahoy\n' | cargo run --bin echo_client      # the other side: nc -l 127.0.0.1 7008
//! ```

use clap::Parser;
use netkata::deadline::DeadlineStream;
use netkata::dial::dial_timeout;
use netkata::error::{Attempt, NetError, Result, cause_text};
use netkata::{exit, hexdump, human};
use std::io::{self, BufRead, BufReader, ErrorKind, IsTerminal, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

/// The longest line, its end included, in both directions.
const LONGEST_LINE: usize = 64 * 1024;
/// The most that is read after our last line.
const REST: usize = 1 << 20;
/// So much of a line is quoted in an error.
const QUOTE: usize = 40;

/// Sends lines to a server and prints what it answers; STOP or the end of input ends it.
#[derive(Parser)]
#[command(
    after_help = "Example:\n  echo_client 127.0.0.1:7008\n  printf 'ahoy\\nSTOP\\n' | echo_client :7008 --timeout 2s"
)]
struct Args {
    /// The server: host:port, :port for this machine, or [v6]:port
    #[arg(default_value = "127.0.0.1:7008")]
    address: String,
    /// Time to connect, and then for each answer
    #[arg(long, default_value = "10s", value_parser = human::parse_limit)]
    timeout: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| converse(&args))
}

fn converse(args: &Args) -> Result<()> {
    let mut server = Server::connect(args)?;
    let mut input = io::stdin().lock();
    loop {
        prompt()?;
        // A person may take all the time in the world: no deadline here.
        let mut line = read_line(&mut input).attempt("read", "standard input")?;
        if line.is_empty() {
            break;
        }
        if !line.ends_with(b"\n") {
            line.push(b'\n');
        }
        server.send(&line)?;
        if text(&line) == b"STOP" {
            break;
        }
        show(&server.answer(&line)?)?;
    }
    server.finish()
}

/// A person needs a prompt; a pipe needs clean output.
fn prompt() -> Result<()> {
    let mut out = io::stdout().lock();
    let prompt = if io::stdin().is_terminal() { ">> " } else { "" };
    write!(out, "{prompt}").and_then(|()| out.flush()).attempt("write", "standard output")
}

fn show(line: &[u8]) -> Result<()> {
    writeln!(io::stdout(), "->: {}", hexdump::text(text(line), LONGEST_LINE)).attempt("write", "standard output")
}

/// One line with its end; the last may lack it. Nothing at the end of the stream.
fn read_line(source: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    source.take(LONGEST_LINE as u64 + 1).read_until(b'\n', &mut line)?;
    if line.len() > LONGEST_LINE {
        return Err(io::Error::other(format!("a line of more than {}", human::count(LONGEST_LINE, "octet"))));
    }
    Ok(line)
}

/// A line without its end.
fn text(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").map_or(line, |l| l.strip_suffix(b"\r").unwrap_or(l))
}

struct Server {
    stream: BufReader<DeadlineStream<TcpStream>>,
    name: String,
    timeout: Duration,
}

impl Server {
    fn connect(args: &Args) -> Result<Self> {
        let name = format!("tcp://{}", args.address);
        let stream = dial_timeout(&args.address, args.timeout)?;
        stream.set_nodelay(true).attempt("connect", &name)?;
        Ok(Self { stream: BufReader::new(DeadlineStream::new(stream)), name, timeout: args.timeout })
    }

    /// Sends a line. The deadline set here is the answer's, too: one exchange, one budget.
    fn send(&mut self, line: &[u8]) -> Result<()> {
        self.stream.get_ref().set_timeout(self.timeout);
        let lost = format!("{:?} was not sent", hexdump::text(text(line), QUOTE));
        self.stream.get_mut().write_all(line).map_err(|e| self.failed("write", &e, &lost))
    }

    /// Reads the line that answers `line`. TCP ends a stream without saying whether it was complete: only who knows what
    /// was due can tell that something is missing.
    fn answer(&mut self, line: &[u8]) -> Result<Vec<u8>> {
        let answer = read_line(&mut self.stream);
        let mut lost = format!("no answer to {:?}", hexdump::text(text(line), QUOTE));
        match answer {
            Ok(answer) if answer.ends_with(b"\n") => Ok(answer),
            Ok(part) => {
                if !part.is_empty() {
                    lost += &format!(" but the beginning {:?}", hexdump::text(&part, QUOTE));
                }
                Err(self.failed("read", &ErrorKind::UnexpectedEof.into(), &lost))
            }
            Err(e) => Err(self.failed("read", &e, &lost)),
        }
    }

    /// Closes our direction and shows what the server still has to say.
    fn finish(mut self) -> Result<()> {
        // When the server has closed already, the read below tells how.
        let _ = self.stream.get_ref().get_ref().shutdown(Shutdown::Write);
        self.stream.get_ref().set_timeout(self.timeout);
        let mut total = 0;
        while total <= REST {
            let line = read_line(&mut self.stream).map_err(|e| self.failed("read", &e, "the server has not closed"))?;
            if line.is_empty() {
                return Ok(());
            }
            total += line.len();
            show(&line)?;
        }
        Err(self.failed(
            "read",
            &io::Error::other("the server goes on"),
            &format!("stopped after {}", human::count(total, "octet")),
        ))
    }

    fn failed(&self, verb: &str, e: &io::Error, lost: &str) -> NetError {
        let cause = match e.kind() {
            ErrorKind::TimedOut => format!("timed out after {}", human::duration(self.timeout)),
            ErrorKind::UnexpectedEof => "the server closed".into(),
            _ => cause_text(e),
        };
        NetError::invalid(verb, &self.name, format!("{cause}; {lost}"))
    }
}
