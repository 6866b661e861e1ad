//! The giver's half of a hand-over.

use crate::{LINE, TAKEN, lines, trust};
use netkata::context::Context;
use netkata::deadline::{DeadlineStream, Timeouts};
use netkata::dial;
use netkata::endpoint::Endpoint;
use netkata::error::{Attempt, Result};
use netkata::hexdump;
use netkata::unix::pass;
use std::io::{self, BufReader, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::time::Duration;

// [hand-over]
/// Hands the client's connection to the taker, with the line that the client has said, and waits for its word. The caller's
/// own descriptor is still open afterwards, whatever happened.
pub fn hand_over(client: &TcpStream, line: &[u8], to: &Endpoint, limit: Duration, any_user: bool) -> Result<()> {
    let time = Context::new().with_timeout(limit);
    let mut taker = DeadlineStream::new(dial::endpoint(&time, to)?);
    trust::check(taker.get_ref(), any_user).attempt("hand over to", to)?;
    taker.set_deadline(time.deadline());
    taker.get_ref().write_timeout(Some(limit)).attempt("hand over to", to)?;
    // The descriptor travels with the first octet; what the kernel did not take at once, follows without it.
    let sent = pass::send(taker.get_ref(), line, &[client.as_fd()]).attempt("hand over to", to)?;
    taker.write_all(&line[sent..]).attempt("hand over to", to)?;
    // In the queue of a taker that has died, the descriptor would be closed. Only its word tells.
    let answer = lines::read(&mut BufReader::with_capacity(LINE, taker)).attempt("hand over to", to)?;
    if answer == TAKEN { Ok(()) } else { Err(no(&answer)).attempt("hand over to", to) }
}
// [/hand-over]

fn no(answer: &[u8]) -> io::Error {
    match answer {
        b"" => io::Error::new(io::ErrorKind::UnexpectedEof, "closed without a word"),
        words => io::Error::other(hexdump::text(lines::without_end(words), LINE)),
    }
}
