//! Carrying sequenced packets: one by one, whatever their length, the empty ones too. The end of a direction is passed on as
//! one, and told from an empty packet.
//!
//! In each direction one packet is kept at most: who takes nothing is sent nothing, and the sender feels it. Not carried:
//! descriptors and credentials that travel beside the octets.

use crate::relay::{End, From, Options, Outcome, Watch};
use crate::unix::seqpacket::{Packets, Received};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv};
use socket2::SockRef;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Carries packets between a client and its server until both have finished, one of them breaks, nothing has moved for too
/// long, or `stop` becomes readable. [`Options::splice`] means nothing here: splice(2) forgets where a packet ends.
pub fn carry(
    client: Packets,
    server: Packets,
    options: &Options,
    stop: Option<BorrowedFd<'_>>,
    watch: &mut impl Watch,
) -> Outcome {
    let mut pair = Pair { ends: [client, server], ways: Default::default(), watch };
    let end = pair.run(options, stop).err().unwrap_or(End::Finished);
    match &end {
        End::Idle => pair.watch.idle(options.idle),
        End::Broken(from, e) => pair.watch.broken(*from, e),
        End::Finished | End::Stopped => {}
    }
    let [from_client, from_server] = pair.ways.map(|way| way.octets);
    Outcome { from_client, from_server, end }
}

struct Pair<'a, W> {
    ends: [Packets; 2],
    /// From the client, and from the server.
    ways: [Way; 2],
    watch: &'a mut W,
}

#[derive(Default)]
struct Way {
    /// As long as the longest packet so far, which the sender's send buffer limits (net.core.wmem_max).
    buffer: Vec<u8>,
    /// The packet that is on its way: so many octets of the buffer.
    held: Option<usize>,
    octets: u64,
    /// The end has come.
    finished: bool,
    /// The end has been passed on.
    shut: bool,
}

impl<W: Watch> Pair<'_, W> {
    fn run(&mut self, options: &Options, stop: Option<BorrowedFd<'_>>) -> Result<(), End> {
        for end in &self.ends {
            SockRef::from(end).set_nonblocking(true).map_err(|e| End::Broken(From::Client, e))?;
        }
        let mut last = Instant::now();
        while !self.ways.iter().all(|way| way.shut) {
            let left = options.idle.checked_sub(last.elapsed()).ok_or(End::Idle)?;
            let mut fds: Vec<PollFd<'_>> = stop.iter().map(|stop| PollFd::new(*stop, PollFlags::POLLIN)).collect();
            // A side of which nothing is wanted is not asked: when it has closed, poll(2) would return at once for ever.
            let asked = From::BOTH.into_iter().map(|side| (side, self.wanted(side))).filter(|(_, f)| !f.is_empty());
            fds.extend(asked.map(|(side, flags)| PollFd::new(self.ends[at(side)].as_fd(), flags)));
            match poll(&mut fds, timeout(left)) {
                Ok(0) | Err(Errno::EINTR) => continue,
                Err(e) => return Err(End::Broken(From::Client, e.into())),
                Ok(_) if stop.is_some() && fds[0].any() == Some(true) => return Err(End::Stopped),
                Ok(_) => last = Instant::now(),
            }
            for from in From::BOTH {
                self.receive(from)?;
                self.send(from)?;
            }
        }
        Ok(())
    }

    fn wanted(&self, side: From) -> PollFlags {
        let (comes, goes) = (&self.ways[at(side)], &self.ways[at(side.other())]);
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::POLLIN, !comes.finished && comes.held.is_none());
        flags.set(PollFlags::POLLOUT, goes.held.is_some());
        flags
    }

    /// Takes one packet, if there is one and none is on its way.
    fn receive(&mut self, from: From) -> Result<(), End> {
        let (source, way) = (&self.ends[at(from)], &mut self.ways[at(from)]);
        if way.finished || way.held.is_some() {
            return Ok(());
        }
        match next(source, &mut way.buffer) {
            Ok(Received::End) => {
                way.finished = true;
                self.watch.closed(from);
            }
            Ok(Received::Packet { len, .. }) => {
                (way.held, way.octets) = (Some(len), way.octets + len as u64);
                match self.watch.wants(from) {
                    true => self.watch.data(from, &way.buffer[..len]),
                    false => self.watch.passed(from, len),
                }
            }
            Err(e) if is_nothing(&e) => {}
            Err(e) => return Err(End::Broken(from, e)),
        }
        Ok(())
    }

    /// Passes on the packet that came from this side, or its end.
    fn send(&mut self, from: From) -> Result<(), End> {
        let (to, way) = (&self.ends[at(from.other())], &mut self.ways[at(from)]);
        let broken = |e| Err(End::Broken(from.other(), e));
        if let Some(len) = way.held {
            match whole(SockRef::from(to), &way.buffer[..len], |octets| to.send(octets)) {
                Err(e) if is_nothing(&e) => return Ok(()),
                Err(e) => return broken(e),
                Ok(()) => way.held = None,
            }
        }
        if way.finished && !way.shut {
            way.shut = true;
            // Not connected: that side has gone, and will be told nothing.
            match to.shutdown(Shutdown::Write) {
                Err(e) if e.kind() != io::ErrorKind::NotConnected => return broken(e),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Where a side is in the arrays.
fn at(side: From) -> usize {
    side as usize
}

fn is_nothing(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Rounded up: poll(2) counts milliseconds, and zero would not wait.
pub(in crate::tap) fn timeout(left: Duration) -> PollTimeout {
    PollTimeout::try_from(left.saturating_add(Duration::from_millis(1))).unwrap_or(PollTimeout::MAX)
}

/// Takes the next packet into a buffer that is made long enough for it.
fn next(source: &Packets, buffer: &mut Vec<u8>) -> io::Result<Received> {
    make_room(source, buffer)?;
    source.receive(buffer)
}

/// Makes the buffer as long as the packet, or datagram, that is the next to be read. What does not fit into a read is thrown
/// away (unix(7)).
pub(in crate::tap) fn make_room(source: &impl AsFd, buffer: &mut Vec<u8>) -> io::Result<()> {
    let peek = MsgFlags::MSG_PEEK | MsgFlags::MSG_TRUNC | MsgFlags::MSG_DONTWAIT;
    // Linux says how long it is; elsewhere, how much of the buffer it would fill.
    loop {
        let len = recv(source.as_fd().as_raw_fd(), buffer, peek)?;
        if len < buffer.len() || len == 0 || cfg!(target_os = "linux") && len == buffer.len() {
            return Ok(());
        }
        buffer.resize(if cfg!(target_os = "linux") { len } else { len * 2 + 4096 }, 0);
    }
}

/// Sends a packet, or datagram, as a whole. The sender's send buffer took it, so ours is made as long (socket(7), `SO_SNDBUF`).
pub(in crate::tap) fn whole(
    socket: SockRef<'_>,
    octets: &[u8],
    mut send: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    match send(octets) {
        Err(e) if e.raw_os_error() == Some(libc::EMSGSIZE) => {
            socket.set_send_buffer_size(octets.len() + OVERHEAD)?;
            send(octets)
        }
        other => other,
    }
}

/// What the kernel counts besides the octets.
const OVERHEAD: usize = 4096;

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::deadline::Timeouts;
    use std::thread;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[derive(Default)]
    struct Heard(Vec<String>);

    impl Watch for Heard {
        fn data(&mut self, from: From, octets: &[u8]) {
            self.0.push(format!("{from:?} {}", octets.len()));
        }

        fn closed(&mut self, from: From) {
            self.0.push(format!("{from:?} end"));
        }

        fn broken(&mut self, from: From, e: &io::Error) {
            self.0.push(format!("{from:?} {}", crate::error::cause_text(e)));
        }

        fn idle(&mut self, _: Duration) {
            self.0.push("idle".into());
        }
    }

    /// The two ends of a relayed connection, while `scene` has them; what the relay heard.
    fn relayed(idle: Duration, scene: impl FnOnce(Packets, Packets)) -> (Vec<String>, Outcome) {
        let pair = || Packets::pair().expect("pair");
        let ((client, a), (b, server)) = (pair(), pair());
        for end in [&client, &server] {
            end.read_timeout(Some(PATIENCE)).expect("timeout");
        }
        let relay = thread::spawn(move || {
            let mut heard = Heard::default();
            let outcome = carry(a, b, &Options { idle, ..Options::default() }, None, &mut heard);
            (heard.0, outcome)
        });
        scene(client, server);
        relay.join().expect("join")
    }

    fn receive(end: &Packets) -> Received {
        end.receive(&mut vec![0; 1 << 20]).expect("receive")
    }

    fn packet(len: usize) -> Received {
        Received::Packet { len, whole: len }
    }

    /// Several writes, empty ones among them, are as many reads; the end is passed on, and the answer comes after it.
    #[test]
    fn packets_stay_apart() {
        let (heard, outcome) = relayed(PATIENCE, |client, server| {
            for octets in [&b"ping"[..], b"", b"", b"pong!"] {
                client.send(octets).expect("send");
            }
            client.shutdown(Shutdown::Write).expect("shutdown");
            let got: Vec<Received> = (0..5).map(|_| receive(&server)).collect();
            assert_eq!(got, [packet(4), packet(0), packet(0), packet(5), Received::End]);
            server.send(b"aye").expect("send");
            drop(server);
            assert_eq!([receive(&client), receive(&client)], [packet(3), Received::End]);
        });
        let told = ["Client 4", "Client 0", "Client 0", "Client 5", "Client end", "Server 3", "Server end"];
        assert_eq!((heard, outcome.from_client, outcome.from_server), (told.map(String::from).to_vec(), 9, 3));
    }

    /// Longer than a socket's first send buffer, where the system lets the sender have one.
    #[test]
    fn a_long_packet_is_whole() {
        const LONG: usize = 300_000;
        relayed(PATIENCE, |client, server| {
            SockRef::from(&client).set_send_buffer_size(2 * LONG).expect("buffer");
            if client.send(&vec![7; LONG]).is_ok() {
                assert_eq!(receive(&server), packet(LONG));
            }
        });
    }

    /// A server that does not read stops the client, and nothing is lost.
    #[test]
    fn who_reads_slowly_is_waited_for() {
        let (heard, _) = relayed(PATIENCE, |client, server| {
            client.write_timeout(Some(Duration::from_millis(50))).expect("timeout");
            let sent = (0..100_000).take_while(|_| client.send(&[7; 20_000]).is_ok()).count();
            assert!((1..1000).contains(&sent), "{sent}");
            drop(client);
            for _ in 0..sent {
                assert_eq!(receive(&server), packet(20_000));
            }
            assert_eq!(receive(&server), Received::End);
        });
        assert_eq!(heard.last().map(String::as_str), Some("Server end"));
    }

    /// Who has gone is told to the other side, whose next packet cannot be carried; and silence has an end.
    #[test]
    fn it_ends() {
        let (heard, _) = relayed(PATIENCE, |client, server| {
            drop(client);
            assert_eq!(receive(&server), Received::End);
            server.send(b"anybody?").expect("send");
            assert_eq!(receive(&server), Received::End);
        });
        assert_eq!(heard, ["Client end", "Server 8", "Client broken pipe"]);
        let (heard, _) = relayed(Duration::from_millis(30), |client, _server| {
            assert_eq!(receive(&client), Received::End);
        });
        assert_eq!(heard, ["idle"]);
    }
}
