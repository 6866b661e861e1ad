//! The mistake: a handler that stops reading while the client goes on.

use super::Reader;
use netkata::accept::{self, Limits};
use netkata::addr::Network;
use netkata::context::Context;
use netkata::error::{Attempt, Result, cause_text};
use netkata::{exit, human, listen, stop, sys};
use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// How long to wait for a client's next octets.
const IDLE: Duration = Duration::from_secs(60);
/// Octets read at once: few, so that `--rate` is even and `--read` is exact.
const SIP: usize = 1024;

pub fn serve(address: &str, how: &Reader) -> Result<()> {
    sys::limits::raise_descriptors().attempt("raise", "the limit on open descriptors")?;
    let stop = stop::on_signals()?;
    let listener = listen::tcp_announced(Network::Tcp, address)?;
    let resume = at_enter(&stop).attempt("wait for", "Enter")?;
    let limits = Limits { grace: how.grace, ..Limits::default() };
    let how = how.clone();
    let left = accept::serve(&stop, listener, &limits, move |stream, peer| {
        let ended = match drain(stream, peer, &how, &resume) {
            Ok(total) => exit::say(format_args!("{peer}: the end, after {}", count(total))),
            Err(e) => return exit::log(format_args!("{peer}: {}", cause_text(&e))),
        };
        // Who looks at standard output has left, perhaps; the clients have not.
        drop(ended);
    });
    match left.attempt("accept", address)? {
        0 => {}
        left => exit::log(format_args!("cut off {}", human::count(left, "connection"))),
    }
    Ok(())
}

/// A context that Enter ends, or a signal.
fn at_enter(stop: &Context) -> io::Result<Context> {
    let resume = stop.child();
    let enter = resume.clone();
    // read(2) on a terminal cannot be interrupted: the thread is left behind when a signal comes first.
    thread::Builder::new().name("enter".into()).spawn(move || {
        // The end of the input is no Enter: a server in the background may have none.
        if matches!(io::stdin().read(&mut [0]), Ok(1)) {
            enter.cancel();
        }
    })?;
    Ok(resume)
}

/// Reads to the end of the stream; returns how many octets that were.
fn drain(mut stream: TcpStream, peer: SocketAddr, how: &Reader, resume: &Context) -> io::Result<u64> {
    stream.set_read_timeout(Some(IDLE))?;
    let mut total = 0;
    if how.rate.is_none() {
        total = take(&mut stream, how.read)?;
        let _ = exit::say(format_args!("{peer}: stops after {}", count(total)));
        let _ = resume.sleep(how.resume_after.unwrap_or(Duration::MAX));
        let _ = exit::say(format_args!("{peer}: reads on"));
    }
    let start = Instant::now();
    loop {
        match take(&mut stream, SIP as u64)? {
            0 => return Ok(total),
            n => total += n,
        }
        if let Some(rate) = how.rate {
            let due = Duration::from_secs_f64(total as f64 / f64::from(rate));
            let _ = resume.sleep(due.saturating_sub(start.elapsed()));
        }
    }
}

/// Reads this many octets, or fewer at the end of the stream.
fn take(stream: &mut TcpStream, octets: u64) -> io::Result<u64> {
    io::copy(&mut stream.take(octets), &mut io::sink())
}

fn count(octets: u64) -> String {
    human::count(usize::try_from(octets).unwrap_or(usize::MAX), "octet")
}
