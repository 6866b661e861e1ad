//! The chapter's listing to fill in, `reads.hex`: its answers are what this machine's kernel gives.

use netkata::course::predict;
use netkata::unix::Kind::{self, Datagram, Seqpacket, Stream};
use netkata::unix::pass;
use nix::sys::socket::{MsgFlags, recv};
use socket2::{Domain, Socket};
use std::io::ErrorKind;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd};

/// A line of the listing: what the call returned, and the buffer as it is then.
type Line = [u8; 5];
const WAITS: u8 = 0xff;

/// Two ends. `None`: the writer has closed.
struct Pair(Option<Socket>, Socket);

fn pair(kind: Kind, writes: &[&str]) -> Pair {
    let (writer, reader) = Socket::pair(Domain::UNIX, kind.socket_type(), None).expect("a pair");
    reader.set_nonblocking(true).expect("a reader that does not wait");
    let pair = Pair(Some(writer), reader);
    writes.iter().for_each(|text| pair.write(text));
    pair
}

impl Pair {
    fn writer(&self) -> &Socket {
        self.0.as_ref().expect("open")
    }

    fn write(&self, text: &str) {
        assert_eq!(self.writer().send(text.as_bytes()).expect("a write"), text.len());
    }

    fn write_with_a_descriptor(self, text: &str) -> Self {
        assert_eq!(pass::send(self.writer(), text.as_bytes(), &[self.1.as_fd()]).expect("a write"), text.len());
        self
    }

    fn then(self, text: &str) -> Self {
        self.write(text);
        self
    }

    fn closed(self) -> Self {
        Self(None, self.1)
    }

    fn half_closed(self) -> Self {
        self.writer().shutdown(Shutdown::Write).expect("a half-close");
        self
    }

    /// So many reads, and with what flags the first of them.
    fn reads(&self, n: usize, first: MsgFlags) -> Vec<Line> {
        (0..n).map(|i| self.read(if i == 0 { first } else { MsgFlags::empty() })).collect()
    }

    fn read(&self, flags: MsgFlags) -> Line {
        let mut line = *b".....";
        line[0] = match recv(self.1.as_raw_fd(), &mut line[1..], flags).map_err(std::io::Error::from) {
            Ok(n) => u8::try_from(n).expect("four at the most"),
            Err(e) if e.kind() == ErrorKind::WouldBlock => WAITS,
            Err(e) => panic!("{e}"),
        };
        line
    }
}

/// The example, and the situations 1 to 5, in their order.
fn by_the_kernel() -> Vec<Line> {
    let (plain, look) = (MsgFlags::empty(), MsgFlags::MSG_PEEK);
    let long = ["harbour", "pier"];
    let empty = ["", "ebb"];
    let tides = ["spring", "neap"];
    [
        pair(Stream, &["ebb"]).reads(2, plain),
        pair(Stream, &long).reads(3, plain),
        pair(Datagram, &long).reads(3, plain),
        pair(Seqpacket, &long).reads(2, plain),
        pair(Stream, &empty).closed().reads(3, plain),
        pair(Datagram, &empty).closed().reads(3, plain),
        pair(Seqpacket, &empty).closed().reads(3, plain),
        pair(Stream, &["low"]).half_closed().reads(2, plain),
        pair(Datagram, &["low"]).half_closed().reads(2, plain),
        pair(Datagram, &tides).reads(3, look),
        pair(Stream, &tides).reads(3, look),
        pair(Stream, &["lo"]).write_with_a_descriptor("w").then("ebb").reads(2, plain),
    ]
    .concat()
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the listing is about Linux")]
fn the_answers_are_what_the_kernel_does() {
    let solution = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/solutions/ch07/reads.hex");
    let octets = predict::octets(&std::fs::read_to_string(solution).expect("the solution")).expect("a listing");
    let lines: Vec<Vec<u8>> =
        octets.chunk_by(|a, b| a.line == b.line).map(|line| line.iter().filter_map(|o| o.value).collect()).collect();
    assert_eq!(lines, by_the_kernel());
}
