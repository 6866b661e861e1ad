//! `proxy`: octets both ways between a client and a server, as if they were connected to each other.

use crate::checks::common;
use netkata::black_hole::BlackHole;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::Path;

const STREAM: &str =
    "RFC 9293 §3.8: TCP carries a stream of octets, in order; a relay adds nothing and takes nothing away";
const HALF_CLOSE: &str = "RFC 9293 §3.6: a FIN closes one direction; the other is still good for what is due";
const RESET: &str =
    "RFC 9293 §3.5.3: a reset says that the stream is broken; a FIN in its place would say that it is whole";
const UNIX: &str = "unix(7): a stream between two sockets of one machine is read and written as a TCP connection is";

pub fn program() -> Program {
    relays(Program::finished(4, "proxy"))
        .check("turns_clients_away_with_a_reset", "without an upstream, the client is reset", refused)
        .check("says_why_it_turned_a_client_away", "the log names the upstream and the reason", says_why)
        .finished_only()
        .check("gives_a_silent_upstream_up", "an upstream has --connect-timeout to answer", silent)
        .with(&["--connect-timeout", "200ms"])
        .check("resets_an_idle_connection", "when nothing moves for --idle, both sides are reset", idle)
        .with(&["--idle", "200ms"])
        .check("traffic_keeps_a_connection_open", "octets either way move the idle limit on", pushed_on)
        .with(&["--idle", "1s"])
        .check("carries_tcp_to_a_socket_file", "the upstream may be a Unix socket", tcp_to_unix)
        .check("carries_a_socket_file_to_tcp", "clients may come over a Unix socket", unix_to_tcp)
        .check("keeps_the_last_words_of_a_unix_client", "who sends all and closes has still sent all", unix_last_words)
        .check("looks_names_up", "the upstream may be a name", names)
        .check("replaces_a_stale_socket_file", "a file that a dead server left is replaced", stale)
        .check("leaves_a_live_socket_alone", "a file that somebody listens on is not taken away", live)
        .check("removes_its_socket_file", "at the end, the socket file is gone", removes)
        .check("gives_descriptors_back", "what a connection opened is closed with it", no_leak)
        .check("refuses_beyond_the_limit", "connections beyond --max-connections are closed at once", refuses)
        .with(&["--max-connections", "2"])
        .check("logs_each_connection", "with -v, a line tells how much went each way", logs)
        .with(&["-v"])
        .check("ends_on_sigterm", "SIGTERM ends an idle relay", common::ends_on_sigterm)
        .with(&["127.0.0.1:9"])
        .check("ends_on_sigint", "Ctrl-C ends an idle relay", common::ends_on_sigint)
        .with(&["127.0.0.1:9"])
        .check("finishes_what_it_accepted", "after SIGTERM, a connection may go on to its end", finishes)
        .check("names_a_bad_address", "a bad address, on either side, is named in one line", bad_address)
        .finished_only()
        .check("names_a_port_in_use", "a port that is taken is named in one line", port_in_use)
        .finished_only()
}

/// The rules of every relay.
pub(super) fn relays(program: Program) -> Program {
    program
        .check("carries_octets_both_ways", "what one side sends arrives at the other, and nothing else", both_ways)
        .check("lets_the_server_speak_first", "who speaks first is not the relay's business", server_first)
        .check("keeps_every_octet_value", "every octet arrives as it was sent, text or not", every_octet)
        .check("passes_the_clients_half_close_on", "the server learns that the question is complete", client_half_close)
        .check("carries_replies_in_flight", "the answer to a finished question still comes back", replies_in_flight)
        .check("passes_the_servers_half_close_on", "a server that has finished may still listen", server_half_close)
        .check("slows_the_sender_down", "who does not read slows the other side down, and misses nothing", slow_reader)
        .check("passes_the_clients_reset_on", "the server learns that the client broke off", client_reset)
        .check("passes_the_servers_reset_on", "the client learns that the server broke off", server_reset)
        .check("keeps_the_answer_before_a_reset", "an answer that came before a reset arrives", answer_then_reset)
        .check("lets_a_slow_reader_finish_before_a_reset", "a reset overtakes nothing", reset_behind_slow_reader)
        .check("carries_both_ways_when_one_is_stuck", "one direction that is full does not stop the other", one_stuck)
        .check("carries_sixty_four_mebibytes", "there is no largest conversation", much)
        .check("serves_clients_side_by_side", "each client has a connection of its own to the server", side_by_side)
}

/// A relay between the grader's client and the grader's server.
fn between(s: &mut Scene) -> Outcome<(Talk, Talk)> {
    let upstream = s.upstream()?;
    s.start_in_front_of(&upstream)?;
    let client = s.connect()?;
    Ok((client, upstream.accept()?))
}

/// Reads as many octets as these, which must be equal. For many: where exactly a wrong relay stops differs from run to run.
fn expect_much(talk: &mut Talk, octets: &[u8]) -> Outcome {
    for (i, part) in octets.chunks(1 << 20).enumerate() {
        if talk.read_exactly(part.len())? != part {
            return Err(Failure::new("the octets that were sent", format!("others, in mebibyte {}", i + 1)));
        }
    }
    Ok(())
}

/// In lock step: each message leaves only when the one before has arrived.
fn both_ways(s: &mut Scene) -> Outcome {
    let (mut client, mut server) = between(s)?;
    for _ in 0..3 {
        let (question, answer) = (s.phrase(), s.phrase());
        client.send(question.as_bytes())?;
        server.expect(question.as_bytes()).because(STREAM)?;
        server.send(answer.as_bytes())?;
        client.expect(answer.as_bytes()).because(STREAM)?;
    }
    client.expect_no_more(ms(20))?;
    server.expect_no_more(ms(20))
}

fn server_first(s: &mut Scene) -> Outcome {
    let greeting = s.phrase();
    let (mut client, mut server) = between(s)?;
    server.send(greeting.as_bytes())?;
    client
        .expect(greeting.as_bytes())
        .because("RFC 5321 §3.1: an SMTP server speaks first; a relay that waits for the client waits for ever")
}

fn every_octet(s: &mut Scene) -> Outcome {
    let (up, down) = (s.every_octet(), s.every_octet());
    let (mut client, mut server) = between(s)?;
    client.send(&up)?;
    server.expect(&up).because(STREAM)?;
    server.send(&down)?;
    client.expect(&down).because(STREAM)
}

fn client_half_close(s: &mut Scene) -> Outcome {
    let question = s.phrase();
    let (mut client, mut server) = between(s)?;
    client.send(question.as_bytes())?;
    client.half_close()?;
    server.expect(question.as_bytes())?;
    server.expect_close(Close::Fin).because(HALF_CLOSE)?;
    client.ignore();
    Ok(())
}

/// The server answers in two parts, after it has seen the end of the question.
fn replies_in_flight(s: &mut Scene) -> Outcome {
    let (question, first, second) = (s.phrase(), s.phrase(), s.phrase());
    let (mut client, mut server) = between(s)?;
    client.send(question.as_bytes())?;
    client.half_close()?;
    server.expect(question.as_bytes())?;
    server.expect_close(Close::Fin)?;
    for answer in [first, second] {
        server.send(answer.as_bytes()).because(HALF_CLOSE)?;
        client.expect(answer.as_bytes()).because(HALF_CLOSE)?;
    }
    server.half_close()?;
    client.expect_close(Close::Fin)
}

fn server_half_close(s: &mut Scene) -> Outcome {
    let (farewell, late) = (s.phrase(), s.phrase());
    let (mut client, mut server) = between(s)?;
    server.send(farewell.as_bytes())?;
    server.half_close()?;
    client.expect(farewell.as_bytes())?;
    client.expect_close(Close::Fin).because(HALF_CLOSE)?;
    client.send(late.as_bytes()).because(HALF_CLOSE)?;
    server.expect(late.as_bytes()).because(HALF_CLOSE)?;
    client.half_close()?;
    server.expect_close(Close::Fin)
}

/// More than all kernels between will hold. The relay may keep a little, not the rest.
fn slow_reader(s: &mut Scene) -> Outcome {
    const OFFERED: usize = 64 << 20;
    let why =
        "RFC 9293 §3.8.6: a full window makes the sender wait; a relay that reads on keeps the difference in memory";
    let block = s.octets(1 << 20);
    let upstream = s.upstream_slow(1 << 16)?;
    s.start_in_front_of(&upstream)?;
    let mut client = s.connect()?;
    let mut server = upstream.accept()?;
    let before = s.memory()?.unwrap_or_default();
    let sent = client.send_until_full(&block.repeat(OFFERED >> 20), ms(200));
    let grown = s.memory()?.unwrap_or_default().saturating_sub(before);
    if sent == OFFERED || grown > 8 << 20 {
        let got =
            if sent == OFFERED { "it took 64 MiB that nobody reads" } else { "its memory grew by more than 8 MiB" };
        return Err(Failure::new("the relay to stop reading while the server does not", got)).because(why);
    }
    client.half_close()?;
    expect_much(&mut server, &block.repeat(OFFERED >> 20)[..sent])
        .because("nothing may be lost on the way to a slow reader")?;
    server.expect_close(Close::Fin)
}

fn client_reset(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let (mut client, mut server) = between(s)?;
    client.send(words.as_bytes())?;
    server.expect(words.as_bytes())?;
    client.reset()?;
    server.expect_close(Close::Rst).because(RESET)
}

fn server_reset(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let (mut client, mut server) = between(s)?;
    server.send(words.as_bytes())?;
    client.expect(words.as_bytes())?;
    server.reset()?;
    client.expect_close(Close::Rst).because(RESET)
}

/// The server answers and closes, with a part of the question unread: its kernel sends an RST after the answer. All of
/// that is there when the relay looks next, and so are more octets for the server.
fn answer_then_reset(s: &mut Scene) -> Outcome {
    let (question, rest, answer) = (s.phrase(), s.phrase(), s.phrase());
    let (mut client, mut server) = between(s)?;
    client.send(question.as_bytes())?;
    server.expect(&question.as_bytes()[..4])?;
    client.expect_silence(ms(20))?;
    s.hold()?;
    client.send(rest.as_bytes())?;
    server.send(answer.as_bytes())?;
    server.ignore();
    drop(server);
    s.release()?;
    client.expect(answer.as_bytes()).because(
        "RFC 9293 §3.6.1: who closes with octets unread sends a reset; what it had said before is still good",
    )?;
    client.expect_close(Close::Rst).because(RESET)
}

/// The client is so slow that the answer waits in the relay's kernel when the server's reset comes.
fn reset_behind_slow_reader(s: &mut Scene) -> Outcome {
    let answer = s.octets(200_000);
    let upstream = s.upstream()?;
    s.start_in_front_of(&upstream)?;
    let mut client = s.connect_slow(4096)?;
    let mut server = upstream.accept()?;
    server.send(&answer)?;
    server.wait_until_read();
    server.reset()?;
    // By now a relay in a hurry has thrown the rest away.
    s.wait_until_still(ms(500))?;
    expect_much(&mut client, &answer).because(
        "socket(7), SO_LINGER: a close with a linger time of zero throws away what the kernel has not delivered yet",
    )?;
    client.expect_close(Close::Rst).because(RESET)
}

/// The client has sent until nothing more fits, and the server does not read before its own octets have arrived.
fn one_stuck(s: &mut Scene) -> Outcome {
    const OFFERED: usize = 64 << 20;
    let (up, down) = (s.octets(1 << 20), s.octets(4 << 20));
    let (mut client, mut server) = between(s)?;
    let sent = client.send_until_full(&up.repeat(OFFERED >> 20), ms(100));
    server.send_in_background(&down)?;
    let why = "RFC 9293 §3.8.6: each direction has a window of its own; they do not wait for each other";
    expect_much(&mut client, &down).because(why)?;
    expect_much(&mut server, &up.repeat(OFFERED >> 20)[..sent]).because(why)
}

fn much(s: &mut Scene) -> Outcome {
    // Not a power of two, so that a block that goes astray does not look like another.
    let octets = s.octets((1 << 20) - 7).repeat(65);
    let (mut client, mut server) = between(s)?;
    server.send_in_background(&octets)?;
    expect_much(&mut client, &octets[..64 << 20]).because(STREAM)?;
    client.ignore();
    Ok(())
}

/// The first client is silent; those that come later are served, each by its own connection.
fn side_by_side(s: &mut Scene) -> Outcome {
    let upstream = s.upstream()?;
    s.start_in_front_of(&upstream)?;
    let mut pairs = Vec::new();
    let why = "accept(2) takes one connection at a time; carrying it must not keep the relay from the next";
    for _ in 0..8 {
        let client = s.connect()?;
        pairs.push((client, upstream.accept().because(why)?));
    }
    for (client, server) in pairs.iter_mut().rev() {
        let (question, answer) = (s.phrase(), s.phrase());
        client.send(question.as_bytes())?;
        server.expect(question.as_bytes()).because(why)?;
        server.send(answer.as_bytes())?;
        client.expect(answer.as_bytes()).because(why)?;
    }
    Ok(())
}

/// A client of a relay whose upstream is not there, and the address where it is not.
fn turned_away(s: &mut Scene) -> Outcome<(SocketAddr, Talk)> {
    let nobody = s.refusing_address()?;
    s.start_in_front_of(nobody)?;
    // So that the client is in before it is thrown out.
    s.hold()?;
    let client = s.connect()?;
    s.release()?;
    Ok((nobody, client))
}

fn refused(s: &mut Scene) -> Outcome {
    let (_, mut client) = turned_away(s)?;
    client.expect_close(Close::Rst).because(
        "RFC 9293 §3.5.2: a refused connection is answered with a reset; a FIN would look like an empty answer",
    )
}

fn says_why(s: &mut Scene) -> Outcome {
    let (nobody, mut client) = turned_away(s)?;
    client.ignore();
    s.expect_error(&format!("connect tcp://{nobody}: connection refused"))
        .because("whoever reads the log must see which server was not there: the client was told nothing")
}

pub(super) fn silent(s: &mut Scene) -> Outcome {
    let hole = BlackHole::open().map_err(|e| Failure::new("a silent port", e.to_string()))?;
    s.start_in_front_of(hole.address())?;
    let start = Instant::now();
    s.connect()?
        .expect_close(Close::Rst)
        .because("connect(2) alone waits two minutes and more for a host that is down; a client should not have to")?;
    common::not_before(start, ms(200))
}

fn idle(s: &mut Scene) -> Outcome {
    let (mut client, mut server) = between(s)?;
    let why = "an idle connection costs a thread and two descriptors, and its peers may be long gone";
    client.expect_close(Close::Rst).because(why)?;
    server.expect_close(Close::Rst).because(why)
}

/// What moved within the limit by the grader's own clock, moved within the limit. When a busy machine has held the grader
/// up for longer, a reset proves nothing, and it is tried again.
fn pushed_on(s: &mut Scene) -> Outcome {
    let mut last = Instant::now();
    for _ in 0..4 {
        let outcome = push_on(s, &mut last);
        if outcome.is_ok() || last.elapsed() < ms(1000) {
            return outcome;
        }
    }
    push_on(s, &mut last)
}

/// Octets from one side only, each well within the limit, together well beyond it.
fn push_on(s: &mut Scene, last: &mut Instant) -> Outcome {
    let (mut client, mut server) = between(s)?;
    let why = "the limit counts from the last octet either way, not from the first";
    *last = Instant::now();
    for _ in 0..4 {
        let words = s.phrase();
        client.expect_silence(ms(400)).because(why)?;
        *last = Instant::now();
        server.send(words.as_bytes())?;
        client.expect(words.as_bytes()).because(why)?;
    }
    Ok(())
}

/// A question with its end, and the answer with its end.
fn converse(s: &mut Scene, client: &mut Talk, server: &mut Talk) -> Outcome {
    let (question, answer) = (s.octets(100_000), s.octets(100_000));
    client.send(&question)?;
    client.half_close()?;
    server.expect(&question).because(UNIX)?;
    server.expect_close(Close::Fin).because(UNIX)?;
    server.send(&answer)?;
    server.half_close()?;
    client.expect(&answer).because(UNIX)?;
    client.expect_close(Close::Fin).because(UNIX)
}

fn tcp_to_unix(s: &mut Scene) -> Outcome {
    let upstream = s.upstream_unix()?;
    s.start_in_front_of(&upstream)?;
    let mut client = s.connect()?;
    let mut server = upstream.accept().because(UNIX)?;
    converse(s, &mut client, &mut server)
}

fn unix_to_tcp(s: &mut Scene) -> Outcome {
    let (path, upstream) = (s.socket_path()?, s.upstream()?);
    s.start_with_arguments(&[path, upstream.to_string()])?;
    let mut client = s.connect()?;
    let mut server = upstream.accept().because(UNIX)?;
    converse(s, &mut client, &mut server)
}

/// The client has closed altogether before the server begins to read: poll(2) reports a hang-up at once.
fn unix_last_words(s: &mut Scene) -> Outcome {
    let (path, upstream) = (s.socket_path()?, s.upstream_slow(4096)?);
    s.start_with_arguments(&[path, upstream.to_string()])?;
    let words = s.octets(6 << 20);
    let mut client = s.connect()?;
    let mut server = upstream.accept()?;
    let sent = client.send_until_full(&words, ms(100));
    client.ignore();
    drop(client);
    s.wait_until_still(ms(500))?;
    let why = "poll(2), POLLHUP: a hang-up does not mean that nothing is left to read";
    expect_much(&mut server, &words[..sent]).because(why)?;
    server.expect_close(Close::Fin).because(why)
}

pub(super) fn names(s: &mut Scene) -> Outcome {
    let upstream = s.upstream()?;
    let port = upstream.socket_address().map(|address| address.port()).unwrap_or_default();
    s.start_in_front_of(format!("localhost:{port}"))?;
    let words = s.phrase();
    let mut client = s.connect()?;
    let mut server = upstream.accept().because("RFC 6761 §6.3: localhost is this machine, by name")?;
    client.send(words.as_bytes())?;
    server.expect(words.as_bytes())
}

fn stale(s: &mut Scene) -> Outcome {
    let path = s.socket_path()?;
    // std leaves the file behind when the listener goes, as a kill does.
    netkata_kit::console::close(UnixListener::bind(&path).map_err(|e| Failure::new("a socket file", e.to_string()))?);
    s.start_with_arguments(&[path, "127.0.0.1:9".into()]).because(
        "unix(7): a socket file stays until somebody removes it; after a kill, a server must be able to start again",
    )
}

fn live(s: &mut Scene) -> Outcome {
    let path = s.listen_unix()?;
    s.run_with(&[&path, "127.0.0.1:9"])?;
    common::fails_with(s, "address already in use")
        .because("bind(2), EADDRINUSE: another server listens there, and its next clients would come to us")
}

fn removes(s: &mut Scene) -> Outcome {
    let path = s.socket_path()?;
    s.start_with_arguments(&[path.clone(), "127.0.0.1:9".into()])?;
    s.signal(Signal::SIGTERM)?;
    s.expect_exit(0, Duration::from_secs(2))?;
    if Path::new(&path).exists() {
        return Err(Failure::new("the socket file to be gone", "it is still there"))
            .because("unix(7): closing the socket does not remove its file");
    }
    Ok(())
}

/// Five hundred in turn, every tenth with enough to stream.
fn no_leak(s: &mut Scene) -> Outcome {
    let much = s.octets(200_000);
    let upstream = s.upstream()?;
    s.start_in_front_of(&upstream)?;
    s.wait_until_still(ms(500))?;
    let before = s.descriptors()?.unwrap_or(usize::MAX);
    for i in 0..500 {
        let mut client = s.connect()?;
        let mut server = upstream.accept()?;
        client.send(if i % 10 == 0 { &much } else { &much[..8] })?;
        client.half_close()?;
        server.expect(if i % 10 == 0 { &much } else { &much[..8] })?;
        server.expect_close(Close::Fin)?;
        server.half_close()?;
        client.expect_close(Close::Fin)?;
    }
    s.expect_descriptors(before)
        .because("getrlimit(2), RLIMIT_NOFILE: a relay that leaks one descriptor a connection stops after a thousand")
}

fn refuses(s: &mut Scene) -> Outcome {
    let upstream = s.upstream()?;
    s.start_in_front_of(&upstream)?;
    let mut inside = Vec::new();
    for _ in 0..2 {
        inside.push((s.connect()?, upstream.accept()?));
    }
    s.connect()?
        .expect_close(Close::Fin)
        .because("a cap that is not enforced is no cap: threads and memory run out instead")?;
    upstream.expect_nobody(ms(20))
}

fn logs(s: &mut Scene) -> Outcome {
    let (up, down) = (s.rng.usize(2..500), s.rng.usize(500..1000));
    let (mut client, mut server) = between(s)?;
    let octets = s.octets(1000);
    client.send(&octets[..up])?;
    client.half_close()?;
    server.expect(&octets[..up])?;
    server.expect_close(Close::Fin)?;
    server.send(&octets[..down])?;
    server.half_close()?;
    client.expect(&octets[..down])?;
    client.expect_close(Close::Fin)?;
    let line = s.error_line()?;
    let told = line.split(';').next().unwrap_or_default();
    let expected = format!("{up} octets to the server, {down} octets back");
    if told.ends_with(&expected) {
        return Ok(());
    }
    Err(Failure::new(format!("a line `…: {expected}; …`"), format!("{told:?}")))
        .because("who asks for a log wants to see who talked how much")
}

pub(super) fn finishes(s: &mut Scene) -> Outcome {
    let (question, answer) = (s.phrase(), s.phrase());
    let (mut client, mut server) = between(s)?;
    s.signal(Signal::SIGTERM)?;
    s.expect_refusal()?;
    let why = "a stop is no reason to break a promise: whoever was accepted is carried to the end";
    client.expect_silence(ms(100)).because(why)?;
    client.send(question.as_bytes())?;
    client.half_close()?;
    server.expect(question.as_bytes()).because(why)?;
    server.send(answer.as_bytes())?;
    server.half_close()?;
    client.expect(answer.as_bytes()).because(why)?;
    s.expect_exit(0, Duration::from_secs(2))
        .because("with its last connection gone, a stopping relay has nothing to wait for")
}

pub(super) fn bad_address(s: &mut Scene) -> Outcome {
    for (listen, upstream, named) in [
        ("127.0.0.1", "127.0.0.1:9", "no port"),
        ("harbour..nowhere:7044", "127.0.0.1:9", "harbour..nowhere"),
        ("127.0.0.1:0", "127.0.0.1", "no port"),
        ("127.0.0.1:0", "http://127.0.0.1:9", "unknown scheme"),
        ("127.0.0.1:0", "udp://127.0.0.1:9", "no streams over UDP"),
    ] {
        s.run_with(&[listen, upstream])?;
        common::expect_one_error(s, named)?;
    }
    Ok(())
}

pub(super) fn port_in_use(s: &mut Scene) -> Outcome {
    let taken = s.listen()?.to_string();
    s.run_with(&[&taken, "127.0.0.1:9"])?;
    common::expect_one_error(s, &format!("{taken}: address already in use"))
}
