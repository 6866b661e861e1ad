//! Unix sockets that keep messages apart.

use super::{expect_shown, line, shown};
use netkata::deadline::Timeouts;
use netkata::error::cause_text;
use netkata::listen::Accept;
use netkata::unix::seqpacket::{self, Packets, Received};
use netkata::unix::{Access, Bound, Name, datagram, file};
use netkata_kit::patience::PATIENCE;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::net::UnixDatagram;

const APART: &str = "socket(2), SOCK_SEQPACKET: a read gives what one write sent; read(2) of an empty packet gives 0, as at the end, \
                     and is none";
const WAITS: &str = "unix(7): on most implementations, datagram sockets are always reliable; where a queue is full, the sender \
                     waits";

// ---- the server's side, which the grader plays ----

fn failed(what: &str, e: &std::io::Error) -> Failure {
    Failure::new(what, cause_text(e))
}

/// Starts the program from a socket file of its own to that of a server.
fn start(s: &mut Scene, scheme: &str, upstream: &str) -> Outcome {
    let front = s.socket_path()?;
    s.start_with_arguments(&[format!("{scheme}://{front}"), format!("{scheme}://{upstream}")])
}

struct PacketServer(seqpacket::Listener);

impl PacketServer {
    fn start(s: &mut Scene) -> Outcome<Self> {
        let path = s.socket_path()?;
        let listener = seqpacket::listen(&Name::Path(path.clone().into()), &Access::default());
        let listener = listener.map_err(|e| failed("a socket for packets", &e))?;
        start(s, "unixpacket", &path)?;
        Ok(Self(listener))
    }

    fn accept(&self) -> Outcome<Packets> {
        let (packets, _) = self.0.accept_one().map_err(|e| failed("a connection from the program", &e))?;
        packets.read_timeout(Some(PATIENCE)).map_err(|e| failed("a time limit", &e))?;
        Ok(packets)
    }
}

/// The packet that comes to the server, or its end.
fn next(server: &Packets) -> Outcome<Option<Vec<u8>>> {
    let mut buffer = vec![0; 1 << 20];
    match server.receive(&mut buffer).map_err(|e| failed("the upstream to receive a packet", &e))? {
        Received::End => Ok(None),
        Received::Packet { len, .. } => {
            buffer.truncate(len);
            Ok(Some(buffer))
        }
    }
}

fn expect_packet(server: &Packets, octets: &[u8]) -> Outcome {
    match next(server)? {
        Some(got) if got == octets => Ok(()),
        Some(got) => Err(Failure::octets(octets, &got, "the packet at the upstream")),
        None => Err(Failure::new("one more packet at the upstream", "the end of the connection")),
    }
}

struct DatagramServer(Bound<UnixDatagram>);

impl DatagramServer {
    fn start(s: &mut Scene) -> Outcome<Self> {
        let path = s.socket_path()?;
        let bound = file::datagrams(&Name::Path(path.clone().into()), &Access::default());
        let bound = bound.map_err(|e| failed("a socket for datagrams", &e))?;
        bound.socket.set_read_timeout(Some(PATIENCE)).map_err(|e| failed("a time limit", &e))?;
        start(s, "unixgram", &path)?;
        Ok(Self(bound))
    }

    /// Waits for these octets at the upstream, and gives the name that they came from.
    fn expect(&self, octets: &[u8]) -> Outcome<Option<Name>> {
        let mut buffer = vec![0; 1 << 20];
        let came = datagram::receive(&self.0.socket, &mut buffer);
        let came = came.map_err(|e| failed("a datagram at the upstream", &e))?;
        match &buffer[..came.len] {
            got if got == octets => Ok(came.from),
            got => Err(Failure::octets(octets, got, "the datagram at the upstream")),
        }
    }

    fn expect_named(&self, octets: &[u8]) -> Outcome<Name> {
        self.expect(octets)?.ok_or_else(|| Failure::new("a name to answer to", "a sender without one"))
    }

    /// Whether there was room for it: this never waits.
    fn answer(&self, to: &Name, octets: &[u8]) -> bool {
        datagram::send_to(&self.0.socket, octets, to).is_ok()
    }

    fn must_answer(&self, to: &Name, octets: &[u8]) -> Outcome {
        match self.answer(to, octets) {
            true => Ok(()),
            false => Err(Failure::new("a socket that takes the answer", "none, or one that is full")),
        }
    }
}

// ---- what goes through ----

pub fn packets(s: &mut Scene) -> Outcome {
    let (words, answer) = ([s.phrase(), String::new(), s.phrase()], s.phrase());
    let upstream = PacketServer::start(s)?;
    let mut client = s.packets()?;
    let server = upstream.accept()?;
    for words in &words {
        client.send(words.as_bytes())?;
    }
    for words in &words {
        expect_packet(&server, words.as_bytes()).because(APART)?;
    }
    client.half_close()?;
    if next(&server)?.is_some() {
        return Err(Failure::new("the end of what the client says", "one more packet"));
    }
    for words in [&answer, &String::new(), &answer] {
        server.send(words.as_bytes()).map_err(|e| failed("the way back to be open still", &e))?;
        client.expect(words.as_bytes()).because(APART)?;
    }
    drop(server);
    client.expect_end().because("unix(7): each direction has an end of its own")
}

pub fn long_packets(s: &mut Scene) -> Outcome {
    let why = "socket(7), SO_SNDBUF: the sender's buffer is the only limit; what a read has no room for is thrown away";
    let size = s.rng.usize(70_000..100_000);
    let (asked, answer) = (s.octets(size), s.octets(size + 1));
    let upstream = PacketServer::start(s)?;
    let mut client = s.packets()?;
    let server = upstream.accept()?;
    client.send(&asked)?;
    expect_packet(&server, &asked).because(why)?;
    server.send(&answer).map_err(|e| failed("room for a packet", &e))?;
    client.expect(&answer).because(why)
}

pub fn datagrams(s: &mut Scene) -> Outcome {
    let why = "unix(7): a datagram keeps its length, from nothing to what the sender's buffer takes";
    let upstream = DatagramServer::start(s)?;
    let mut client = s.unix_datagrams()?;
    for size in [s.rng.usize(1..999), 0, s.rng.usize(70_000..100_000)] {
        let (asked, answer) = (s.octets(size), s.octets(size));
        client.send(&asked)?;
        let from = upstream.expect_named(&asked).because(why)?;
        upstream.must_answer(&from, &answer)?;
        client.expect(&answer).because(why)?;
    }
    Ok(())
}

/// Answered in the other order.
pub fn clients(s: &mut Scene) -> Outcome {
    let (words, answers) = ([s.phrase(), s.phrase()], [s.phrase(), s.phrase()]);
    let upstream = DatagramServer::start(s)?;
    let mut clients = [s.unix_datagrams()?, s.unix_datagrams()?];
    let mut froms = Vec::new();
    for (client, words) in clients.iter_mut().zip(&words) {
        client.send(words.as_bytes())?;
        froms.push(upstream.expect_named(words.as_bytes())?);
    }
    for ((client, from), answer) in clients.iter_mut().zip(&froms).zip(&answers).rev() {
        upstream.must_answer(from, answer.as_bytes())?;
        client.expect(answer.as_bytes()).because(
            "recvfrom(2): a server knows a client by its name alone; so each needs one of its own towards the server",
        )?;
    }
    Ok(())
}

pub fn nameless(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let upstream = DatagramServer::start(s)?;
    s.unix_datagrams_unnamed()?.send(words.as_bytes())?;
    match upstream.expect(words.as_bytes())? {
        None => Ok(()),
        Some(_) => Err(Failure::new("a sender without a name at the upstream", "one with a name"))
            .because("unix(7): a client that has not called bind(2) has no name; a server may treat it otherwise"),
    }
}

/// Sends numbered answers until the whole way to the client is full; how many there were.
fn fill(upstream: &DatagramServer, to: &Name) -> usize {
    let mut sent = 0_usize;
    // When there has been no room for so long, there will be none.
    let mut until = Instant::now() + ms(100);
    while Instant::now() < until && sent < 20_000 {
        match upstream.answer(to, &sent.to_be_bytes()) {
            true => (sent, until) = (sent + 1, Instant::now() + ms(100)),
            false => std::thread::yield_now(),
        }
    }
    sent
}

pub fn full(s: &mut Scene) -> Outcome {
    let (words, path) = (s.phrase(), s.socket_path()?);
    let upstream = DatagramServer::start(s)?;
    // How many there will be is this machine's business (net.unix.max_dgram_qlen), so they are not written down one by one.
    let client = file::datagrams(&Name::Path(path.into()), &Access::default());
    let client = client.map_err(|e| failed("a socket for datagrams", &e))?;
    client.socket.set_read_timeout(Some(PATIENCE)).map_err(|e| failed("a time limit", &e))?;
    client.socket.send_to(words.as_bytes(), s.place()?).map_err(|e| failed("the program to take a datagram", &e))?;
    let sent = fill(&upstream, &upstream.expect_named(words.as_bytes())?);
    let mut answer = [0; 64];
    for n in 0..sent {
        let came = client.socket.recv(&mut answer).map(|len| &answer[..len]);
        if !came.is_ok_and(|octets| octets == n.to_be_bytes()) {
            return Err(Failure::new("all answers that could be sent, in order", "one is missing")).because(WAITS);
        }
    }
    Ok(())
}

pub fn holds_up_nobody(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase()];
    let upstream = DatagramServer::start(s)?;
    let (mut lazy, mut keen) = (s.unix_datagrams()?, s.unix_datagrams()?);
    lazy.send(words[0].as_bytes())?;
    fill(&upstream, &upstream.expect_named(words[0].as_bytes())?);
    let why = "unix(7): each socket has a queue of its own; one that is full is its owner's business";
    keen.send(words[1].as_bytes())?;
    upstream.expect(words[1].as_bytes()).because(why).map(drop)
}

// ---- what is shown ----

pub fn shows_packets(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase()];
    let upstream = PacketServer::start(s)?;
    let mut client = s.packets()?;
    let server = upstream.accept()?;
    let opening = shown(s)?;
    if !opening.starts_with("A → connect  (unix client 1 to unixpacket://") {
        let wanted = "a line `A → connect  (unix client 1 to unixpacket://…)`";
        return Err(Failure::new(wanted, format!("`{opening}`")));
    }
    for words in ["", &words[0], &words[1]] {
        client.send(words.as_bytes())?;
        expect_packet(&server, words.as_bytes())?;
        match words {
            "" => expect_shown(s, "A → 0 octets").because("nothing was said, and that it was said is something")?,
            words => expect_shown(s, &line("A →", words.as_bytes())).because(APART)?,
        }
    }
    client.half_close()?;
    expect_shown(s, "A → end of file")
}

pub fn shows_the_gone(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase()];
    let upstream = DatagramServer::start(s)?;
    let mut client = s.unix_datagrams()?;
    client.send(words[0].as_bytes())?;
    let from = upstream.expect_named(words[0].as_bytes())?;
    let opening = shown(s)?;
    if !opening.starts_with("A (/") || !opening.contains(" to unixgram:///") {
        return Err(Failure::new("a line `A (/… to unixgram:///…)`", format!("`{opening}`")));
    }
    expect_shown(s, &line("A →", words[0].as_bytes()))?;
    client.leave()?;
    upstream.must_answer(&from, words[1].as_bytes())?;
    expect_shown(s, &line("A ←", words[1].as_bytes()))?;
    expect_shown(s, "A → nobody has the name")
        .because("sendto(2), ECONNREFUSED, ENOENT: without a word, an answer to nobody looks like one that arrived")
}

// ---- how it ends ----

pub fn leaves_nothing(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let upstream = DatagramServer::start(s)?;
    let mut client = s.unix_datagrams()?;
    client.send(words.as_bytes())?;
    upstream.expect_named(words.as_bytes())?;
    s.signal(Signal::SIGTERM)?;
    s.expect_exit(0, Duration::from_secs(2))?;
    client.leave()?;
    drop(upstream);
    let folder = s.folder()?;
    let left = fs::read_dir(&folder).map_err(|e| failed("the scene's folder", &e))?.flatten().count();
    match left {
        0 => Ok(()),
        _ => Err(Failure::new("no socket file where they were", format!("{left} left behind")))
            .because("unix(7): neither close(2) nor the end of a process removes a socket file"),
    }
}

pub fn like_to_like(s: &mut Scene) -> Outcome {
    let path = s.socket_path()?;
    for (listen, upstream) in [("unixgram://", "unix://"), ("unixpacket://", "unixgram://"), ("unixpacket://", "")] {
        let (listen, upstream) = (format!("{listen}{path}"), format!("{upstream}{path}.up"));
        s.run_unseen(&[&listen, &upstream])?;
        s.expect_exit(1, Duration::from_secs(2))?;
        s.expect_error("messages go to a socket of the same kind only")
            .because("socket(2): a stream has no boundaries; packets that went into one would not come out again")?;
    }
    Ok(())
}
