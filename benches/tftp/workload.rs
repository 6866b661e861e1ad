//! What is fetched, and how.

use crate::fetch::{Ask, Got, fetch};
use crate::files::{EIGHTH, Files, LARGE, LARGE_OCTETS};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::Instant;

/// One file after another, or several at once.
#[derive(Clone, Copy)]
pub(crate) struct Workload {
    pub(crate) at_once: usize,
    pub(crate) ask: Ask,
    /// What our server is to reach: so many times the fastest of the others.
    pub(crate) goal: f64,
}

const fn one(blksize: usize, windowsize: usize, goal: f64) -> Workload {
    Workload { at_once: 1, ask: Ask { blksize, windowsize }, goal }
}

pub(crate) const WORKLOADS: [Workload; 5] = [
    one(512, 1, 1.0),
    one(1428, 1, 1.0),
    one(8192, 1, 1.0),
    one(1428, 16, 1.3),
    Workload { at_once: 8, ask: Ask { blksize: 1428, windowsize: 1 }, goal: 1.0 },
];

impl Workload {
    /// Fetches it all; returns octets a second, and what the last transfer was granted, with the packets sent again by all.
    pub(crate) fn run(&self, server: SocketAddr, files: &Files) -> io::Result<(f64, Got)> {
        let start = Instant::now();
        let got = if self.at_once == 1 {
            fetch(server, LARGE, self.ask, &files.large)?
        } else {
            thread::scope(|scope| {
                let fetches =
                    (0..self.at_once).map(|_| scope.spawn(|| fetch(server, EIGHTH, self.ask, files.eighth())));
                let fetches: Vec<_> = fetches.collect();
                let died = |_| Err(io::Error::other("a transfer panicked"));
                fetches.into_iter().try_fold(Got::default(), |sum, fetch| {
                    let got = fetch.join().unwrap_or_else(died)?;
                    Ok::<Got, io::Error>(Got { resent: sum.resent + got.resent, ..got })
                })
            })?
        };
        Ok((LARGE_OCTETS as f64 / start.elapsed().as_secs_f64(), got))
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blksize {}", self.ask.blksize)?;
        if self.ask.windowsize > 1 {
            write!(f, ", windowsize {}", self.ask.windowsize)?;
        }
        if self.at_once > 1 { write!(f, ", {} at once", self.at_once) } else { Ok(()) }
    }
}
