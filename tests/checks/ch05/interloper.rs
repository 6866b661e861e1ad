//! `interloper`: who gets in, with the grader as the server, and as one more stranger.

use crate::checks::common;
use netkata_kit::prelude::*;
use std::net::SocketAddr;

const ANYBODY: &str =
    "recvfrom(2): a socket that is not connected takes datagrams from anybody, and tells who sent each";
const CONNECTED: &str = "udp(7): once a socket is connected, datagrams are received from that address only";
const GAP: &str = "connect(2) filters what comes from now on; what is in the receive buffer already stays there";
const REFUSED: &str = "RFC 1122 §4.1.3.1: where nobody takes a datagram, the host answers with ICMP port unreachable";

pub fn program() -> Program {
    Program::finished(5, "interloper")
        .check(
            "hears_the_stranger_first",
            "not connected, the client hears the stranger, then the server",
            stranger_first,
        )
        .with(&["--timeout", "5s"])
        .check("hears_any_stranger", "not connected, it hears whoever speaks before the server", any_stranger)
        .with(&["--timeout", "5s"])
        .check("hears_what_came_before_connect", "bound first, it still hears what came before connect", before_connect)
        .with(&["--timeout", "5s"])
        .check("is_deaf_after_connect", "once connected, it hears the server and nobody else", deaf_after_connect)
        .with(&["--timeout", "5s"])
        .check("has_no_gap", "connected at once, it hears no stranger at all", no_gap)
        .with(&["--timeout", "5s"])
        .check("is_connected_at_last", "connected at once, strangers are refused", connected_at_last)
        .with(&["--timeout", "5s"])
        .check("plays_all_the_parts", "without a server to ask, it has one of its own, and ends", alone)
        .finished_only()
        .check("misses_an_answer", "a server that is silent is an error after --timeout", silent)
        .with(&["--timeout", "200ms"])
        .check("hears_no_refusal_unconnected", "not connected, it does not hear that the server's port is closed", deaf)
        .with(&["--timeout", "200ms"])
        .check("hears_a_refusal_connected", "connected, it hears that the port is closed, and says so", hears_refusal)
        .with(&["--timeout", "60s"])
        .check("sends_one_datagram", "with --send, one datagram leaves, from the address that it says", sends_one)
        .finished_only()
        .check("sends_an_empty_datagram", "--send '' is a datagram of no octets", sends_empty)
        .finished_only()
        .check("sends_from_where_it_is_told", "with --from, it leaves from that port", sends_from)
        .finished_only()
        .check("says_what_came_of_it", "an answer, a refusal and silence are told apart", outcomes)
        .finished_only()
        .check("names_a_bad_peer", "a bad address is named in one line", common::names_a_bad_peer)
        .finished_only()
}

/// One scene, up to the client's ping.
struct Act {
    /// Who spoke before the client, in order.
    strangers: Vec<SocketAddr>,
    client: SocketAddr,
    /// Whether the last of them was refused.
    refused: bool,
}

/// Reads the story up to the ping, which must come from where the client is said to be.
fn act(s: &mut Scene, server: &mut UdpUpstream) -> Outcome<Act> {
    let (mut strangers, mut told, mut refused) = (Vec::new(), None, false);
    loop {
        let line = s.output_line()?;
        if let Some((who, whom)) =
            line.trim().strip_prefix("interloper ").and_then(|l| l.split_once(" sends \"pardon me\" to client "))
        {
            strangers.push(address(who)?);
            told = Some(address(whom)?);
        }
        refused |= line.trim().starts_with("refused");
        if line.trim() == format!("client sends \"ping\" to server {}", server.address()) {
            break;
        }
    }
    let client = server.expect(b"ping")?;
    if told != Some(client) {
        return Err(Failure::new("a ping from the client's address", "one from another"));
    }
    Ok(Act { strangers, client, refused })
}

fn address(text: &str) -> Outcome<SocketAddr> {
    text.parse().map_err(|_| Failure::new("an address with a port", format!("{text:?}")))
}

/// The next line: what the client says that it heard.
fn hears(s: &mut Scene, words: &str, from: SocketAddr, who: &str) -> Outcome {
    line_is(s, &format!("client receives \"{words}\" from {from}, {who}"))
}

fn line_is(s: &mut Scene, right: &str) -> Outcome {
    let line = s.output_line().map_err(|f| Failure::new(format!("`{right}`"), f.got))?;
    if line.trim() == right { Ok(()) } else { Err(Failure::new(format!("`{right}`"), format!("`{}`", line.trim()))) }
}

/// Plays so many scenes to their end, as a server that does nothing but answer; then the next, up to the ping.
fn after(s: &mut Scene, server: &mut UdpUpstream, scenes: usize) -> Outcome<Act> {
    for _ in 0..scenes {
        let Act { client, .. } = act(s, server)?;
        server.reply(client, b"ping")?;
    }
    act(s, server)
}

fn stranger_first(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut server = s.start_client_udp_unseen()?;
    let Act { strangers, client, .. } = act(s, &mut server)?;
    server.reply(client, words.as_bytes())?;
    let stranger = strangers.first().ok_or_else(|| Failure::new("an interloper", "none"))?;
    hears(s, "pardon me", *stranger, "a stranger").because(ANYBODY)?;
    hears(s, &words, server.address(), "the server").because(ANYBODY)
}

/// The grader is the stranger: what is told was heard.
fn any_stranger(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase()];
    let mut server = s.start_client_udp_unseen()?;
    let Act { strangers, client, .. } = act(s, &mut server)?;
    let other = server.reply_from_a_foreign_port(client, words[0].as_bytes())?;
    server.reply(client, words[1].as_bytes())?;
    hears(s, "pardon me", strangers[0], "a stranger")?;
    hears(s, &words[0], other, "a stranger").because(ANYBODY)?;
    hears(s, &words[1], server.address(), "the server")
}

fn before_connect(s: &mut Scene) -> Outcome {
    let mut server = s.start_client_udp_unseen()?;
    let Act { strangers, client, .. } = after(s, &mut server, 1)?;
    server.reply(client, b"ping")?;
    hears(s, "pardon me", strangers[0], "a stranger").because(GAP)
}

fn deaf_after_connect(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase()];
    let mut server = s.start_client_udp_unseen()?;
    let Act { strangers, client, refused } = after(s, &mut server, 1)?;
    server.reply_from_a_foreign_port(client, words[0].as_bytes())?;
    server.reply(client, words[1].as_bytes())?;
    hears(s, "pardon me", strangers[0], "a stranger")?;
    hears(s, &words[1], server.address(), "the server").because(CONNECTED)?;
    if refused { Ok(()) } else { Err(Failure::new("the second `pardon me` to be refused", "it was not")) }
        .because(REFUSED)
}

fn no_gap(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut server = s.start_client_udp_unseen()?;
    let Act { client, .. } = after(s, &mut server, 2)?;
    server.reply(client, words.as_bytes())?;
    hears(s, &words, server.address(), "the server")
        .because("connect(2): a socket that has no port yet is given one that only the peer can reach")?;
    s.expect_exit(0, Duration::from_secs(5))
}

fn connected_at_last(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase()];
    let mut server = s.start_client_udp_unseen()?;
    let Act { client, refused, .. } = after(s, &mut server, 2)?;
    s.datagrams_to(client)?.expect_refusal(words[0].as_bytes()).because(REFUSED)?;
    server.reply(client, words[1].as_bytes())?;
    hears(s, &words[1], server.address(), "the server").because(CONNECTED)?;
    if refused { Ok(()) } else { Err(Failure::new("`pardon me` to be refused", "it was not")) }.because(REFUSED)?;
    s.expect_exit(0, Duration::from_secs(5))
}

fn alone(s: &mut Scene) -> Outcome {
    s.run_with(&[])?;
    s.expect_exit(0, Duration::from_secs(5)).because("what was started for the scenes ends with them")?;
    let mut heard = Vec::new();
    while let Ok(line) = s.output_line() {
        heard.extend(line.trim().strip_prefix("client receives ").and_then(|l| l.split_once(" from ")).map(
            |(words, from)| {
                let who = from.split_once(", ").map_or("", |(_, who)| who);
                format!("{words} from {who}")
            },
        ));
    }
    let pardon = "\"pardon me\" from a stranger";
    let ping = "\"ping\" from the server";
    if heard == [pardon, ping, pardon, ping, ping] {
        return Ok(());
    }
    Err(Failure::new("the stranger in the first two scenes, the server in all three", heard.join("; "))).because(GAP)
}

fn silent(s: &mut Scene) -> Outcome {
    let mut server = s.start_client_udp_unseen()?;
    server.expect(b"ping")?;
    common::fails_with(s, &format!("read {server}: timed out"))
        .because("recv(2) waits for ever: that a datagram was lost is known by the time alone")
}

fn deaf(s: &mut Scene) -> Outcome {
    let server = s.upstream_udp()?;
    server.refuse()?;
    s.run_unseen(&[&server.address().to_string(), "--timeout", "200ms"])?;
    common::fails_with(s, &format!("read {server}: timed out")).because(
        "RFC 1122 §4.1.3.3: a refusal is passed up to the socket that it can be matched with; ours has no peer",
    )
}

/// After the first scene, nobody is there any more.
fn hears_refusal(s: &mut Scene) -> Outcome {
    let mut server = s.start_client_udp_unseen()?;
    let Act { client, .. } = act(s, &mut server)?;
    server.refuse()?;
    server.reply(client, b"ping")?;
    common::fails_with(s, &format!("read {server}: connection refused")).because(REFUSED)
}

/// `127.0.0.1:50001 sends 9 octets to 127.0.0.1:50002`: where it is from.
fn sender(s: &mut Scene, octets: usize, to: SocketAddr) -> Outcome<SocketAddr> {
    let line = s.output_line()?;
    let rest = format!(" sends {} to {to}", netkata::human::count(octets, "octet"));
    let from = line.strip_suffix(&rest).and_then(|from| from.parse().ok());
    from.ok_or_else(|| Failure::new(format!("a line `ADDRESS{rest}`"), format!("{line:?}")))
}

fn sends_one(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut target = s.upstream_udp()?;
    s.run_unseen(&["--send", &words, "--to", &target.address().to_string()])?;
    let told = sender(s, words.len(), target.address())?;
    if target.expect(words.as_bytes())? != told {
        return Err(Failure::new("the address that was told", "another"))
            .because("getsockname(2): of a socket that is not connected, it has the port, and for an address 0.0.0.0");
    }
    target.expect_silence(ms(20))
}

fn sends_empty(s: &mut Scene) -> Outcome {
    let mut target = s.upstream_udp()?;
    s.run_unseen(&["--send", "", "--to", &target.address().to_string(), "--timeout", "50ms"])?;
    target.expect(b"").map(drop).because("RFC 768: the length is 8 at the least: a header, and no data")
}

fn sends_from(s: &mut Scene) -> Outcome {
    let free = s.upstream_udp()?.address();
    let mut target = s.upstream_udp()?;
    let (from, to) = (free.to_string(), target.address().to_string());
    s.run_unseen(&["--send", "pardon me", "--to", &to, "--from", &from, "--timeout", "50ms"])?;
    if target.expect(b"pardon me")? == free {
        return Ok(());
    }
    Err(Failure::new("the address that was asked for", "another"))
        .because("bind(2): who sends chooses the port that it sends from; an answer goes there")
}

fn outcomes(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut target = s.upstream_udp()?;
    let to = target.address();
    s.run_unseen(&["--send", "pardon me", "--to", &to.to_string(), "--timeout", "50ms"])?;
    comes_to(s, to, "no answer in 50ms").because("nothing tells a datagram that was lost from one that was ignored")?;
    target.receive()?;
    s.run_unseen(&["--send", "pardon me", "--to", &to.to_string(), "--timeout", "5s"])?;
    let (_, from) = target.receive()?;
    target.reply(from, words.as_bytes())?;
    comes_to(s, to, &format!("answered: \"{words}\""))?;
    target.refuse()?;
    s.run_unseen(&["--send", "pardon me", "--to", &to.to_string(), "--timeout", "5s"])?;
    comes_to(s, to, "refused, as if nobody had that port").because(REFUSED)
}

fn comes_to(s: &mut Scene, to: SocketAddr, line: &str) -> Outcome {
    sender(s, 9, to)?;
    line_is(s, line)?;
    s.expect_exit(0, Duration::from_secs(5))
}
