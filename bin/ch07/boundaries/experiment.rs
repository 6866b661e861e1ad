//! The experiments: who does what in turn, and what comes of it.

use crate::end::End;
use netkata::error::is_timeout;
use netkata::hexdump;
use netkata::human::count;
use socket2::SockRef;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::time::Duration;

/// A read that finds nothing for so long never will: nobody else has the other end.
pub const WAIT: Duration = Duration::from_millis(20);
/// The longest text, so that a line of the table stays one.
pub const LONGEST: usize = 64;

/// What an end does in an experiment.
pub enum Act {
    /// So many writes of a text.
    Write(String, u8),
    /// A write that may fail: what it was is nobody's concern.
    TryWrite,
    /// Reads until there is nothing, and says what came.
    Drain(usize),
    /// Reads until there is nothing, and says why there is nothing as well.
    ReadOn,
    HalfClose,
    Close,
}
use Act::{Close, Drain, HalfClose, ReadOn, TryWrite, Write};

/// What is tried, and who does what in turn.
pub type Experiment = (String, Vec<(usize, Act)>);
/// The two ends of a pair, while they are open.
pub type Pair = [Option<Box<dyn End>>; 2];
const WRITER: usize = 0;
const READER: usize = 1;

/// What is tried, line by line: what one end writes and the other reads, what a close looks like, and half of one.
pub fn list(text: &str, times: u8, sizes: &[usize]) -> Vec<Experiment> {
    let writes = |times| Write(text.into(), times);
    let label = format!("{} of {}", count(times.into(), "write"), quoted(text.as_bytes()));
    let mut list: Vec<Experiment> = (sizes.iter())
        .map(|&size| (format!("{label}, reads of {size}"), vec![(WRITER, writes(times)), (READER, Drain(size))]))
        .collect();
    let mut add = |label: &str, acts| list.push((label.into(), acts));
    add("an empty write, reads", vec![(WRITER, Write(String::new(), 1)), (READER, ReadOn)]);
    add("a write, a close, reads", vec![(WRITER, writes(1)), (WRITER, Close), (READER, ReadOn)]);
    add("the reader has gone, a write", vec![(READER, Close), (WRITER, writes(1))]);
    add("the reader has gone, a second write", vec![(READER, Close), (WRITER, TryWrite), (WRITER, writes(1))]);
    add("it went with a write unread, a read", vec![(WRITER, writes(1)), (READER, Close), (WRITER, ReadOn)]);
    add("a half-close, the other end reads", vec![(WRITER, HalfClose), (READER, ReadOn)]);
    add("a half-close, the other end writes", vec![(WRITER, HalfClose), (READER, writes(1)), (WRITER, Drain(LONGEST))]);
    add("a half-close, the same end writes", vec![(WRITER, HalfClose), (WRITER, writes(1))]);
    list
}

/// What the last act brought, or the first error.
pub fn result(acts: &[(usize, Act)], mut pair: Pair) -> io::Result<String> {
    for end in pair.iter().flatten() {
        let socket = end.as_fd();
        SockRef::from(&socket).set_read_timeout(Some(WAIT))?;
        // Many writes without a read can fill the queue.
        SockRef::from(&socket).set_write_timeout(Some(WAIT))?;
    }
    let brought: io::Result<String> = acts.iter().map(|(who, act)| act.of(&mut pair[*who])).collect();
    Ok(brought.unwrap_or_else(|e| told(&e)))
}

impl Act {
    /// What it brought, where it reads.
    fn of(&self, end: &mut Option<Box<dyn End>>) -> io::Result<String> {
        let open = end.as_deref().ok_or(io::ErrorKind::NotConnected)?;
        let (descriptor, mut brought) = (open.as_fd(), Vec::new());
        let socket = SockRef::from(&descriptor);
        match self {
            Write(text, times) => (0..*times).try_for_each(|_| socket.send(text.as_bytes()).map(drop))?,
            TryWrite => drop(socket.send(b"ahoy")),
            Drain(size) => {
                brought = reads(open, *size);
                brought.truncate(1.max(brought.len() - 1));
            }
            ReadOn => brought = reads(open, LONGEST),
            HalfClose => socket.shutdown(Shutdown::Write)?,
            Close => *end = None,
        }
        Ok(brought.join(" "))
    }
}

/// What each read brings, up to the first that brings no octets.
fn reads(end: &dyn End, size: usize) -> Vec<String> {
    let (mut buffer, mut brought) = (vec![0; size], Vec::new());
    loop {
        match end.take(&mut buffer) {
            Ok(Some(octets)) => brought.push(quoted(&buffer[..octets])),
            last => {
                brought.push(last.map_or_else(|e| told(&e), |_| "end".into()));
                return brought;
            }
        }
    }
}

fn told(e: &io::Error) -> String {
    if is_timeout(e) { "waits".into() } else { e.kind().to_string() }
}

fn quoted(octets: &[u8]) -> String {
    format!("\"{}\"", hexdump::text(octets, octets.len()))
}
