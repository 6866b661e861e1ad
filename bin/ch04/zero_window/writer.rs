//! The other end: what a closed window looks like to the writer.

use super::Writer;
use netkata::context::{Context, Ready};
use netkata::error::{Attempt, NetError, Result};
use netkata::sys::tcp_info::tcp_info;
use netkata::{dial, exit, human};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// How long to wait for the connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Octets written at once.
const CHUNK: usize = 64 * 1024;

/// What has happened so far.
struct Watch<'a> {
    stream: &'a TcpStream,
    how: &'a Writer,
    peer: String,
    start: Instant,
    written: u64,
    stalls: u32,
    longest: Duration,
}

pub fn send(address: &str, how: &Writer) -> Result<()> {
    let stream = dial::dial_timeout(address, CONNECT)?;
    let peer = format!("tcp://{}", stream.peer_addr().attempt("connect", address)?);
    // A write that blocks does not say when it began to wait. poll(2) does the waiting, with a limit each time.
    stream.set_nonblocking(true).attempt("set", "the connection")?;
    let (start, longest) = (Instant::now(), Duration::ZERO);
    let mut watch = Watch { stream: &stream, how, peer, start, written: 0, stalls: 0, longest };
    exit::say("    time  event           written      window      unsent  backoff")?;
    watch.row("connected")?;
    watch.write_all()?;
    watch.row("written")?;
    watch.finish()?;
    let (octets, time) = (thousands(watch.written), watch.start.elapsed());
    let stalls = match watch.stalls {
        0 => "no stall".into(),
        n => format!("{}, {} at the longest", human::count(n as usize, "stall"), seconds(watch.longest)),
    };
    exit::say(format_args!("all {octets} octets were taken, in {}; {stalls}", seconds(time)))
}

impl Watch<'_> {
    fn write_all(&mut self) -> Result<()> {
        let chunk = vec![b'~'; CHUNK];
        let mut next = 1 << 20;
        while self.written < self.how.octets {
            let room = usize::try_from(self.how.octets - self.written).unwrap_or(CHUNK).min(CHUNK);
            match (&mut &*self.stream).write(&chunk[..room]) {
                Ok(n) => self.written += n as u64,
                // The send buffer is full: what the kernel may not send, it keeps, and what it cannot keep, it does not take.
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.wait("stalled", Context::wait_writable)?,
                Err(e) => return Err(e).attempt("write", &self.peer),
            }
            if self.written >= next {
                self.row("writes")?;
                next = 4 * self.written;
            }
        }
        Ok(())
    }

    /// What was written stands in buffers. That the reader has taken it, only the reader can say: here, by its FIN.
    fn finish(&mut self) -> Result<()> {
        self.stream.shutdown(Shutdown::Write).attempt("close", &self.peer)?;
        loop {
            match (&mut &*self.stream).read(&mut [0; 1024]) {
                Ok(0) => return self.row("closed"),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.wait("waits", Context::wait_readable)?,
                Err(e) => return Err(e).attempt("read", &self.peer),
            }
        }
    }

    /// Waits until the socket is ready, and says so when that takes long.
    fn wait(&mut self, event: &str, ready: fn(&Context, &TcpStream) -> io::Result<Ready>) -> Result<()> {
        let start = Instant::now();
        while ready(&Context::new().with_timeout(self.how.stall), self.stream).attempt("poll", &self.peer)?
            != Ready::Socket
        {
            self.row(event)?;
            if start.elapsed() >= self.how.patience {
                let why = format!("nothing moved for {}", human::duration(self.how.patience));
                return Err(NetError::new("write", &self.peer, io::Error::new(io::ErrorKind::TimedOut, why)));
            }
        }
        if start.elapsed() >= self.how.stall {
            self.stalls += 1;
            self.longest = self.longest.max(start.elapsed());
            self.row("goes on")?;
        }
        Ok(())
    }

    fn row(&self, event: &str) -> Result<()> {
        let info = tcp_info(self.stream).attempt("inspect", "the connection")?;
        // A field that this kernel does not fill.
        let number = |n: Option<u32>| n.map_or("-".into(), |n| human::thousands(n as usize));
        let (time, written) = (seconds(self.start.elapsed()), thousands(self.written));
        let (window, unsent, backoff) = (number(info.snd_wnd), number(info.notsent), info.backoff);
        exit::say(format_args!("{time:>8}  {event:9} {written:>13} {window:>11} {unsent:>11} {backoff:>8}"))
    }
}

fn thousands(octets: u64) -> String {
    human::thousands(usize::try_from(octets).unwrap_or(usize::MAX))
}

fn seconds(time: Duration) -> String {
    format!("{:.3}s", time.as_secs_f64())
}
