//! `unixpacket_echo`: packets, each sent back as one.

use super::files;
use crate::checks::common::not_before;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;

const APART: &str = "socket(2), SOCK_SEQPACKET: a connection that keeps what one send(2) sent apart from the next";
const CUT: &str = "recv(2): of a packet that is longer than the buffer, the excess octets are discarded";
const NOT_ALONE: &str = "accept(2) takes one connection at a time; serving must not keep it from the next";

pub fn program() -> Program {
    Program::finished(7, "unixpacket_echo")
        .check("says_where_it_listens", "the announce line has the scheme and the path", announces)
        .check("sends_back_a_packet", "a packet comes back as it was sent, and nothing else does", sends_back)
        .check("keeps_packets_apart", "three packets come back as three, in the order in which they were sent", apart)
        .check("sends_back_an_empty_packet", "an empty packet is a packet, and comes back as one", empty)
        .check(
            "answers_the_half_close",
            "packets sent before the half-close come back; after them comes the end",
            half_close,
        )
        .check("carries_long_packets", "a packet of --max-length octets comes back whole", longest)
        .check("goes_on_after_a_stop", "a program that was stopped (Ctrl-Z) and goes on keeps its connections", stopped)
        .check("shortens_nothing", "a packet longer than --max-length is named, and ends its connection", too_long)
        .with(&["--max-length", "100"])
        .check(
            "leaves_earlier_echoes_readable",
            "what came before the packet that was too long is answered still",
            readable,
        )
        .with(&["--max-length", "100"])
        .check("names_a_length_that_no_packet_has", "a --max-length that could not be sent back is refused", lengths)
        .finished_only()
        .check("loses_nothing_to_a_slow_reader", "a slow reader gets every packet, in its own time", slow_reader)
        .check("serves_clients_side_by_side", "a silent client does not hold up the next", side_by_side)
        .check("survives_a_leaver", "a client that leaves with its echoes unread ends its own connection only", leaver)
        .check("closes_an_idle_connection", "a connection on which nothing moves is closed after --idle", idle)
        .with(&["--idle", "200ms"])
        .check("packets_keep_a_connection_open", "every packet moves the idle limit on", pushed_on)
        .with(&["--idle", "400ms"])
        .check("gives_up_a_client_that_does_not_read", "a client that takes no echo for --idle is closed", stuck)
        .with(&["--idle", "200ms"])
        .check("refuses_beyond_the_limit", "connections beyond --max-connections are closed at once", refuses)
        .with(&["--max-connections", "2"])
        .check("leaves_no_descriptors_open", "a connection's descriptor is closed with it", descriptors)
        .check("logs_each_packet", "with --verbose, each packet is one line of the log", logs)
        .with(&["--verbose"])
        .finished_only()
        .check(
            "finishes_what_it_accepted",
            "after SIGTERM, a connection that was accepted is served to its end",
            finishes,
        )
        .check("cuts_off_after_the_grace", "after SIGTERM, connections have --grace to finish", grace)
        .with(&["--grace", "200ms"])
        // The file; the checks of unix_echo_server have the rest of its rules.
        .check("removes_its_file", "whichever signal ends it, its socket file goes with it", files::removes_its_file)
        .check("replaces_a_stale_file", "a file that nobody has any more is replaced", files::replaces_a_stale_file)
        .check(
            "never_steals_a_live_one",
            "a live server keeps its file, and does not notice that it was wanted",
            files::never_steals_a_live_one,
        )
        .check("has_the_mode_asked_for", "the file's mode is --mode, whatever the umask", files::has_the_mode_asked_for)
        .finished_only()
        .check(
            "has_the_group_asked_for",
            "the file's group is --group, which may write to it",
            files::has_the_group_asked_for,
        )
        .finished_only()
        .check("names_a_missing_folder", "a folder that is not there is named", files::names_a_missing_folder)
        .finished_only()
        .check("abstract_names_make_no_file", "@name is a name of the kernel's, and no file", abstract_name)
}

/// A packet is sent, and comes back.
fn echo(c: &mut PacketTalk, words: &str) -> Outcome {
    c.send(words.as_bytes())?;
    c.expect(words.as_bytes())
}

fn announces(s: &mut Scene) -> Outcome {
    let path = s.start_on_a_file()?;
    let said = s.subject()?.stdout.all();
    if said != format!("listening on unixpacket://{path}\n") {
        return Err(Failure::new("the line `listening on unixpacket:///PATH`, with its path", "another")).because(
            "a client that connects with another type of socket is refused (EPROTOTYPE): the scheme says which",
        );
    }
    s.packets().map(drop)
}

fn sends_back(s: &mut Scene) -> Outcome {
    let mut c = s.packets()?;
    for _ in 0..3 {
        let words = s.phrase();
        echo(&mut c, &words).because("RFC 862: any data received is sent back, and no more than that")?;
        c.expect_silence(ms(20)).because("RFC 862: any data received is sent back, and no more than that")?;
    }
    Ok(())
}

/// Three writes, three reads. Then three more, and reads with room for two octets: a stream would give the next two.
fn apart(s: &mut Scene) -> Outcome {
    let mut c = s.packets()?;
    for room in [usize::MAX, 2] {
        let packets = [s.phrase(), s.phrase(), s.phrase()];
        for packet in &packets {
            c.send(packet.as_bytes())?;
        }
        for packet in &packets {
            if room > packet.len() {
                c.expect(packet.as_bytes()).because(APART)?;
                continue;
            }
            let got = c.receive_into(room)?;
            if (got.octets.as_slice(), got.whole) != (&packet.as_bytes()[..room], packet.len()) {
                return Err(Failure::octets(
                    &packet.as_bytes()[..room],
                    &got.octets,
                    "a read with room for two octets",
                ))
                .because(CUT);
            }
        }
    }
    Ok(())
}

fn empty(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.packets()?;
    let why =
        "recv(2): a packet of no octets is read as 0, as the end is; with SO_PASSCRED, only the packet has a sender";
    for packet in ["", &words, "", ""] {
        echo(&mut c, packet).because(why)?;
    }
    c.expect_silence(ms(20)).because(why)
}

fn half_close(s: &mut Scene) -> Outcome {
    let (first, last) = (s.phrase(), s.phrase());
    let mut c = s.packets()?;
    c.send(first.as_bytes())?;
    c.send(last.as_bytes())?;
    c.half_close()?;
    let why = "shutdown(2), SHUT_WR: one direction has ended; the other is still good for what is due";
    c.expect(first.as_bytes()).because(why)?;
    c.expect(last.as_bytes()).because(why)?;
    c.expect_end().because(why)
}

fn longest(s: &mut Scene) -> Outcome {
    let longest = s.octets(65_536);
    let mut c = s.packets()?;
    for length in [5_000, 65_535, 65_536] {
        c.send(&longest[..length])?;
        c.expect(&longest[..length]).because("send(2): a packet goes through whole, or not at all")?;
    }
    Ok(())
}

fn too_long(s: &mut Scene) -> Outcome {
    let longest = s.octets(101);
    let mut c = s.packets()?;
    c.send(&longest[1..])?;
    c.expect(&longest[1..])?;
    c.send(&longest)?;
    c.expect_end().because(CUT)?;
    s.expect_error("unix client 1: a packet of 101 octets, longer than 100, closed")
        .because("whoever looks for the reason of a close looks into the log")
}

/// The server is held up until all of it waits: the packet that is too long, and more after it, which is never read.
fn readable(s: &mut Scene) -> Outcome {
    let (words, long) = (s.phrase(), s.octets(101));
    let mut c = s.packets()?;
    echo(&mut c, &words)?;
    s.hold()?;
    for packet in [words.as_bytes(), &long, words.as_bytes(), words.as_bytes()] {
        c.send(packet)?;
    }
    s.release()?;
    let why = "close(2) with packets unread resets the peer, and it is told so before it reads what it was sent";
    c.wait_until_closed()?;
    c.expect(words.as_bytes()).because(why)?;
    c.expect_end().because(why)
}

fn lengths(s: &mut Scene) -> Outcome {
    for length in ["0", "212961", "1GiB"] {
        let path = s.socket_path()?;
        s.run_with(&[&path, "--max-length", length])?;
        s.expect_exit(2, Duration::from_secs(5))
            .because("send(2), EMSGSIZE: a packet must fit into the send buffer (net.core.wmem_default)")?;
    }
    Ok(())
}

fn slow_reader(s: &mut Scene) -> Outcome {
    let packet = s.octets(500);
    let mut c = s.packets()?;
    let sent = c.send_until_full(&packet, ms(150));
    c.half_close()?;
    let why = "send(2): when the message does not fit into the send buffer of the socket, send blocks";
    s.journal.note("the grader reads every packet of these, one by one");
    for n in 1..=sent {
        let got = c.receive_unseen().because(why)?;
        if got != packet {
            return Err(Failure::octets(&packet, &got, format!("packet {n} of those"))).because(why);
        }
    }
    c.expect_end().because(why)
}

fn side_by_side(s: &mut Scene) -> Outcome {
    let (first, second, third) = (s.phrase(), s.phrase(), s.phrase());
    let mut stays = s.packets()?;
    echo(&mut stays, &first)?;
    let (mut silent, mut last) = (s.packets()?, s.packets()?);
    echo(&mut last, &second).because(NOT_ALONE)?;
    echo(&mut silent, &third).because(NOT_ALONE)?;
    echo(&mut stays, &first).because(NOT_ALONE)
}

/// One leaves while the server waits to send to it, one has never said a word, one has read nothing of what came back.
fn leaver(s: &mut Scene) -> Outcome {
    let (packet, words) = (s.octets(500), s.phrase());
    let mut stuck = s.packets()?;
    stuck.send_until_full(&packet, ms(50));
    stuck.leave();
    s.packets()?.leave();
    let mut unread = s.packets()?;
    unread.send(words.as_bytes())?;
    unread.leave();
    let mut c = s.packets()?;
    let why = "send(2), EPIPE: the other end has been shut down; that is this connection's end and no other's";
    echo(&mut c, &words).because(why)?;
    // A thread that panics takes a moment to say so.
    c.expect_silence(ms(40)).because(why)
}

fn stopped(s: &mut Scene) -> Outcome {
    let (before, after) = (s.phrase(), s.phrase());
    let mut c = s.packets()?;
    echo(&mut c, &before)?;
    // The thread must wait in recvmsg(2) by then.
    s.wait_until_still(PATIENCE)?;
    s.hold()?;
    s.release()?;
    let why =
        "signal(7): on Linux, a read with a timeout fails with EINTR after SIGSTOP and SIGCONT, without any handler";
    c.expect_silence(ms(40)).because(why)?;
    echo(&mut c, &after).because(why)
}

fn idle(s: &mut Scene) -> Outcome {
    s.start_on_a_file()?;
    let start = Instant::now();
    let mut c = s.packets()?;
    c.expect_end()
        .because("an idle connection costs a thread and a descriptor, and its client may have forgotten it")?;
    not_before(start, ms(200)).because("a client was promised this time")?;
    s.expect_error("unix client 1: nothing moved for 200ms, closed").because("a log says why a connection was ended")
}

/// Five packets, each well within the limit, together well beyond it.
fn pushed_on(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.packets()?;
    for _ in 0..5 {
        c.expect_silence(ms(120)).because("the limit counts from the last packet, not from the first")?;
        echo(&mut c, &words).because("the limit counts from the last packet, not from the first")?;
    }
    Ok(())
}

/// Both directions are full, and the server's thread is stopped in its send(2).
fn stuck(s: &mut Scene) -> Outcome {
    let packet = s.octets(500);
    let mut c = s.packets()?;
    c.send_until_full(&packet, ms(50));
    s.expect_error("unix client 1: nothing moved for 200ms, closed")
        .because("socket(7), SO_SNDTIMEO: without it, send(2) to a peer that does not read waits for ever")?;
    c.leave();
    Ok(())
}

fn refuses(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut inside = [s.packets()?, s.packets()?];
    for c in &mut inside {
        echo(c, &words)?;
    }
    s.packets()?.expect_end().because("a cap that is not enforced is no cap: threads and memory run out instead")
}

/// Clients that end well, clients that leave, and clients whose packet is too long; each has passed a descriptor along, as
/// anybody can.
fn descriptors(s: &mut Scene) -> Outcome {
    let (words, long) = (s.phrase(), s.octets(70_000));
    let mut first = s.packets()?;
    echo(&mut first, &words)?;
    let Some(before) = s.descriptors()? else { return Ok(()) };
    s.journal.note("30 clients come and go");
    for n in 0..30 {
        let mut c = s.packets_unseen()?;
        c.send_with_a_descriptor(words.as_bytes())?;
        c.expect(words.as_bytes())?;
        match n % 3 {
            0 => c.half_close()?,
            1 => c.send(&long)?,
            _ => {
                c.leave();
                continue;
            }
        }
        c.expect_end()?;
    }
    s.expect_descriptors(before).because("getrlimit(2): a descriptor that is not closed is lost until the program ends")
}

fn logs(s: &mut Scene) -> Outcome {
    let mut c = s.packets()?;
    for length in [7, 0, 1] {
        let packet = s.octets(length);
        c.send(&packet)?;
        c.expect(&packet)?;
        s.expect_error(&format!("unix client 1: {}", netkata::human::count(length, "octet")))
            .because("a log that counts what came can be laid beside what the client says it sent")?;
    }
    Ok(())
}

fn finishes(s: &mut Scene) -> Outcome {
    let (before, after) = (s.phrase(), s.phrase());
    let mut c = s.packets()?;
    echo(&mut c, &before)?;
    s.signal(Signal::SIGTERM)?;
    s.expect_refusal()?;
    let why = "a stop is no reason to break a promise: whoever was accepted is served";
    c.expect_silence(ms(60)).because(why)?;
    echo(&mut c, &after).because(why)?;
    c.half_close()?;
    c.expect_end()?;
    s.expect_exit(0, Duration::from_secs(2))
        .because("with its last connection gone, a stopping server has nothing to wait for")
}

fn grace(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.packets()?;
    echo(&mut c, &words)?;
    let start = Instant::now();
    s.signal(Signal::SIGTERM)?;
    s.expect_exit(0, Duration::from_secs(2)).because("a stop that waits for its slowest client waits for ever")?;
    not_before(start, ms(200)).because("those inside were promised this time")?;
    s.expect_error("cut off 1 connection after 200ms").because("a log says whom a stop has cost what")?;
    c.leave();
    Ok(())
}

fn abstract_name(s: &mut Scene) -> Outcome {
    files::abstract_names_make_no_file(s, |s| {
        let (mut c, words) = (s.packets()?, s.phrase());
        echo(&mut c, &words)
    })
}
