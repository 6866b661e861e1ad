//! `mtu_probe`: the longest datagram, by what this host takes and by what comes back.

use crate::checks::common;
use netkata_kit::prelude::*;
use std::net::{SocketAddr, UdpSocket};

const EMSGSIZE: &str = "udp(7): with path MTU discovery, a send that is longer than the path MTU fails with EMSGSIZE";
const SENT: &str = "RFC 768: a datagram that was sent is not known to have arrived; only what comes back tells";

pub fn program() -> Program {
    Program::finished(5, "mtu_probe")
        .check("computes_for_ipv4", "of an MTU, 20 octets are for IPv4 and 8 for UDP", payload_v4)
        .check("computes_for_ipv6", "of an MTU, 40 octets are for IPv6 and 8 for UDP", payload_v6)
        .check("knows_the_least_mtu", "IPv4 needs an MTU of 68, IPv6 one of 1,280", least)
        .check("knows_the_longest_datagram", "no datagram is longer than its length field can say", most)
        .check("finds_the_longest", "it finds the longest datagram that this host takes", finds)
        .check("finds_the_longest_over_ipv6", "over IPv6, it is what the MTU leaves beside 48 octets", finds_v6)
        .check("tells_an_echo", "a datagram that comes back has got there", echo)
        .check("tells_another_answer", "an answer with other octets is no echo", answer)
        .check("tells_a_refusal", "a refusal by the peer's host tells that the datagram got there", refused)
        .check("claims_nothing_without_an_answer", "that a datagram was sent does not say that it arrived", silence)
        .check("asks_with_icmp", "--ping asks with echoes, or says what it needs for that", pings)
        .check("names_a_bad_peer", "a bad address is named in one line", common::names_a_bad_peer)
        .finished_only()
}

fn run(s: &mut Scene, arguments: &[&str]) -> Outcome {
    s.journal.note(format!("mtu_probe {}", arguments.join(" ")));
    s.run_with(arguments)?;
    s.subject()?.stdout.wait_for_end(Duration::from_secs(5));
    Ok(())
}

fn ends_well(s: &mut Scene) -> Outcome {
    s.expect_output_end()?;
    s.expect_exit(0, Duration::from_secs(5))
}

fn payload_v4(s: &mut Scene) -> Outcome {
    for mtu in [1500, s.rng.usize(68..1500)] {
        run(s, &["--payload-for", &mtu.to_string()])?;
        s.expect_line(&format!("{} = {mtu} - 20 (IPv4) - 8 (UDP)", mtu - 28))
            .because("RFC 791 §3.1: an IP header without options has 20 octets; RFC 768: UDP's has 8")?;
        ends_well(s)?;
    }
    Ok(())
}

fn payload_v6(s: &mut Scene) -> Outcome {
    for mtu in [1500, s.rng.usize(1280..1500)] {
        run(s, &["--payload-for", &mtu.to_string(), "--ipv6"])?;
        s.expect_line(&format!("{} = {mtu} - 40 (IPv6) - 8 (UDP)", mtu - 48))
            .because("RFC 8200 §3: an IPv6 header has 40 octets")?;
        ends_well(s)?;
    }
    Ok(())
}

fn least(s: &mut Scene) -> Outcome {
    for (mtu, ipv6, said, why) in [
        ("67", false, "IPv4 needs an MTU of 68 at least", "RFC 791 §3.2: every module must forward 68 octets unsplit"),
        (
            "46",
            false,
            "46 is the least payload of an Ethernet frame",
            "IEEE 802.3 §3.2.7: a short payload is padded; that is no MTU",
        ),
        (
            "1279",
            true,
            "IPv6 needs an MTU of 1280 at least",
            "RFC 8200 §5: every link must have an MTU of 1280 or more",
        ),
    ] {
        let version = if ipv6 { &["--ipv6"][..] } else { &[] };
        run(s, &[&["--payload-for", mtu], version].concat())?;
        common::fails_with(s, said).because(why)?;
    }
    run(s, &["--payload-for", "68"])?;
    s.expect_line("40 = 68 - 20 (IPv4) - 8 (UDP)").because("RFC 791 §3.2: 68 octets are enough")?;
    ends_well(s)
}

fn most(s: &mut Scene) -> Outcome {
    for (version, expected) in [(&[][..], "65507"), (&["--ipv6"], "65527")] {
        run(s, &[&["--payload-for", "70000"], version].concat())?;
        s.expect_output(&format!("{expected}, and not 70000"))
            .because("RFC 768: the length has 16 bits; RFC 791: so has IPv4's, which counts 28 octets of headers")?;
        s.expect_exit(0, Duration::from_secs(5))?;
    }
    Ok(())
}

/// A socket that nobody writes a journal of: which of the search's datagrams find room in its receive buffer is chance.
fn service() -> Outcome<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0");
    let socket = socket.and_then(|socket| socket.set_read_timeout(Some(Duration::from_secs(4))).map(|()| socket));
    socket.map_err(|e| Failure::new("a UDP port", netkata::error::cause_text(&e)))
}

/// The next datagram. A read with a timeout ends with EINTR when a signal comes (signal(7)), and children of other checks end.
fn next(server: &UdpSocket, buffer: &mut [u8]) -> std::io::Result<(usize, SocketAddr)> {
    loop {
        match server.recv_from(buffer) {
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Starts the program, waits for the longest datagram, once more, from another port than those of the search, and answers that
/// with what `answer` makes of it. Returns its length, when the program has ended.
fn answered(s: &mut Scene, answer: impl Fn(&[u8]) -> Vec<u8>) -> Outcome<usize> {
    let lost = |e: std::io::Error| Failure::new("a datagram", netkata::error::cause_text(&e));
    let (server, mut buffer) = (service()?, vec![0; 65_536]);
    s.run_with(&[&server.local_addr().map_err(lost)?.to_string()])?;
    let (_, first) = next(&server, &mut buffer).map_err(lost)?;
    loop {
        let (len, from) = next(&server, &mut buffer).map_err(lost)?;
        if from != first {
            server.send_to(&answer(&buffer[..len]), from).map_err(lost)?;
            s.expect_exit(0, Duration::from_secs(5))?;
            return Ok(len);
        }
    }
}

/// The number in the line `path MTU, as far as this host knows: 65,535 octets`.
fn said_mtu(s: &mut Scene) -> Outcome<usize> {
    let line = s.output_line()?;
    let number = line.strip_prefix("path MTU, as far as this host knows: ").and_then(|n| n.strip_suffix(" octets"));
    let number = number.and_then(|n| n.replace(',', "").parse().ok());
    number.ok_or_else(|| Failure::new("a line with the path MTU", format!("{line:?}")))
}

/// Loopback has an MTU of 65,536 nearly everywhere; whatever it is, both ways to know it agree.
fn finds(s: &mut Scene) -> Outcome {
    let sent = answered(s, |_| b"enough".to_vec()).because(EMSGSIZE)?;
    s.expect_output(" over IPv4\n")?;
    let mtu = said_mtu(s)?;
    let longest = (mtu - 28).min(65_507);
    if sent != longest {
        let thousands = netkata::human::thousands;
        let got = format!("{} as the longest", thousands(sent));
        return Err(Failure::new(format!("{} octets of data, by the path MTU", thousands(longest)), got))
            .because(EMSGSIZE);
    }
    s.expect_line(&format!(
        "the longest datagram that it takes: {} octets of data; {} are too long",
        netkata::human::thousands(longest),
        netkata::human::thousands(longest + 1)
    ))
    .because(EMSGSIZE)
}

/// The port is silent. Not every machine has IPv6.
fn finds_v6(s: &mut Scene) -> Outcome {
    let Ok((_socket, address)) = UdpSocket::bind("[::1]:0").and_then(|s| s.local_addr().map(|a| (s, a))) else {
        s.journal.note("this machine has no [::1]");
        return Ok(());
    };
    s.run_with(&[&address.to_string(), "--timeout", "20ms"])?;
    s.subject()?.stdout.wait_for_end(Duration::from_secs(5));
    s.expect_output(" over IPv6\n")?;
    let mtu = said_mtu(s)?;
    s.expect_output("the longest datagram that it takes: ")?;
    s.expect_output(" are too long\n")?;
    if mtu <= 65_575 {
        s.expect_line(&format!("  {} = {mtu} - 40 (IPv6) - 8 (UDP)", mtu - 48)).because(
            "RFC 8200 §5: in IPv6, only the sender splits packets; with IPV6_MTU_DISCOVER it does not either",
        )?;
    }
    s.expect_exit(0, Duration::from_secs(5))
}

fn echo(s: &mut Scene) -> Outcome {
    let length = answered(s, <[u8]>::to_vec)?;
    let all = netkata::human::count(length, "octet");
    s.expect_output(&format!("sent once more: it came back, all {all}: so it gets there, and back\n")).because(SENT)
}

fn answer(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    answered(s, |_| words.clone().into_bytes())?;
    s.expect_output("sent once more: an answer came: so it gets there\n")
        .because("an answer of a few octets says nothing of how long a datagram may be on the way back")
}

/// Each probe is refused, and the next send reports it.
fn refused(s: &mut Scene) -> Outcome {
    let server = s.upstream_udp()?;
    server.refuse()?;
    s.run_with(&[&server.address().to_string()])?;
    s.subject()?.stdout.wait_for_end(Duration::from_secs(5));
    s.expect_output("sent once more: refused by the peer's host: so it gets there\n")
        .because("RFC 1122 §4.1.3.3: a refusal comes from the host itself, about a datagram that has reached it")?;
    ends_well(s)
}

fn silence(s: &mut Scene) -> Outcome {
    let start = Instant::now();
    let silent = service()?;
    let address = silent.local_addr().map_err(|e| Failure::new("an address", netkata::error::cause_text(&e)))?;
    s.run_with(&[&address.to_string(), "--timeout", "80ms"])?;
    s.subject()?.stdout.wait_for_end(Duration::from_secs(5));
    s.expect_output("sent once more: twice no answer within 80ms; it was sent, and nobody knows more\n")
        .because(SENT)?;
    common::not_before(start, ms(160))
        .because("RFC 1812 §4.3.2.8: hosts limit the rate of what they say over ICMP: one silence says little")?;
    ends_well(s)
}

/// Whether it may is the system's business.
fn pings(s: &mut Scene) -> Outcome {
    let server = s.upstream_udp()?;
    server.refuse()?;
    s.run_with(&[&server.address().to_string(), "--ping"])?;
    s.expect_exit(0, Duration::from_secs(10))
        .because("what one way of asking cannot tell does not make the other fail")?;
    s.expect_output("\nping: ").because("RFC 1191 §1: ICMP tells the path MTU; echoes are answered where UDP is not")
}
