//! A relay for datagrams that does what [`Faults`] say.

use super::counts::Counts;
use super::fate::Fate;
use super::faults::{Each, Faults};
use crate::context::Context;
use crate::relay::From;
use crate::relay::datagrams::{Hook, Limits, Verdict, carry};
use std::fmt::{self, Display};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Decides the fate of each datagram, counts, and tells.
pub struct Link<T> {
    faults: Faults,
    counts: Counter,
    tell: T,
}

/// What has been counted so far. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<Mutex<Each<Counts>>>);

impl Counter {
    /// As of now.
    pub fn read(&self) -> Each<Counts> {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Each<Counts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a link tells as it happens. It shows itself as a line of a log.
#[derive(Debug)]
pub enum News<'a> {
    /// `up #3 516 octets dropped`
    Fate(Passing<'a>),
    /// Something else: a refusal, a datagram that is not carried.
    Note(String),
}

/// A datagram and its fate.
#[derive(Debug)]
pub struct Passing<'a> {
    /// Which side it comes from.
    pub from: From,
    /// Its number among those, from one.
    pub number: u64,
    /// Its payload.
    pub octets: &'a [u8],
    /// What becomes of it.
    pub fate: &'a Fate,
}

impl Display for News<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            News::Fate(Passing { from, number, octets, fate }) => {
                let octets = crate::human::count(octets.len(), "octet");
                write!(f, "{} #{number} {octets} {fate}", way(*from))
            }
            News::Note(text) => f.write_str(text),
        }
    }
}

/// `up`, from the client; `down`, from the server.
pub fn way(from: From) -> &'static str {
    match from {
        From::Client => "up",
        From::Server => "down",
    }
}

impl<T: FnMut(News<'_>)> Link<T> {
    /// A link with these faults, that tells `tell`.
    pub fn new(faults: Faults, tell: T) -> Self {
        Self { faults, counts: Counter::default(), tell }
    }

    /// What it counts.
    pub fn counter(&self) -> Counter {
        self.counts.clone()
    }
}

/// Who talks to whom, for the log.
pub struct Path(String);

impl<T: FnMut(News<'_>)> Hook for Link<T> {
    type Path = Path;

    fn begin(&mut self, client: SocketAddr, server: SocketAddr, _: Option<&Path>) -> Path {
        Path(format!("{client} and {server}"))
    }

    fn datagram(&mut self, _: &mut Path, from: From, octets: &[u8]) -> Verdict {
        let mut counts = self.counts.lock();
        let counts_of = counts.of_mut(from);
        let number = counts_of.came + 1;
        let fate = Fate::of(&self.faults, from, number, octets.len());
        counts_of.add(&fate);
        drop(counts);
        (self.tell)(News::Fate(Passing { from, number, octets, fate: &fate }));
        if fate.is_harmless() { Verdict::Pass } else { Verdict::Instead(fate.deliveries(octets)) }
    }

    fn refused(&mut self, Path(between): &mut Path, from: From) {
        let whose = if from == From::Client { "client" } else { "server" };
        (self.tell)(News::Note(format!("{between}: nobody has the {whose}'s port any more")));
    }

    fn unsent(&mut self, Path(between): &mut Path, from: From, why: &io::Error) {
        let why = crate::error::cause_text(why);
        (self.tell)(News::Note(format!("{between}: a datagram {} could not be sent: {why}", way(from))));
    }

    fn not_carried(&mut self, whose: &dyn Display, why: &dyn Display) {
        (self.tell)(News::Note(format!("{whose}: not carried: {why}")));
    }
}

/// A link in a thread of its own. Dropping it ends it.
pub struct Running {
    address: SocketAddr,
    counts: Counter,
    stop: Context,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Running {
    /// Starts a link in front of `upstream`, on a free port of `listen`.
    ///
    /// # Errors
    /// When there is no port or no thread to be had.
    pub fn start<T>(listen: SocketAddr, upstream: SocketAddr, faults: Faults, tell: T) -> io::Result<Self>
    where
        T: FnMut(News<'_>) + Send + 'static,
    {
        let socket = UdpSocket::bind(listen)?;
        let (address, stop) = (socket.local_addr()?, Context::new());
        let mut link = Link::new(faults, tell);
        let (counts, ended) = (link.counter(), stop.clone());
        let run = move || carry(&socket, upstream, &Limits::default(), &mut link, &ended);
        let thread = thread::Builder::new().name("lossy link".into()).spawn(run)?;
        Ok(Self { address, counts, stop, thread: Some(thread) })
    }

    /// Where clients send to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has been counted so far.
    pub fn counts(&self) -> Each<Counts> {
        self.counts.read()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
