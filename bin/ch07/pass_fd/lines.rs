//! Lines of a limited length, and the end of a conversation.

use crate::LINE;
use netkata::deadline::DeadlineStream;
use std::io::{self, BufRead, Read};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// How long, and how many octets, to listen to a client that was told goodbye.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_OCTETS: u64 = 1 << 20;

/// The next line with its line end. The last one may lack it; after that, there is an empty one.
///
/// # Errors
/// `InvalidData` when there is no line end in [`LINE`] octets; as read(2).
pub fn read(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    from.take(LINE as u64).read_until(b'\n', &mut line)?;
    if line.len() == LINE && !line.ends_with(b"\n") {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("no line end in {LINE} octets")));
    }
    Ok(line)
}

/// A line without its LF or CR LF.
pub fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// To close a socket that holds unread octets is a reset, which can destroy what was said last: first the end of our direction, then a last look.
pub fn part(stream: &DeadlineStream<TcpStream>) {
    if stream.get_ref().shutdown(Shutdown::Write).is_ok() {
        stream.set_timeout(LINGER);
        let _ = io::copy(&mut stream.clone().take(LINGER_OCTETS), &mut io::sink());
    }
}
