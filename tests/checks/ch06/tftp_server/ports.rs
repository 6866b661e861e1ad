//! Which port says what, and to whom.

use super::{name, serve};
use netkata_kit::prelude::*;
use netkata_kit::tftp;

const TID: &str = "RFC 1350 §4: the two ports are the transfer's identifier, chosen anew for each transfer";
const STRANGER: &str = "RFC 1350 §4: a packet from another port is discarded, while the transfer is not disturbed";

pub fn first(program: Program) -> Program {
    program.check(
        "answers_from_a_port_of_its_own",
        "each transfer has a port of its own, and not the known one",
        own_port,
    )
}

pub fn more(program: Program) -> Program {
    program
        .check("serves_clients_side_by_side", "a silent client does not hold up the next", side_by_side)
        .check(
            "answers_from_the_address_that_was_asked",
            "an answer comes from the address that was asked",
            own_address,
        )
        .check("a_stranger_changes_nothing", "an ACK from another port acknowledges nothing", stranger_changes_nothing)
        .check("tells_a_stranger", "who sends to somebody else's transfer gets ERROR 5", tells_stranger)
        .check("never_corrects_an_error", "an ERROR from another port is not answered", never_corrects)
        .check("takes_a_request_once", "the same request again does not start a second transfer", once)
        .check("refuses_beyond_the_limit", "transfers beyond --max-transfers are refused by an ERROR", refuses)
        .check("a_leaver_makes_room", "a transfer that ends gives its place back", leaver)
        .check("notices_that_a_client_is_gone", "a client whose port is closed is not sent to any more", gone)
        .finished_only()
}

/// It tells the two requests apart by their options, so those must work.
pub fn last(program: Program) -> Program {
    program.check("a_new_request_replaces_the_old", "another request from the same port replaces the first", replaces)
}

fn own_port(s: &mut Scene) -> Outcome {
    let (octets, name) = (s.octets(20), name(s));
    serve(s, &octets, &[])?;
    let mut ports = Vec::new();
    // The kernel may choose the same port twice, by chance; not three times.
    for _ in 0..3 {
        let mut c = s.tftp()?;
        c.ask(&name)?;
        c.expect_data(1, &octets)?;
        c.ack(1)?;
        ports.push(c.transfer_port());
    }
    if ports.iter().all(|port| *port == ports[0]) {
        return Err(Failure::new("a port for each transfer", "one port for all")).because(TID);
    }
    Ok(())
}

/// The loopback network is a /8: every address in it is this machine.
fn own_address(s: &mut Scene) -> Outcome {
    let (octets, name) = (s.octets(20), name(s));
    super::put(s, "payload.bin", &octets)?;
    let path = s.file("payload.bin")?.display().to_string();
    s.start_with_arguments(&["0.0.0.0:0".into(), "--payload".into(), path])?;
    let port = s.address()?.port();
    let mut c = s.tftp_at(([127, 0, 0, 2], port).into())?;
    c.ask(&name)?;
    c.expect_data(1, &octets).because("ip(7), IP_PKTINFO: a socket on 0.0.0.0 must ask which address was meant")?;
    c.ack(1)
}

fn stranger_changes_nothing(s: &mut Scene) -> Outcome {
    let octets = s.octets(1000);
    serve(s, &octets, &[])?;
    let mut c = s.tftp()?;
    c.ask("tides.txt")?;
    c.expect_data(1, &octets[..512])?;
    c.stranger()?.send(&tftp::ack(1))?;
    c.expect_silence(ms(50)).because(STRANGER)?;
    c.ack(1)?;
    c.expect_data(2, &octets[512..]).because(STRANGER)?;
    c.ack(2)
}

fn tells_stranger(s: &mut Scene) -> Outcome {
    let octets = s.octets(1000);
    serve(s, &octets, &[])?;
    let mut c = s.tftp()?;
    c.ask("tides.txt")?;
    c.expect_data(1, &octets[..512])?;
    let mut stranger = c.stranger()?;
    stranger.send(&tftp::ack(1))?;
    stranger
        .expect_error(5)
        .because("RFC 1350 §4: an error packet should be sent to the source of the incorrect packet")?;
    c.ack(1)?;
    c.expect_data(2, &octets[512..]).because(STRANGER)?;
    c.ack(2)
}

fn never_corrects(s: &mut Scene) -> Outcome {
    let octets = s.octets(1000);
    serve(s, &octets, &[])?;
    let mut c = s.tftp()?;
    c.ask("tides.txt")?;
    c.expect_data(1, &octets[..512])?;
    let mut stranger = c.stranger()?;
    stranger.send(&tftp::error(5, "unknown transfer ID"))?;
    let why = "RFC 1350 §7: an ERROR is neither acknowledged nor answered; two that answer each other never stop";
    stranger.expect_silence(ms(50)).because(why)?;
    c.ack(1)?;
    c.expect_data(2, &octets[512..]).because(STRANGER)?;
    c.ack(2)
}

fn once(s: &mut Scene) -> Outcome {
    let octets = s.octets(1000);
    serve(s, &octets, &[])?;
    let request = tftp::request(1, b"tides.txt", "octet", &[]);
    let mut c = s.tftp()?;
    c.request(&request)?;
    c.expect_data(1, &octets[..512])?;
    c.request_again(&request)?;
    let why = "RFC 1123 §4.2.3.1: a network may deliver a request twice; two transfers would send everything twice";
    c.expect_silence(ms(60)).because(why)?;
    c.ack(1)?;
    c.expect_data(2, &octets[512..]).because(why)?;
    c.ack(2)
}

/// As a boot loader does that first tries what the server grants.
fn replaces(s: &mut Scene) -> Outcome {
    let octets = s.octets(1000);
    serve(s, &octets, &["--timeout", "150ms"])?;
    let mut c = s.tftp()?;
    c.ask_for("tides.txt", &[("blksize", "600")])?;
    c.expect_oack(&[("blksize", "600")])?;
    c.ask("tides.txt")?;
    let why = "whoever asks for something else from the same port has given the first transfer up";
    c.expect_data(1, &octets[..512]).because(why)?;
    c.ack(1)?;
    c.expect_data(2, &octets[512..]).because(why)?;
    c.ack(2)?;
    c.expect_silence(ms(200)).because(why)
}

fn side_by_side(s: &mut Scene) -> Outcome {
    let octets = s.octets(1000);
    serve(s, &octets, &[])?;
    let mut clients = [s.tftp()?, s.tftp()?, s.tftp()?];
    let why = "RFC 1350 §4: a port for each transfer, so that many can run at once";
    for c in &mut clients {
        c.ask("tides.txt")?;
        c.expect_data(1, &octets[..512]).because(why)?;
    }
    for c in clients.iter_mut().rev() {
        c.ack(1)?;
        c.expect_data(2, &octets[512..]).because(why)?;
        c.ack(2)?;
    }
    Ok(())
}

fn refuses(s: &mut Scene) -> Outcome {
    let octets = s.octets(1000);
    serve(s, &octets, &["--max-transfers", "2"])?;
    let mut inside = [s.tftp()?, s.tftp()?];
    for c in &mut inside {
        c.ask("tides.txt")?;
        c.expect_data(1, &octets[..512])?;
    }
    let mut c = s.tftp()?;
    c.ask("tides.txt")?;
    c.expect_error(0).because("a request is a few octets from anybody: without a cap, threads and memory run out")?;
    for c in &mut inside {
        c.ack(1)?;
        c.expect_data(2, &octets[512..])?;
        c.ack(2)?;
    }
    Ok(())
}

fn leaver(s: &mut Scene) -> Outcome {
    let octets = s.octets(100);
    serve(s, &octets, &["--max-transfers", "1"])?;
    for _ in 0..3 {
        let mut c = s.tftp()?;
        c.ask("tides.txt")?;
        c.expect_data(1, &octets).because("a place that is not given back is lost until the server is restarted")?;
        c.ack(1)?;
        s.expect_error(": sent ")?;
    }
    Ok(())
}

/// The client's port is closed, so the kernel answers the next DATA with "port unreachable".
fn gone(s: &mut Scene) -> Outcome {
    let octets = s.octets(1000);
    serve(s, &octets, &["--timeout", "100ms", "--retries", "250"])?;
    let mut c = s.tftp()?;
    c.ask("tides.txt")?;
    c.expect_data(1, &octets[..512])?;
    drop(c);
    s.expect_error("has gone").because("RFC 1122 §4.1.3.3: UDP passes up what ICMP says; ip(7): IP_RECVERR asks for it")
}
