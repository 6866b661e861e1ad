//! The known port: what is answered there, and how.

use super::serve;
use netkata_kit::prelude::*;
use netkata_kit::tftp;

const ILLEGAL: &str = "RFC 1350 §5, error 4: illegal TFTP operation; a client that hears nothing asks again and again";

pub fn checks(program: Program) -> Program {
    program
        .check("knows_the_mode_in_any_case", "octet, OCTET and Octet are one mode", any_case)
        .check("refuses_other_modes", "netascii, mail and unknown modes get ERROR 4", other_modes)
        .check("takes_no_files", "a write request gets ERROR 2", no_files)
        .check("says_what_is_wrong", "a request that was cut short gets ERROR 4", cut)
        .check(
            "wants_the_last_nul",
            "a request without its last NUL gets ERROR 4, however it looks in a buffer",
            last_nul,
        )
        .check("knows_no_transfer", "an ACK to the known port gets ERROR 5", no_transfer)
        .check("never_answers_an_error", "an ERROR to the known port is not answered", never)
        .check("survives_hostile_datagrams", "no datagram, of whatever length, ends the server", hostile)
        .check("leaves_nothing_behind", "a flood of requests leaves no socket behind", flood)
}

fn any_case(s: &mut Scene) -> Outcome {
    let octets = s.octets(100);
    serve(s, &octets, &[])?;
    for mode in ["octet", "OCTET", "OcTeT"] {
        let mut c = s.tftp()?;
        c.request(&tftp::request(1, b"tides.txt", mode, &[]))?;
        c.expect_data(1, &octets).because("RFC 1350 §5: the mode is written in any mixture of upper and lower case")?;
        c.ack(1)?;
    }
    Ok(())
}

fn other_modes(s: &mut Scene) -> Outcome {
    serve(s, b"tides", &[])?;
    for mode in ["netascii", "mail", "NetAscii", "octets"] {
        let mut c = s.tftp()?;
        c.request(&tftp::request(1, b"tides.txt", mode, &[]))?;
        c.expect_error(4)
            .because("RFC 1350 §5: netascii asks for other octets than the file's; to send those would be a lie")?;
    }
    Ok(())
}

fn no_files(s: &mut Scene) -> Outcome {
    serve(s, b"tides", &[])?;
    let mut c = s.tftp()?;
    c.request(&tftp::request(2, b"tides.txt", "octet", &[]))?;
    c.expect_error(2)
        .because("RFC 1350 §5, error 2: access violation; a client that hears nothing asks again and again")
}

/// The request ends after each of its octets, but for the last two.
fn cut(s: &mut Scene) -> Outcome {
    serve(s, b"tides", &[])?;
    let name = super::name(s);
    let whole = tftp::request(1, name.as_bytes(), "octet", &[]);
    for len in 2..whole.len() - 2 {
        let mut c = s.tftp()?;
        c.request(&whole[..len])?;
        c.expect_error(4).because(ILLEGAL)?;
    }
    let mut c = s.tftp()?;
    c.request(b"\0\x01\0octet\0")?;
    c.expect_error(4).because(ILLEGAL)?;
    c.request(b"\0\x09tides\0octet\0")?;
    c.expect_error(4).because(ILLEGAL)
}

fn last_nul(s: &mut Scene) -> Outcome {
    serve(s, b"tides", &[])?;
    let mut c = s.tftp()?;
    let whole = tftp::request(1, b"tides.txt", "octet", &[]);
    c.request(&whole[..whole.len() - 1])?;
    let why = "recvfrom(2): what lies in the buffer behind the octets received is not part of the datagram";
    c.expect_error(4).because(why)
}

fn no_transfer(s: &mut Scene) -> Outcome {
    serve(s, b"tides", &[])?;
    for packet in [tftp::ack(1), tftp::data(1, b"ebb"), tftp::oack(&[("blksize", "512")])] {
        let mut c = s.tftp()?;
        c.request(&packet)?;
        c.expect_error(5).because("RFC 1350 §5, error 5: unknown transfer ID")?;
    }
    Ok(())
}

fn never(s: &mut Scene) -> Outcome {
    serve(s, b"tides", &[])?;
    let why = "RFC 1350 §7: an ERROR is neither acknowledged nor answered; two servers could go on for ever";
    for packet in [tftp::error(4, "illegal TFTP operation"), b"\0\x05\0".to_vec()] {
        let mut c = s.tftp()?;
        c.request(&packet)?;
        c.expect_silence(ms(30)).because(why)?;
    }
    Ok(())
}

fn hostile(s: &mut Scene) -> Outcome {
    serve(s, b"tides", &["--timeout", "20ms", "--retries", "2"])?;
    s.journal.note("datagrams of 0 to 700 octets of chance, from 50 ports");
    let address = s.address()?;
    let sockets = bound(50)?;
    for len in 0..700 {
        let mut octets = s.octets(len);
        // Half of them begin as a packet does.
        if let ([a, b, ..], true) = (octets.as_mut_slice(), s.rng.bool()) {
            (*a, *b) = (0, s.rng.u8(0..8));
        }
        let _ = sockets[len % sockets.len()].send_to(&octets, address);
    }
    sockets.into_iter().for_each(|socket| s.keep_port(socket));
    let mut c = s.tftp()?;
    let why = "what one datagram says must not end the service for all others";
    let answer = c.ask_until_answered("tides.txt").because(why)?;
    if answer != tftp::data(1, b"tides") {
        return Err(Failure::octets(&tftp::data(1, b"tides"), &answer, "one datagram")).because(why);
    }
    c.ack(1)
}

/// Requests from ports that do not listen to the answer, good ones and bad ones.
fn flood(s: &mut Scene) -> Outcome {
    let octets = s.octets(1000);
    serve(s, &octets, &["--timeout", "20ms", "--retries", "2"])?;
    // What a first transfer opens once for all.
    let mut c = s.tftp()?;
    c.ask("tides.txt")?;
    c.expect_blocks(1, &octets, 512)?;
    s.wait_until_still(Duration::from_secs(2))?;
    let before = s.descriptors()?;
    s.journal.note("200 requests from 200 ports, half of them malformed");
    let address = s.address()?;
    let good = tftp::request(1, b"tides.txt", "octet", &[]);
    for (i, socket) in bound(200)?.into_iter().enumerate() {
        let _ = socket.send_to(&good[..good.len() - i % 2], address);
        s.keep_port(socket);
    }
    s.wait_until_still(Duration::from_secs(5))?;
    let why = "a request costs its sender one datagram; what it costs the server must end by itself";
    if let Some(before) = before {
        s.expect_descriptors(before).because(why)?;
    }
    c.ask_until_answered("tides.txt").because(why)?;
    c.ack(1)?;
    c.expect_blocks(2, &octets[512..], 512).because(why)
}

fn bound(n: usize) -> Outcome<Vec<std::net::UdpSocket>> {
    let sockets: Result<Vec<_>, _> = (0..n).map(|_| std::net::UdpSocket::bind("127.0.0.1:0")).collect();
    sockets.map_err(|e| Failure::new("sockets", netkata::error::cause_text(&e)))
}
