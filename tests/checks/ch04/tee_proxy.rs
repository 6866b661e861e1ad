//! `tee_proxy`: the traffic as without a mirror, whatever the mirror does.

use crate::checks::ch03::dialling::black_hole;
use crate::checks::common;
use netkata::context::Ready;
use netkata_kit::prelude::*;
use netkata_kit::upstream::Upstream;
use nix::sys::signal::Signal;
use socket2::{Domain, Socket, Type};
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};

const SAME: &str = "this relay's contract: the traffic is what it would be without a mirror";
const HALF: &str = "RFC 9293 §3.6: a FIN closes one direction; the other is still good for what is due";
const SUM: &str = "what the client sent was either mirrored or left out: nothing is in both, nothing in neither";
const BOUND: &str = "a queue without a limit is memory without a limit, in the hands of whoever does not read";

/// More than the kernels and the queue keep for a mirror that does not read.
const FLOOD: usize = 8 << 20;

pub fn program() -> Program {
    Program::exercise(4, "tee_proxy")
        .check("carries_both_ways", "what the client says reaches the server, and the other way round", both_ways)
        .check("carries_every_octet", "octets are carried as they are", every_octet)
        .check("carries_the_half_close", "after the client's FIN the server's answer still comes", half_close)
        .check("mirrors_the_client", "the mirror gets what the client sends, and nothing else", mirrors)
        .check("mirrors_every_octet", "the mirror gets it octet by octet, in order", mirrors_octets)
        .check("mirrors_at_once", "the mirror gets it while the conversation goes on", at_once)
        .check("ends_the_mirror", "when the conversation is over, the mirror gets the rest, and a FIN", ends)
        .check("tells_the_octets", "then a line tells what was carried, and what was mirrored", tells)
        .check(
            "goes_on_without_a_mirror",
            "a mirror that cannot be reached changes nothing, and everything is left out",
            gone,
        )
        .check("does_not_wait_for_a_mirror", "nor does one that never accepts", never_accepts)
        .with(&["--patience", "700ms"])
        .check("survives_a_mirror_that_breaks", "nor one that resets its connection", breaks)
        .check("is_not_slowed_by_a_mirror", "a mirror that does not read holds nobody up", stuck)
        .with(&["--patience", "30s"])
        .check("bounds_the_queue", "what waits for a mirror takes no more memory than --queue", bounded)
        .with(&["--patience", "30s", "--queue", "256KiB"])
        .check("gives_room_back", "what has left the queue makes room for what comes", room)
        .with(&["--queue", "1000"])
        .check(
            "leaves_out_what_does_not_fit",
            "a piece that does not fit is left out and counted; later ones are not",
            gap,
        )
        .with(&["--queue", "1000"])
        .check("gives_up_a_stuck_mirror", "a mirror that takes nothing for --patience is given up", gives_up)
        .with(&["--patience", "300ms"])
        .check("throws_answers_away", "what the mirror says reaches nobody, and fills nothing up", answers)
        .check("serves_clients_side_by_side", "each client has a mirror connection of its own", side_by_side)
        .check("ends_on_sigterm", "SIGTERM ends a relay without clients", ends_on_sigterm)
}

/// The relay with both of its peers.
struct Peers {
    server: Upstream,
    mirror: Upstream,
}

fn start(s: &mut Scene) -> Outcome<Peers> {
    let peers = Peers { server: s.upstream()?, mirror: s.upstream_slow(1 << 16)? };
    start_between(s, &peers.server, &peers.mirror.to_string())?;
    Ok(peers)
}

fn start_between(s: &mut Scene, server: &Upstream, mirror: &str) -> Outcome {
    s.start_with_arguments(&["127.0.0.1:0".into(), server.to_string(), "--mirror".into(), mirror.into()])
}

/// A client, and the connections that the relay makes for it.
fn join(s: &mut Scene, peers: &Peers) -> Outcome<[Talk; 3]> {
    let client = s.connect()?;
    Ok([client, peers.server.accept()?, peers.mirror.accept()?])
}

/// Both sides say that they are done.
fn finish(client: &mut Talk, server: &mut Talk) -> Outcome {
    client.half_close()?;
    server.expect_close(Close::Fin).because(HALF)?;
    server.half_close()?;
    client.expect_close(Close::Fin).because(HALF)
}

/// The line that the relay prints when a conversation is over, without the client's address: to the server, back,
/// mirrored, left out.
fn totals(s: &mut Scene) -> Outcome<[u64; 4]> {
    let line = s
        .output_line()
        .because("this relay's contract: a line on standard output when mirror and conversation are over")?;
    let numbers: Vec<u64> = line
        .split_once(": ")
        .map(|(_, rest)| rest.split([' ', ',', ';']).filter_map(|word| word.parse().ok()).collect())
        .unwrap_or_default();
    let expected = "a line `ADDRESS: N to the server, N back; N mirrored, N left out`";
    numbers.try_into().map_err(|_| Failure::new(expected, format!("{line:?}")))
}

fn expect_totals(s: &mut Scene, expected: [usize; 4], why: &str) -> Outcome {
    let got = totals(s)?;
    if got == expected.map(|n| n as u64) {
        return Ok(());
    }
    let words = |[up, back, mirrored, left]: [String; 4]| {
        format!("{up} to the server, {back} back; {mirrored} mirrored, {left} left out")
    };
    Err(Failure::new(words(expected.map(|n| n.to_string())), words(got.map(|n| n.to_string())))).because(why)
}

fn both_ways(s: &mut Scene) -> Outcome {
    let (question, answer) = (s.phrase(), s.phrase());
    let peers = start(s)?;
    let [mut client, mut server, mut mirror] = join(s, &peers)?;
    for _ in 0..2 {
        client.send(question.as_bytes())?;
        server.expect(question.as_bytes()).because(SAME)?;
        server.send(answer.as_bytes())?;
        client.expect(answer.as_bytes()).because(SAME)?;
    }
    mirror.ignore();
    finish(&mut client, &mut server)
}

fn every_octet(s: &mut Scene) -> Outcome {
    let (up, down) = (s.every_octet(), s.every_octet());
    let peers = start(s)?;
    let [mut client, mut server, mut mirror] = join(s, &peers)?;
    client.send(&up)?;
    server.expect(&up).because(SAME)?;
    server.send(&down)?;
    client.expect(&down).because(SAME)?;
    mirror.ignore();
    finish(&mut client, &mut server)
}

fn half_close(s: &mut Scene) -> Outcome {
    let (question, answer) = (s.phrase(), s.phrase());
    let peers = start(s)?;
    let [mut client, mut server, mut mirror] = join(s, &peers)?;
    client.send(question.as_bytes())?;
    client.half_close()?;
    server.expect(question.as_bytes())?;
    server.expect_close(Close::Fin).because(HALF)?;
    client.expect_silence(ms(30)).because(HALF)?;
    server.send(answer.as_bytes()).because(HALF)?;
    server.half_close()?;
    client.expect(answer.as_bytes()).because(HALF)?;
    mirror.ignore();
    client.expect_close(Close::Fin)
}

fn mirrors(s: &mut Scene) -> Outcome {
    let (question, answer, last) = (s.phrase(), s.phrase(), s.phrase());
    let why = "this relay's contract: the mirror gets what the client sends";
    let peers = start(s)?;
    let [mut client, mut server, mut mirror] = join(s, &peers)?;
    client.send(question.as_bytes())?;
    server.expect(question.as_bytes())?;
    server.send(answer.as_bytes())?;
    client.expect(answer.as_bytes())?;
    client.send(last.as_bytes())?;
    server.expect(last.as_bytes())?;
    finish(&mut client, &mut server)?;
    mirror.expect(format!("{question}{last}").as_bytes()).because(why)
}

/// As much as fits into the queue, so that nothing may be missing.
fn mirrors_octets(s: &mut Scene) -> Outcome {
    let octets = [s.every_octet(), s.octets(500_000)].concat();
    let peers = start(s)?;
    let [mut client, mut server, mut mirror] = join(s, &peers)?;
    client.send_in_background(&octets)?;
    server.expect(&octets)?;
    finish(&mut client, &mut server)?;
    let got = mirror.read_exactly(octets.len()).because("what fits into the queue need not be left out")?;
    if got == octets {
        return Ok(());
    }
    let at = octets.iter().zip(&got).take_while(|(a, b)| a == b).count();
    let got = if at < 256 { "others, from the first 256 on" } else { "others, after the first 256" };
    Err(Failure::new("the octets that the client has sent, in order", got))
        .because("RFC 9293 §3.8: a stream has an order; a copy of it has the same")
}

fn at_once(s: &mut Scene) -> Outcome {
    let peers = start(s)?;
    let [mut client, mut server, mut mirror] = join(s, &peers)?;
    for _ in 0..3 {
        let words = s.phrase();
        client.send(words.as_bytes())?;
        server.expect(words.as_bytes())?;
        mirror
            .expect(words.as_bytes())
            .because("who watches a conversation that may last for days cannot wait for its end")?;
    }
    finish(&mut client, &mut server)
}

/// The mirror is not read before the conversation is over.
fn ends(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let peers = start(s)?;
    let [mut client, mut server, mut mirror] = join(s, &peers)?;
    client.send(words.as_bytes())?;
    server.expect(words.as_bytes())?;
    mirror.expect(words.as_bytes())?;
    mirror.expect_silence(ms(30)).because("the conversation goes on")?;
    finish(&mut client, &mut server)?;
    mirror.expect_close(Close::Fin).because("without a FIN, the mirror does not know whether that was all")
}

fn tells(s: &mut Scene) -> Outcome {
    let (up, down) = (s.rng.usize(100..900), s.rng.usize(100..900));
    let (question, answer) = (s.octets(up), s.octets(down));
    let peers = start(s)?;
    let [mut client, mut server, mut mirror] = join(s, &peers)?;
    client.send(&question)?;
    server.expect(&question)?;
    server.send(&answer)?;
    client.expect(&answer)?;
    mirror.expect(&question)?;
    s.expect_no_output(ms(30)).because("before the end, the numbers are not final")?;
    finish(&mut client, &mut server)?;
    expect_totals(s, [up, down, up, 0], SUM)
}

fn gone(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let (server, nobody) = (s.upstream()?, s.refusing_address()?.to_string());
    start_between(s, &server, &nobody)?;
    let mut client = s.connect()?;
    let mut server = server.accept()?;
    for _ in 0..2 {
        client.send(words.as_bytes())?;
        server.expect(words.as_bytes()).because(SAME)?;
        server.send(words.as_bytes())?;
        client.expect(words.as_bytes()).because(SAME)?;
    }
    finish(&mut client, &mut server)?;
    let n = 2 * words.len();
    expect_totals(s, [n, n, 0, n], SUM)
}

fn never_accepts(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let hole = black_hole(s)?;
    let server = s.upstream()?;
    start_between(s, &server, &hole.address().to_string())?;
    let start = Instant::now();
    let mut client = s.connect()?;
    let mut server = server.accept()?;
    for _ in 0..3 {
        client.send(words.as_bytes())?;
        server.within(ms(600)).expect(words.as_bytes()).because(SAME)?;
        server.send(words.as_bytes())?;
        client.within(ms(600)).expect(words.as_bytes()).because(SAME)?;
    }
    finish(&mut client, &mut server)?;
    let n = 3 * words.len();
    expect_totals(s, [n, n, 0, n], SUM)?;
    common::not_before(start, ms(700)).because("--patience is a promise, too: until then the mirror may accept")
}

fn breaks(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let peers = start(s)?;
    let [mut client, mut server, mut mirror] = join(s, &peers)?;
    client.send(words.as_bytes())?;
    server.expect(words.as_bytes())?;
    mirror.expect(words.as_bytes())?;
    mirror.reset()?;
    for _ in 0..5 {
        client.send(words.as_bytes()).because(SAME)?;
        server.expect(words.as_bytes()).because(SAME)?;
    }
    finish(&mut client, &mut server)?;
    let [up, _, mirrored, left_out] = totals(s)?;
    // The kernel takes a piece or two before it knows of the reset.
    if up == 6 * words.len() as u64 && mirrored + left_out == up && left_out > 0 {
        return Ok(());
    }
    let got = format!("{up} to the server, {mirrored} mirrored, {left_out} left out");
    Err(Failure::new("the last pieces to be left out, and all to be counted", got)).because(SUM)
}

/// The client says more than anybody keeps for the mirror.
fn flood(s: &mut Scene, client: &mut Talk, server: &mut Talk) -> Outcome {
    let piece = s.octets(65_537);
    let mut octets = piece.repeat(FLOOD / piece.len() + 1);
    octets.truncate(FLOOD);
    client.send_in_background(&octets)?;
    let got = server.within(Duration::from_secs(5)).read_exactly(FLOOD).because(SAME)?;
    if got == octets { Ok(()) } else { Err(Failure::new("every octet, in order", "others")).because(SAME) }
}

fn stuck(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let peers = start(s)?;
    let [mut client, mut server, mirror] = join(s, &peers)?;
    flood(s, &mut client, &mut server)?;
    server.send(words.as_bytes())?;
    client.expect(words.as_bytes()).because(SAME)?;
    finish(&mut client, &mut server)?;
    mirror.leave();
    Ok(())
}

fn bounded(s: &mut Scene) -> Outcome {
    let peers = start(s)?;
    let [mut client, mut server, mirror] = join(s, &peers)?;
    let before = s.memory()?.unwrap_or_default();
    flood(s, &mut client, &mut server)?;
    let after = s.memory()?.unwrap_or_default();
    mirror.leave();
    if after.saturating_sub(before) > 2 << 20 {
        return Err(Failure::new("no more than the queue to be kept", "more than 2 MiB are")).because(BOUND);
    }
    finish(&mut client, &mut server)
}

/// In lock step, so that the queue is empty each time.
fn room(s: &mut Scene) -> Outcome {
    let peers = start(s)?;
    let [mut client, mut server, mut mirror] = join(s, &peers)?;
    for _ in 0..6 {
        let piece = s.octets(400);
        client.send(&piece)?;
        server.expect(&piece)?;
        mirror.expect(&piece).because("the limit is on what waits, not on what a conversation may have")?;
    }
    finish(&mut client, &mut server)?;
    expect_totals(s, [2400, 0, 2400, 0], SUM)
}

/// Pieces of 400, 3,000 and 400 octets, while the mirror does not accept yet. Then it does.
fn gap(s: &mut Scene) -> Outcome {
    let pieces = [s.octets(400), s.octets(3000), s.octets(400)];
    let late = Late::listen()?;
    let server = s.upstream()?;
    start_between(s, &server, &late.address.to_string())?;
    let mut client = s.connect()?;
    let mut server = server.accept()?;
    for piece in &pieces {
        client.send(piece)?;
        server.expect(piece)?;
    }
    s.journal.note("the mirror accepts");
    let got = late.read_to_end(|| finish(&mut client, &mut server))?;
    let expected = [&pieces[0][..], &pieces[2][..]].concat();
    if got != expected {
        return Err(Failure::octets(&expected, &got, "at the mirror"))
            .because("with room for 1,000: 400 fit, 3,000 do not, 400 more do");
    }
    expect_totals(s, [3800, 0, 800, 3000], SUM)
}

/// A port that lets nobody in at first: its queue is full. A SYN that was dropped comes again after a second.
struct Late {
    listener: TcpListener,
    address: SocketAddr,
    parked: Vec<TcpStream>,
}

impl Late {
    fn listen() -> Outcome<Self> {
        let failed = |e: std::io::Error| Failure::new("a port with a full queue", e.to_string());
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).map_err(failed)?;
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).map_err(failed)?;
        socket.listen(0).map_err(failed)?;
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().map_err(failed)?;
        let mut parked = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, ms(100)) {
            parked.push(stream);
        }
        Ok(Self { listener, address, parked })
    }

    /// Lets everybody in, and reads what the last one says while `conversation` comes to its end.
    fn read_to_end(self, conversation: impl FnOnce() -> Outcome) -> Outcome<Vec<u8>> {
        let failed =
            |e: std::io::Error| Failure::new("the relay to connect, and to close", netkata::error::cause_text(&e));
        for _ in &self.parked {
            self.listener.accept().map_err(failed)?;
        }
        let ctx = netkata::context::Context::new().with_timeout(Duration::from_secs(5));
        if ctx.wait_readable(&self.listener).map_err(failed)? != Ready::Socket {
            return Err(Failure::new("the relay to connect, and to close", "it did not connect within 5 s"));
        }
        let (mut stream, _) = self.listener.accept().map_err(failed)?;
        conversation()?;
        let mut got = Vec::new();
        stream.set_read_timeout(Some(Duration::from_secs(5))).map_err(failed)?;
        stream.read_to_end(&mut got).map_err(failed)?;
        Ok(got)
    }
}

/// A piece at a time, each no more than the queue takes, and the next when the relay has nothing to do: so the mirror's
/// thread comes to the point where it cannot go on.
fn gives_up(s: &mut Scene) -> Outcome {
    let peers = start(s)?;
    let [mut client, mut server, mirror] = join(s, &peers)?;
    let piece = s.octets(1 << 20);
    for _ in 0..FLOOD / piece.len() {
        client.send(&piece)?;
        server.read_exactly(piece.len())?;
        s.wait_until_still(ms(500))?;
    }
    finish(&mut client, &mut server)?;
    let [up, _, mirrored, left_out] =
        totals(s).because("a mirror that never reads again would keep a thread for ever")?;
    mirror.leave();
    if up == FLOOD as u64 && mirrored + left_out == up && left_out > 0 {
        return Ok(());
    }
    Err(Failure::new("what was mirrored and what was left out to be all", "other numbers")).because(SUM)
}

/// More answers than the kernels keep for somebody who does not read them.
fn answers(s: &mut Scene) -> Outcome {
    let (words, noise) = (s.phrase(), s.octets(100_000).repeat(120));
    let peers = start(s)?;
    let [mut client, mut server, mut mirror] = join(s, &peers)?;
    let why = "a mirror whose answers nobody reads is stuck writing them, and reads nothing more";
    mirror.send(&noise).because(why)?;
    client.send(words.as_bytes())?;
    server.expect(words.as_bytes())?;
    mirror.expect(words.as_bytes())?;
    client.expect_silence(ms(30)).because(SAME)?;
    server.expect_silence(ms(1)).because(SAME)?;
    finish(&mut client, &mut server)
}

/// The client that came last speaks first.
fn side_by_side(s: &mut Scene) -> Outcome {
    let (first, second) = (s.phrase(), s.phrase());
    let peers = start(s)?;
    let mut a = join(s, &peers)?;
    let mut b = join(s, &peers)?;
    for (talks, words) in [(&mut b, &second), (&mut a, &first)] {
        let [client, server, mirror] = talks;
        client.send(words.as_bytes())?;
        let why = "two conversations in one stream are none; and a silent client must not hold up the next";
        server.expect(words.as_bytes()).because(why)?;
        mirror.expect(words.as_bytes()).because(why)?;
        finish(client, server)?;
    }
    Ok(())
}

fn ends_on_sigterm(s: &mut Scene) -> Outcome {
    let _peers = start(s)?;
    s.signal(Signal::SIGTERM)?;
    s.expect_exit(0, Duration::from_secs(2))
        .because("signal(7): SIGTERM asks a process to end; a server that keeps its word leaves with status 0")
}
