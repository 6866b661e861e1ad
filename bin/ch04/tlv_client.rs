//! Sends values as frames of type, length and value, and prints what comes back.
//!
//! The client speaks first: a frame, and the next one when an answer to it has come. It sends and reads at the same time, so
//! the server may begin to answer before it has everything. An answer that is not what was sent ends the conversation with
//! status 1; `tlv_server` says in it what was wrong. After the last answer the client closes its direction (FIN) and expects
//! the server to do the same, without another frame. Each step has `--timeout`.
//!
//! ```text
//! cargo run --bin tlv_server
//! cargo run --bin tlv_client -- --string Alma --binary 00ff --file Cargo.lock
//! ```

use clap::Parser;
use netkata::addr::Network;
use netkata::context::Context;
use netkata::deadline::DeadlineStream;
use netkata::dial::Dialer;
use netkata::error::{Attempt, NetError, Result, is_timeout};
use netkata::tlv::arguments::Given;
use netkata::tlv::{Error, Reader, VALUES, Value};
use netkata::{exit, human};
use std::io::{self, BufReader, BufWriter, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// Octets of a Binary, or characters of a String, that are printed.
const PRINTED: usize = 64;

/// Sends values to a server that sends them back. Without values: each line of standard input, as a String.
#[derive(Parser)]
#[command(after_help = "Examples:\n  tlv_client :7040 --string Alma --binary 00ff\n  ls | tlv_client :7040")]
struct Args {
    /// The server: host:port, :port (this machine) or [v6]:port
    #[arg(default_value = "127.0.0.1:7040")]
    address: String,
    /// tcp, tcp4 or tcp6
    #[arg(long, default_value = "tcp")]
    network: Network,
    #[command(flatten)]
    given: Given,
    /// How long to wait for the connection, for each answer, and for the end
    #[arg(long, default_value = "10s", value_parser = human::parse_limit)]
    timeout: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| talk(&args))
}

fn talk(args: &Args) -> Result<()> {
    // What is wrong with the values is said before anybody is called.
    let values = args.given.values_or_lines()?;
    let dialer = Dialer { network: args.network, ..Dialer::default() };
    let stream = dialer.dial(&Context::new().with_timeout(args.timeout), &args.address)?;
    let peer = format!("tcp://{}", stream.peer_addr().attempt("connect", &args.address)?);
    let stream = DeadlineStream::new(stream);
    let answers = Reader::new(BufReader::new(stream.clone()), VALUES);
    let mut link = Link { stream, answers, peer, timeout: args.timeout };
    for value in values {
        link.exchange(&value?)?;
    }
    link.finish()
}

/// A connection on which one frame answers another.
struct Link {
    stream: DeadlineStream<TcpStream>,
    answers: Reader<BufReader<DeadlineStream<TcpStream>>>,
    peer: String,
    timeout: Duration,
}

impl Link {
    fn exchange(&mut self, value: &Value) -> Result<()> {
        match self.send_and_read(value) {
            Ok(Some(answer)) => {
                exit::say(answer.shown(PRINTED))?;
                if answer == *value { Ok(()) } else { Err(self.wrong("the answer is not what was sent")) }
            }
            Ok(None) => Err(self.wrong(&format!("the server closed; no answer to {}", value.shown(40)))),
            Err(e) => Err(self.failed(e, &format!("no answer to {}", value.shown(40)))),
        }
    }

    /// Writes in a thread of its own. A client that writes to the end before it reads, and a server that answers while it reads,
    /// hold each other up as soon as the buffers between them are full.
    fn send_and_read(&mut self, value: &Value) -> std::result::Result<Option<Value>, Error> {
        self.stream.set_timeout(self.timeout);
        let mut out = BufWriter::new(self.stream.clone());
        thread::scope(|s| {
            // What a write has to complain about, the read meets, too.
            let writing = || value.write_to(&mut out).is_ok() && out.flush().is_ok();
            let writer = thread::Builder::new().name("writer".into()).spawn_scoped(s, writing);
            writer.map_err(|source| Error::Io { offset: 0, source })?;
            let answer = self.answers.read_value();
            if !matches!(answer, Ok(Some(_))) {
                // Nobody waits for the rest any more. The writer may be in the middle of it.
                let _ = self.stream.get_ref().shutdown(Shutdown::Both);
            }
            answer
        })
    }

    fn finish(mut self) -> Result<()> {
        self.stream.get_ref().shutdown(Shutdown::Write).attempt("close", &self.peer)?;
        self.stream.set_timeout(self.timeout);
        match self.answers.read_value() {
            Ok(None) => Ok(()),
            Ok(Some(more)) => Err(self.wrong(&format!("one frame too many: {}", more.shown(40)))),
            Err(e) => Err(self.failed(e, "the server has not closed")),
        }
    }

    fn wrong(&self, why: &str) -> NetError {
        NetError::invalid("read", &self.peer, why)
    }

    fn failed(&self, e: Error, missing: &str) -> NetError {
        match e {
            Error::Io { source, .. } if is_timeout(&source) => {
                let why = format!("timed out after {}; {missing}", human::duration(self.timeout));
                NetError::new("read", &self.peer, io::Error::new(io::ErrorKind::TimedOut, why))
            }
            e => NetError::new("read", &self.peer, e.into()),
        }
    }
}
