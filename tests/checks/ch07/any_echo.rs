//! `any_echo`: one echo, asked over three carriers in turn. What differs between them is not much, and it is here.

use super::files;
use crate::checks::common::{self, expect_one_error, not_before};
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;
use std::fmt;

const RFC862: &str = "RFC 862: any data received is sent back, and no more than that";
const APART: &str = "socket(2), SOCK_SEQPACKET: a connection that keeps what one send(2) sent apart from the next";

pub fn program() -> Program {
    Program::finished(7, "any_echo")
        .check("says_where_it_listens", "the announce line has the scheme of what it listens on", announces)
        .check("sends_back_what_it_gets", "what arrives goes back, and nothing else, whatever carries it", sends_back)
        .check(
            "joins_what_a_stream_joins",
            "over a stream, nothing is waited for: octets go back as they come",
            streams,
        )
        .check("keeps_packets_apart", "over packets, one write comes back as one read; an empty one, too", apart)
        .check(
            "answers_the_half_close",
            "what was sent before the half-close comes back; then comes the end",
            half_close,
        )
        .check("carries_a_mebibyte", "there is no largest echo over a stream", mebibyte)
        .check("goes_on_after_a_stop", "a program that was stopped (Ctrl-Z) and goes on keeps its connections", stopped)
        .check("shortens_no_packet", "a packet longer than 65,536 octets is named, and ends its connection", too_long)
        .check(
            "serves_clients_side_by_side",
            "a silent client does not hold up the next",
            common::serves_clients_side_by_side,
        )
        .check("closes_an_idle_connection", "a connection on which nothing moves is closed after --idle", idle)
        .with(&["--idle", "150ms"])
        .check("gives_up_a_client_that_does_not_read", "a client that takes no echo for --idle is closed", stuck)
        .with(&["--idle", "200ms"])
        .check("refuses_beyond_the_limit", "connections beyond --max-connections are closed at once", refuses)
        .with(&["--max-connections", "1"])
        .check("leaves_no_descriptors_open", "a connection's descriptor is closed with it", descriptors)
        .check(
            "finishes_what_it_accepted",
            "after SIGTERM, a connection that was accepted is served to its end",
            finishes,
        )
        .check("cuts_off_after_the_grace", "after SIGTERM, connections have --grace to finish", grace)
        .with(&["--grace", "150ms"])
        .check("removes_its_file", "whichever signal ends it, its socket file goes with it", files::removes_its_file)
        .check("replaces_a_stale_file", "a file that nobody has any more is replaced", files::replaces_a_stale_file)
        .check("has_the_mode_asked_for", "the file's mode is --mode, whatever the umask", files::has_the_mode_asked_for)
        .finished_only()
        .check("guards_packet_sockets_too", "the mode that was asked for is that of a packet socket's file, too", mode)
        .finished_only()
        .check("refuses_a_mode_for_a_port", "a port has no mode, and who asks for one is told so", mode_of_a_port)
        .finished_only()
        .check("takes_abstract_names", "@name is a name of the kernel's; its scheme says of which type", abstract_names)
        .check(
            "names_what_has_no_connections",
            "a scheme without connections is named, with those that have some",
            schemes,
        )
        .finished_only()
        .check("names_a_bad_address", "a bad address is named in one line", common::names_a_bad_address)
        .finished_only()
        .check("names_a_port_in_use", "a port that is taken is named in one line", common::names_a_port_in_use)
        .finished_only()
        .check("names_a_missing_folder", "a folder that is not there is named", files::names_a_missing_folder)
        .finished_only()
}

// ---- one dialogue, whatever carries it: to the check what `Conn` is to the program ----

#[derive(Clone, Copy, PartialEq)]
enum Carrier {
    Tcp,
    Unix,
    Packets,
}
use Carrier::{Packets, Tcp, Unix};

const ALL: [Carrier; 3] = [Tcp, Unix, Packets];
const STREAMS: [Carrier; 2] = [Tcp, Unix];

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tcp => "tcp",
            Unix => "unix",
            Packets => "unixpacket",
        })
    }
}

enum Line {
    Stream(Talk),
    Packets(PacketTalk),
}

/// Starts the program on such a place, and returns its URL.
fn start(s: &mut Scene, carrier: Carrier) -> Outcome<String> {
    if carrier == Tcp {
        s.start()?;
        return Ok(format!("tcp://{}", s.address()?));
    }
    let url = format!("{carrier}://{}", s.socket_path()?);
    s.start_on(&url)?;
    Ok(url)
}

fn connect(s: &mut Scene, carrier: Carrier) -> Outcome<Line> {
    match carrier {
        Packets => s.packets().map(Line::Packets),
        _ => s.connect().map(Line::Stream),
    }
}

fn line(s: &mut Scene, carrier: Carrier) -> Outcome<Line> {
    s.journal.note(format!("over {carrier}"));
    start(s, carrier)?;
    connect(s, carrier)
}

impl Line {
    fn send(&mut self, octets: &[u8]) -> Outcome {
        match self {
            Line::Stream(talk) => talk.send(octets),
            Line::Packets(talk) => talk.send(octets),
        }
    }

    fn expect(&mut self, octets: &[u8]) -> Outcome {
        match self {
            Line::Stream(talk) => talk.expect(octets),
            Line::Packets(talk) => talk.expect(octets),
        }
    }

    fn echo(&mut self, words: &str) -> Outcome {
        self.send(words.as_bytes())?;
        self.expect(words.as_bytes())
    }

    fn half_close(&mut self) -> Outcome {
        match self {
            Line::Stream(talk) => talk.half_close(),
            Line::Packets(talk) => talk.half_close(),
        }
    }

    fn expect_end(&mut self) -> Outcome {
        match self {
            Line::Stream(talk) => talk.expect_close(Close::Fin),
            Line::Packets(talk) => talk.expect_end(),
        }
    }

    fn expect_silence(&mut self, time: Duration) -> Outcome {
        match self {
            Line::Stream(talk) => talk.expect_silence(time),
            Line::Packets(talk) => talk.expect_silence(time),
        }
    }

    fn send_until_full(&mut self, much: &[u8]) -> usize {
        match self {
            Line::Stream(talk) => talk.send_until_full(much, ms(60)),
            Line::Packets(talk) => talk.send_until_full(&much[..500], ms(60)),
        }
    }

    fn leave(self) {
        match self {
            Line::Stream(talk) => talk.leave(),
            Line::Packets(talk) => talk.leave(),
        }
    }
}

// ---- the checks ----

fn announces(s: &mut Scene) -> Outcome {
    for carrier in ALL {
        let url = start(s, carrier)?;
        let said = s.subject()?.stdout.all();
        if said != format!("listening on {url}\n") {
            let right = format!("the line `listening on {carrier}://…`, with the address");
            return Err(Failure::new(right, "another"))
                .because("RFC 3986 §3.1: the scheme says how a resource is reached; here, by which type of socket");
        }
        connect(s, carrier)?;
    }
    Ok(())
}

fn sends_back(s: &mut Scene) -> Outcome {
    for carrier in ALL {
        let mut c = line(s, carrier)?;
        for _ in 0..3 {
            let line = format!("{}\n", s.phrase());
            c.echo(&line).because(RFC862)?;
        }
        c.expect_silence(ms(20)).because(RFC862)?;
    }
    Ok(())
}

fn streams(s: &mut Scene) -> Outcome {
    for carrier in STREAMS {
        let words = s.phrase();
        let mut c = line(s, carrier)?;
        for part in words.as_bytes().chunks(5) {
            c.send(part)?;
            c.expect(part).because("RFC 9293 §3.8: a stream carries octets; lines are an agreement above it")?;
        }
    }
    Ok(())
}

fn apart(s: &mut Scene) -> Outcome {
    let packets = [s.phrase(), String::new(), s.phrase(), s.phrase(), String::new()];
    let mut c = line(s, Packets)?;
    for packet in &packets {
        c.send(packet.as_bytes())?;
    }
    for packet in &packets {
        c.expect(packet.as_bytes()).because(APART)?;
    }
    c.expect_silence(ms(20)).because(APART)
}

fn half_close(s: &mut Scene) -> Outcome {
    let why = "shutdown(2), SHUT_WR: one direction has ended; the other is still good for what is due";
    for carrier in ALL {
        let words = s.phrase();
        let mut c = line(s, carrier)?;
        c.send(words.as_bytes())?;
        c.half_close()?;
        c.expect(words.as_bytes()).because(why)?;
        c.expect_end().because(why)?;
    }
    Ok(())
}

fn mebibyte(s: &mut Scene) -> Outcome {
    let octets = s.octets(1 << 20);
    for carrier in STREAMS {
        let Line::Stream(mut c) = line(s, carrier)? else { continue };
        c.send_in_background(&octets)?;
        c.expect(&octets).because(RFC862)?;
    }
    Ok(())
}

/// The server is held up until the long packet and one after it wait.
fn too_long(s: &mut Scene) -> Outcome {
    let (words, long) = (s.phrase(), s.octets(65_537));
    let mut c = line(s, Packets)?;
    c.send(&long[1..])?;
    c.expect(&long[1..]).because(RFC862)?;
    s.hold()?;
    for packet in [words.as_bytes(), &long, words.as_bytes()] {
        c.send(packet)?;
    }
    s.release()?;
    if let Line::Packets(talk) = &mut c {
        talk.wait_until_closed()
            .because("recv(2): of a packet longer than the buffer, the excess octets are discarded")?;
    }
    let why = "close(2) with packets unread resets the peer, and it is told so before it reads what it was sent";
    c.expect(words.as_bytes()).because(why)?;
    c.expect_end().because(why)?;
    s.expect_error("unix client 1: a packet of 65,537 octets, longer than 65,536, closed")
        .because("whoever looks for the reason of a close looks into the log")
}

fn stopped(s: &mut Scene) -> Outcome {
    let why =
        "signal(7): on Linux, a read with a timeout fails with EINTR after SIGSTOP and SIGCONT, without any handler";
    for carrier in ALL {
        let words = s.phrase();
        let mut c = line(s, carrier)?;
        c.echo(&words)?;
        // The thread must wait for the next octets by then.
        s.wait_until_still(PATIENCE)?;
        s.hold()?;
        s.release()?;
        c.expect_silence(ms(30)).because(why)?;
        c.echo(&words).because(why)?;
    }
    Ok(())
}

fn idle(s: &mut Scene) -> Outcome {
    let why = "an idle connection costs a thread and a descriptor, and its client may be long gone";
    for carrier in ALL {
        let mut c = line(s, carrier)?;
        let start = Instant::now();
        c.echo(&s.phrase())?;
        c.expect_end().because(why)?;
        not_before(start, ms(150)).because("a client was promised this time")?;
        s.expect_error("nothing moved for 150ms, closed").because("a log says why a connection was ended")?;
    }
    Ok(())
}

/// Both directions are full, and the server's thread is stopped in its write.
fn stuck(s: &mut Scene) -> Outcome {
    // More than the buffers of both directions take (tcp(7), tcp_rmem and tcp_wmem).
    let much = s.octets(1 << 16).repeat(24 << 4);
    for carrier in ALL {
        let mut c = line(s, carrier)?;
        c.send_until_full(&much);
        s.expect_error("nothing moved for 200ms, closed")
            .because("socket(7), SO_SNDTIMEO: without it, a write to a peer that does not read waits for ever")?;
        c.leave();
    }
    Ok(())
}

fn refuses(s: &mut Scene) -> Outcome {
    for carrier in ALL {
        let mut inside = line(s, carrier)?;
        inside.echo(&s.phrase())?;
        connect(s, carrier)?
            .expect_end()
            .because("a cap that is not enforced is no cap: threads and memory run out instead")?;
    }
    Ok(())
}

fn descriptors(s: &mut Scene) -> Outcome {
    for carrier in ALL {
        let words = s.phrase();
        let mut first = line(s, carrier)?;
        first.echo(&words)?;
        let Some(before) = s.descriptors()? else { return Ok(()) };
        for leaves in [false, true, false, true] {
            let mut c = connect(s, carrier)?;
            c.echo(&words)?;
            if leaves {
                c.leave();
            } else {
                c.half_close()?;
                c.expect_end()?;
            }
        }
        s.expect_descriptors(before)
            .because("getrlimit(2): a descriptor that is not closed is lost until the program ends")?;
    }
    Ok(())
}

fn finishes(s: &mut Scene) -> Outcome {
    let why = "a stop is no reason to break a promise: whoever was accepted is served";
    for carrier in ALL {
        let words = s.phrase();
        let mut c = line(s, carrier)?;
        c.echo(&words)?;
        s.signal(Signal::SIGTERM)?;
        s.expect_refusal()?;
        c.expect_silence(ms(40)).because(why)?;
        c.echo(&words).because(why)?;
        c.half_close()?;
        c.expect_end()?;
        s.expect_exit(0, Duration::from_secs(2))
            .because("with its last connection gone, a stopping server has nothing to wait for")?;
    }
    Ok(())
}

fn grace(s: &mut Scene) -> Outcome {
    for carrier in ALL {
        let mut c = line(s, carrier)?;
        c.echo(&s.phrase())?;
        let start = Instant::now();
        s.signal(Signal::SIGTERM)?;
        s.expect_exit(0, Duration::from_secs(2)).because("a stop that waits for its slowest client waits for ever")?;
        not_before(start, ms(150)).because("those inside were promised this time")?;
        s.expect_error("cut off 1 connection after 150ms").because("a log says whom a stop has cost what")?;
        c.leave();
    }
    Ok(())
}

fn mode(s: &mut Scene) -> Outcome {
    use std::os::unix::fs::MetadataExt;
    let path = s.socket_path()?;
    s.start_with_arguments(&[format!("unixpacket://{path}"), "--mode".into(), "0622".into()])?;
    let got = std::fs::symlink_metadata(&path).map(|m| m.mode() & 0o777).unwrap_or_default();
    if got != 0o622 {
        return Err(Failure::new("mode 0622, by --mode 0622", format!("{got:04o}")))
            .because("unix(7): whoever may write to the socket file may connect, and nobody else");
    }
    Ok(())
}

fn mode_of_a_port(s: &mut Scene) -> Outcome {
    s.run_with(&["127.0.0.1:0", "--mode", "0600"])?;
    expect_one_error(s, "only a socket file has a mode and a group")
}

fn abstract_names(s: &mut Scene) -> Outcome {
    for carrier in [Unix, Packets] {
        let name = s.abstract_name().replace("unix:", &format!("{carrier}:"));
        s.journal.note(format!("over {carrier}, on an abstract name"));
        s.start_on(&name)?;
        let said = s.subject()?.stdout.all();
        let why = "unix(7), Abstract: the name has a NUL in front, and no place in the file system";
        if said != format!("listening on {name}\n") {
            return Err(Failure::new(format!("the line `listening on {carrier}:@NAME`"), "another")).because(why);
        }
        connect(s, carrier)?.echo(&s.phrase()).because(why)?;
    }
    Ok(())
}

fn schemes(s: &mut Scene) -> Outcome {
    for (scheme, rest) in [("udp", "127.0.0.1:0"), ("unixgram", "harbour.sock"), ("http", "127.0.0.1:0")] {
        s.run_with(&[&format!("{scheme}://{rest}")])?;
        expect_one_error(s, &format!("no connections over \"{scheme}\": write tcp://, unix:// or unixpacket://"))?;
    }
    Ok(())
}
