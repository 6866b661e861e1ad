//! What the client hears from the process that its connection was handed to.

use crate::LINE;
use crate::arrival::Arrival;
use crate::lines;
use netkata::deadline::DeadlineStream;
use netkata::error::is_timeout;
use netkata::human;
use std::io::{self, BufReader, Write};
use std::time::Duration;

/// Greets, and answers line by line.
///
/// # Errors
/// When the client is silent for too long, sends too long a line, or breaks off.
pub fn run(arrival: Arrival, idle: Duration) -> io::Result<()> {
    let ship = arrival.ship;
    // Ours are set before each call; whatever timeouts the giver had set are replaced.
    let mut out = DeadlineStream::new(arrival.client);
    let mut lines = BufReader::with_capacity(LINE, out.clone());
    out.set_timeout(idle);
    out.write_all(format!("welcome, {ship}\n").as_bytes())?;
    let ended = loop {
        out.set_timeout(idle);
        let line = match lines::read(&mut lines) {
            Ok(line) if line.is_empty() => break Ok(()),
            Ok(line) => line,
            Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                out.write_all(format!("a line has {LINE} octets at most\n").as_bytes())?;
                break Err(e);
            }
            Err(e) => return Err(silent(e, idle)),
        };
        let words = lines::without_end(&line);
        if words == b"bye" {
            out.write_all(format!("fair winds, {ship}\n").as_bytes())?;
            break Ok(());
        }
        out.write_all(&[ship.as_bytes(), b": ", words, b"\n"].concat())?;
    };
    lines::part(&out);
    ended
}

fn silent(e: io::Error, idle: Duration) -> io::Error {
    if is_timeout(&e) { io::Error::other(format!("no line for {}, closed", human::duration(idle))) } else { e }
}
