//! The request, and to whom the rest goes.

use super::*;
use crate::checks::common;
use netkata::tftp::Options;
use std::net::UdpSocket;

pub fn checks(program: Program) -> Program {
    program
        .check("asks_for_the_file", "with --no-options it asks as RFC 1350 has it: name and mode", asks_plainly)
        .check("asks_for_options", "unless told otherwise, it asks for blocks of 1428 octets and for the size", asks)
        .check("reads_a_url", "the name may be written as in a URL, with the scheme and with %20", reads_a_url)
        .check(
            "answers_the_port_that_answered",
            "the server's answer comes from another port, and the ACK goes there",
            port,
        )
        .check("leaves_at_once", "when nothing was lost, it ends with the file", at_once)
        .check("names_a_bad_peer", "a bad address or URL is named in one line", names_a_bad_peer)
        .check("tells_a_refusal_at_once", "a port that nobody has is told at once", refused)
        .check("tells_the_server_s_error", "what the server says in an ERROR is told", error)
        .check("shows_no_control_octets", "what a server says cannot command the terminal", escapes)
        .check("refuses_other_packets", "an answer that is no DATA and no OACK is told ERROR 4, and ends it", no_answer)
}

fn asks_plainly(s: &mut Scene) -> Outcome {
    let mut wanted = get(s, &["--no-options", "--quiet"])?;
    wanted
        .server
        .expect_request(&wanted.name, &Options::default())
        .because("RFC 1350 §5: 00 01, the file's name, a zero octet, the mode, a zero octet")
        .map(drop)
}

fn asks(s: &mut Scene) -> Outcome {
    let mut wanted = get(s, &["--quiet"])?;
    let options = Options { blksize: Some(1428), tsize: Some(0), ..Options::default() };
    wanted
        .server
        .expect_request(&wanted.name, &options)
        .because("RFC 2348: 1428 octets fit an Ethernet frame; RFC 2349: a tsize of 0 asks for the size")
        .map(drop)
}

fn reads_a_url(s: &mut Scene) -> Outcome {
    s.inside_its_folder();
    let (name, mut server) = (file_name(s), s.tftp_server()?);
    s.run_unseen(&[&format!("tftp://{server}/north%20{name};mode=octet"), "--no-options", "--quiet"])?;
    server
        .expect_request(&format!("north {name}"), &Options::default())
        .because("RFC 3617 §3: tftp://host/file;mode=octet; RFC 3986 §2.1: %20 is an octet in hexadecimal")
        .map(drop)
}

fn port(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let (_, mut transfer) = asked(s, &["--timeout", "10s"])?;
    transfer.data(1, words.as_bytes())?;
    transfer.expect_ack(1).because("RFC 1350 §4: each side picks a port for the transfer; 69 is for requests alone")
}

fn names_a_bad_peer(s: &mut Scene) -> Outcome {
    for (url, status, named) in [
        ("harbour..nowhere:7069/tides.txt", 1, "harbour..nowhere"),
        ("127.0.0.1:70000/tides.txt", 1, "invalid port"),
        ("127.0.0.1:7069/..", 1, "no name for a file"),
        ("127.0.0.1:7069", 2, "no name of a file"),
        ("http://127.0.0.1:7069/tides.txt", 2, "speaks tftp alone"),
        ("127.0.0.1:7069/tides%2", 2, "two hexadecimal digits"),
        ("127.0.0.1:7069/tides%00.txt", 2, "NUL"),
    ] {
        s.inside_its_folder();
        s.run_unseen(&[url])?;
        let why = "bad usage is told in one line, before anybody is asked";
        s.expect_exit(status, Duration::from_secs(5)).because(why)?;
        let line = s.error_line()?;
        if !line.starts_with("error: ") || !line.contains(named) {
            return Err(Failure::new(format!("a line `error: …{named}…`"), format!("{line:?}"))).because(why);
        }
    }
    Ok(())
}

/// A port that is bound, so that nobody else takes it, and that takes datagrams from one peer alone: for all others the
/// kernel says that nobody has it.
fn refused(s: &mut Scene) -> Outcome {
    let socket = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.connect("127.0.0.1:9").map(|()| socket));
    let address = socket.as_ref().map_err(|e| Failure::new("a port", e.to_string()))?.local_addr();
    let address = address.map_err(|e| Failure::new("a port", e.to_string()))?;
    s.inside_its_folder();
    s.run_unseen(&[&format!("{address}/tides.txt"), "--timeout", "10s"])?;
    common::fails_with(s, &format!("get tides.txt from udp://{address}: connection refused"))
        .because("RFC 1122 §4.1.3.3: what ICMP says of a datagram is handed to who sent it; ip(7), IP_RECVERR")
}

fn error(s: &mut Scene) -> Outcome {
    let (words, code) = (s.phrase(), s.rng.u16(1..4));
    let (_, mut transfer) = asked(s, &[])?;
    transfer.error(code, words.as_bytes())?;
    common::fails_with(s, &format!("({code}): \"{words}\""))
        .because("RFC 1350 §5: the code is for programs, the message is for people")?;
    transfer.expect_silence(ms(20)).because("RFC 1350 §7: an ERROR is not acknowledged, and no answer to one")?;
    Ok(())
}

fn escapes(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let (_, mut transfer) = asked(s, &[])?;
    transfer.error(0, format!("{words}\x1b]0;ebb\x07").as_bytes())?;
    common::fails_with(s, &format!("{words}\\x1b]0;ebb\\x07"))
        .because("console_codes(4): ESC ] 0 sets a terminal's title; a server may say it, and printing it would obey")
}

fn no_answer(s: &mut Scene) -> Outcome {
    for octets in [&b"\0\x04\0\x01"[..], b"\0\x01tides.txt\0octet\0", b"\0\x03\0", b"ahoy"] {
        let (_, mut transfer) = asked(s, &["--timeout", "10s"])?;
        transfer.send(octets)?;
        transfer
            .expect_error(4)
            .because("RFC 1350 §5: 4 is an illegal TFTP operation; whoever ends a transfer says so")?;
        common::fails_with(s, "error: get tides-")?;
    }
    Ok(())
}

fn at_once(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let (wanted, mut transfer) = asked(s, &["--timeout", "10s"])?;
    transfer.data(1, words.as_bytes())?;
    transfer.expect_ack(1)?;
    s.expect_exit(0, Duration::from_secs(5))
        .because("where nothing was lost, the last ACK will hardly be: a user should not wait for that")?;
    expect_file(s, &wanted.name, words.as_bytes())
}
