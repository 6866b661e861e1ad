//! The same in its readable form: anything that reads and writes, and a thread for each direction.
//!
//! It is what one writes first, and it is right, as far as it goes: a half-close is passed on, and replies in flight arrive.
//! What it lacks is why [`carry`](super::carry) is longer. It has no idle limit; a reset arrives as an ordinary end; a question and its
//! answer wake two threads instead of one; and every octet is copied in and out of an 8 KiB buffer.

use crate::conn::Conn;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;

/// What can say that no more will be written, and still be read from. Dropping one of two handles does not: the socket
/// stays open as long as the other lives.
pub trait Finish {
    /// Sends the FIN, or whatever says the same.
    ///
    /// # Errors
    /// As shutdown(2).
    fn finish(&mut self) -> io::Result<()>;
}

macro_rules! finish {
    ($($stream:ty),*) => {$(
        impl Finish for &$stream {
            fn finish(&mut self) -> io::Result<()> {
                self.shutdown(Shutdown::Write)
            }
        }
    )*};
}
finish!(TcpStream, UnixStream, Conn);

// [one_way]
/// Copies until `from` ends, then says so to `to`. Returns how many octets that were.
///
/// # Errors
/// As read(2) and write(2). The other side is told that nothing more comes all the same.
pub fn one_way(mut from: impl Read, mut to: impl Write + Finish) -> io::Result<u64> {
    let copied = io::copy(&mut from, &mut to);
    let finished = to.finish();
    copied.and_then(|octets| finished.map(|()| octets))
}
// [/one_way]

// [both_ways]
/// Copies both ways until both sides have ended. Returns what came from each.
///
/// # Errors
/// Those of [`one_way`]. The other direction still goes on to its own end.
pub fn both_ways<A, B>(a: &A, b: &B) -> (io::Result<u64>, io::Result<u64>)
where
    A: Sync,
    B: Sync,
    for<'s> &'s A: Read + Write + Finish,
    for<'s> &'s B: Read + Write + Finish,
{
    thread::scope(|scope| {
        let there = scope.spawn(|| one_way(a, b));
        let back = one_way(b, a);
        (there.join().unwrap_or_else(|_| Err(io::Error::other("a panic"))), back)
    })
}
// [/both_ways]

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A client over TCP, a server on a Unix socket. The client finishes its question first; the answer still arrives.
    #[test]
    fn replies_in_flight_arrive() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let mut client = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
        let near = listener.accept().expect("accept").0;
        let (far, mut server) = UnixStream::pair().expect("pair");
        let relay = thread::spawn(move || both_ways(&near, &far));
        client.write_all(b"how deep?").expect("write");
        client.shutdown(Shutdown::Write).expect("shutdown");
        let mut got = String::new();
        server.read_to_string(&mut got).expect("question");
        assert_eq!(got, "how deep?");
        server.write_all(b"4 m").expect("write");
        drop(server);
        got.clear();
        client.read_to_string(&mut got).expect("answer");
        assert_eq!(got, "4 m");
        let (there, back) = relay.join().expect("join");
        assert_eq!((there.expect("there"), back.expect("back")), (9, 3));
    }

    /// One way, from what is no socket at all.
    #[test]
    fn anything_that_reads() {
        let (mut server, near) = UnixStream::pair().expect("pair");
        assert_eq!(one_way(&b"Alma\nBruna\n"[..], &near).expect("copy"), 11);
        let mut got = String::new();
        server.read_to_string(&mut got).expect("read");
        assert_eq!(got, "Alma\nBruna\n");
    }
}
