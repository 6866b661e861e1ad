//! The conversation: one thread that sends by the clock and reads what comes meanwhile.

use crate::echo::Echo;
use crate::{Args, LONGEST};
use netkata::context::{Context, Ready};
use netkata::error::{Attempt, NetError, Result};
use netkata::{exit, hexdump, human};
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Instant;

/// The most greetings on their way. With their longest they take less than a socket's buffer, so that a write never waits for
/// a server that in turn waits for us to read.
const MOST: usize = 64;
/// Octets read at once.
const BUFFER: usize = 16 * 1024;

/// A connection, and what is on its way there.
pub struct Client<'a> {
    args: &'a Args,
    stream: UnixStream,
    name: String,
    echo: Echo<'a>,
}

impl<'a> Client<'a> {
    /// `name` is the server's, for messages.
    pub fn new(args: &'a Args, stream: UnixStream, name: String) -> Self {
        Self { args, stream, name, echo: Echo::of(args.greeting.as_bytes()) }
    }

    /// Greets until `stop`, or as often as was asked; then closes and reads the rest.
    pub fn converse(&mut self, stop: &Context) -> Result<()> {
        let (mut next, mut sent) = (Instant::now(), 0);
        while stop.cause().is_none() && self.args.count.is_none_or(|count| sent < count) {
            let now = Instant::now();
            if next <= now && self.echo.waiting() < MOST {
                self.send(now)?;
                sent += 1;
                next += self.args.every;
                // A client that was held up does not catch up by sending many at once.
                next = if next < now { now + self.args.every } else { next };
            } else if !self.wait(stop, next)? {
                return Err(self.closed());
            }
        }
        self.finish()
    }

    fn send(&mut self, now: Instant) -> Result<()> {
        self.echo.owe(now + self.args.timeout);
        match self.stream.write_all(self.args.greeting.as_bytes()) {
            // The server has closed. What it sent before that is still to be read.
            Err(e) if e.kind() == ErrorKind::BrokenPipe => self.rest().and(Err(self.closed())),
            written => written.attempt("write", &self.name),
        }
    }

    /// Reads, until it is time for the next greeting or too late for a reply. `false`: the server has closed.
    fn wait(&mut self, stop: &Context, next: Instant) -> Result<bool> {
        let due = self.echo.next_due();
        let until = if self.echo.waiting() < MOST { due.unwrap_or(next).min(next) } else { due.unwrap_or(next) };
        match stop.with_deadline(until).wait_readable(&self.stream).attempt("read", &self.name)? {
            Ready::Socket => self.read(),
            Ready::Ended(_) if due.is_some_and(|due| due <= Instant::now()) => Err(self.late()),
            Ready::Ended(_) => Ok(true),
        }
    }

    /// Reads what poll(2) has seen, so this does not block. `false`: the server has closed.
    fn read(&mut self) -> Result<bool> {
        let mut buffer = [0; BUFFER];
        let n = match self.stream.read(&mut buffer) {
            Err(e) if e.kind() == ErrorKind::Interrupted => return Ok(true),
            // It closed with octets of ours unread.
            Err(e) if e.kind() == ErrorKind::ConnectionReset => 0,
            read => read.attempt("read", &self.name)?,
        };
        if self.args.verbose && n > 0 {
            exit::log(format_args!("a read of {}", human::count(n, "octet")));
        }
        let whole = self.echo.compare(&buffer[..n]);
        for _ in 0..whole.map_err(|why| self.failed(why))? {
            exit::say(hexdump::text(self.args.greeting.as_bytes(), LONGEST))?;
        }
        Ok(n > 0)
    }

    /// Closes our direction, and reads what is still due.
    fn finish(&mut self) -> Result<()> {
        // When the server has closed already, the read tells.
        let _ = self.stream.shutdown(Shutdown::Write);
        self.rest()?;
        if self.echo.waiting() > 0 {
            return Err(self.closed());
        }
        exit::log(format_args!("{} came back", human::count(self.echo.came(), "octet")));
        Ok(())
    }

    /// Reads to the end, for `--timeout` and not longer.
    fn rest(&mut self) -> Result<()> {
        let end = Context::new().with_timeout(self.args.timeout);
        while end.wait_readable(&self.stream).attempt("read", &self.name)? == Ready::Socket {
            if !self.read()? {
                return Ok(());
            }
        }
        Err(self.late())
    }

    fn late(&self) -> NetError {
        let what = if self.echo.waiting() > 0 { self.missing() } else { "the server has not closed".into() };
        self.failed(format!("timed out after {}; {what}", human::duration(self.args.timeout)))
    }

    fn closed(&self) -> NetError {
        let what = if self.echo.waiting() > 0 { format!("; {}", self.missing()) } else { String::new() };
        self.failed(format!("the server closed{what}"))
    }

    fn missing(&self) -> String {
        format!("{} did not come back", human::count(self.echo.missing(), "octet"))
    }

    fn failed(&self, why: String) -> NetError {
        NetError::invalid("read", &self.name, why)
    }
}
