//! The client's side: blocking sockets and few threads, so that the servers get the processor.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// A server that does not answer for so long has failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// Threads that keep many connections busy between them.
const LOADERS: usize = 2;

#[derive(Clone, Copy)]
pub(crate) enum Workload {
    /// On each connection one message at a time, there and back.
    PingPong { connections: usize, size: usize },
    /// Connect, one message there and back, close.
    Short { at_once: usize, size: usize },
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Workload::PingPong { connections, size } => write!(f, "{connections} x {size}"),
            Workload::Short { at_once, size } => write!(f, "short x {at_once}, {size}"),
        }
    }
}

impl Workload {
    pub(crate) fn connections(&self) -> usize {
        match *self {
            Workload::PingPong { connections: n, .. } | Workload::Short { at_once: n, .. } => n,
        }
    }

    /// What the server and we need, each: the connections, and some for everything else.
    pub(crate) fn descriptors(&self) -> u64 {
        self.connections() as u64 + 50
    }

    /// Messages (or connections) a second, over about `time`.
    pub(crate) fn run(&self, port: u16, time: Duration) -> io::Result<f64> {
        match *self {
            Workload::PingPong { connections, size } => {
                let loaders = LOADERS.min(connections);
                together(loaders, |loader, ready| {
                    let share = connections / loaders + usize::from(loader < connections % loaders);
                    ping_pong(port, loader, share, size, time, ready)
                })
            }
            Workload::Short { at_once, size } => {
                together(at_once, |loader, ready| short(port, loader, size, time, ready))
            }
        }
    }
}

/// Runs `load` in several threads and adds up what they reached.
fn together(threads: usize, load: impl Fn(usize, &Barrier) -> io::Result<f64> + Sync) -> io::Result<f64> {
    let ready = Barrier::new(threads);
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|n| {
                scope.spawn({
                    let (load, ready) = (&load, &ready);
                    move || load(n, ready)
                })
            })
            .collect();
        running.into_iter().map(|t| t.join().unwrap_or_else(|_| Err(io::Error::other("a load thread panicked")))).sum()
    })
}

/// Every address of 127/8 is this machine. Different ones for different threads, lest short connections use up the
/// ports of one pair of addresses.
fn connect(port: u16, loader: usize) -> io::Result<TcpStream> {
    let ip = Ipv4Addr::new(127, 0, 0, 1 + (loader % 16) as u8);
    let stream = TcpStream::connect_timeout(&SocketAddr::from((ip, port)), PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// A message that no other message equals.
struct Message {
    octets: Vec<u8>,
    reply: Vec<u8>,
    number: u64,
}

impl Message {
    fn new(loader: usize, size: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(loader as u64);
        let octets = std::iter::repeat_with(|| random.u8(..)).take(size).collect();
        Self { octets, reply: vec![0; size], number: (loader as u64) << 48 }
    }

    fn stamp(&mut self, number: u64) {
        let end = self.octets.len().min(8);
        self.octets[..end].copy_from_slice(&number.to_le_bytes()[..end]);
    }

    fn send(&mut self, mut to: &TcpStream) -> io::Result<()> {
        self.number += 1;
        self.stamp(self.number);
        to.write_all(&self.octets)
    }

    /// `back` messages after this one was sent.
    fn receive(&mut self, mut from: &TcpStream, number: u64) -> io::Result<()> {
        from.read_exact(&mut self.reply)?;
        self.stamp(number);
        if self.reply != self.octets {
            return Err(io::Error::other("what came back is not what was sent"));
        }
        Ok(())
    }
}

/// All connections of this thread are sent to, then all are read: the server has them all to do at once.
fn ping_pong(port: u16, loader: usize, share: usize, size: usize, time: Duration, ready: &Barrier) -> io::Result<f64> {
    let streams: io::Result<Vec<TcpStream>> = (0..share).map(|_| connect(port, loader)).collect();
    let mut message = Message::new(loader, size);
    let mut once = |streams: &[TcpStream]| -> io::Result<()> {
        let first = message.number + 1;
        streams.iter().try_for_each(|s| message.send(s))?;
        streams.iter().zip(first..).try_for_each(|(s, number)| message.receive(s, number))
    };
    // Once round before the clock starts: every connection has been accepted by then. A thread that failed still comes
    // to the barrier, where the others wait.
    let warm = streams.and_then(|streams| once(&streams).map(|()| streams));
    ready.wait();
    let streams = warm?;
    let start = Instant::now();
    let mut rounds = 0;
    while start.elapsed() < time {
        once(&streams)?;
        rounds += 1;
    }
    Ok((rounds * share) as f64 / start.elapsed().as_secs_f64())
}

fn short(port: u16, loader: usize, size: usize, time: Duration, ready: &Barrier) -> io::Result<f64> {
    let mut message = Message::new(loader, size);
    ready.wait();
    let start = Instant::now();
    let mut done = 0;
    while start.elapsed() < time {
        let stream = connect(port, loader)?;
        message.send(&stream)?;
        message.receive(&stream, message.number)?;
        done += 1;
    }
    Ok(f64::from(done) / start.elapsed().as_secs_f64())
}
