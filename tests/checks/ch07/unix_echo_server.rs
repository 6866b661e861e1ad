//! `unix_echo_server`: chapter 3's echo on a socket file, and the rules of that file.

use super::files::{self, over_streams};
use crate::checks::common::{self, echo};
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;

const STREAM: &str = "unix(7), SOCK_STREAM: octets go through in order; where one write ended, no reader can see";

pub fn program() -> Program {
    Program::finished(7, "unix_echo_server")
        .check("says_where_it_listens", "the announce line has the path, and a socket is there", announces)
        .check("sends_back_what_it_gets", "the octets that arrive go back, and nothing else", sends_back)
        .check("waits_for_no_line_end", "an echo knows no lines: octets go back as they come", no_lines)
        .check("keeps_every_octet_value", "every octet comes back as it was sent, text or not", every_octet)
        .check("carries_a_mebibyte", "there is no largest echo", mebibyte)
        .check(
            "answers_the_half_close",
            "a client that has finished sending still gets the rest, then the end",
            half_close,
        )
        .check("loses_nothing_to_a_slow_reader", "a slow reader gets everything, in its own time", slow_reader)
        .check("serves_clients_side_by_side", "a silent client does not hold up the next", side_by_side)
        .check("survives_a_leaver", "a client that leaves in the middle ends its own connection and no other", leaver)
        .check("closes_an_idle_connection", "a connection on which nothing moves is closed after --idle", idle)
        .with(&["--idle", "200ms"])
        .check("traffic_keeps_a_connection_open", "every octet moves the idle limit on", pushed_on)
        .with(&["--idle", "400ms"])
        .check("gives_a_stuck_reader_up", "a client that does not read is given up after --idle", stuck)
        .with(&["--idle", "200ms"])
        .check("refuses_beyond_the_limit", "connections beyond --max-connections are closed at once", refuses)
        .with(&["--max-connections", "2"])
        .check("a_leaver_makes_room", "a connection that ends gives its place back", makes_room)
        .with(&["--max-connections", "2"])
        .check("logs_each_connection", "with --verbose, each connection is logged when it ends", logs)
        .with(&["--verbose"])
        // The end.
        .check(
            "finishes_what_it_accepted",
            "after SIGTERM, new clients are refused, and those inside are served to their end",
            finishes,
        )
        .check("cuts_off_after_the_grace", "after SIGTERM, connections have --grace to finish", grace)
        .with(&["--grace", "200ms"])
        // The file.
        .check("removes_its_file", "whichever signal ends it, its socket file goes with it", files::removes_its_file)
        .check(
            "removes_its_file_on_a_second_signal",
            "who insists does not leave the file behind",
            over_streams::removes_its_file_on_a_second_signal,
        )
        .check(
            "leaves_a_successors_file",
            "a file that another server has put there is not removed",
            files::leaves_a_successors_file,
        )
        .check("replaces_a_stale_file", "a file that nobody has any more is replaced", files::replaces_a_stale_file)
        .check(
            "never_steals_a_live_one",
            "a live server keeps its file, and does not notice that it was wanted",
            files::never_steals_a_live_one,
        )
        .check(
            "keeps_a_file_that_is_no_socket",
            "a file that is no socket is nobody's to remove",
            files::keeps_a_file_that_is_no_socket,
        )
        .check("has_the_mode_asked_for", "the file's mode is --mode, whatever the umask", files::has_the_mode_asked_for)
        .finished_only()
        .check(
            "has_the_group_asked_for",
            "the file's group is --group, which may write to it",
            files::has_the_group_asked_for,
        )
        .finished_only()
        .check(
            "guards_the_file_from_its_first_moment",
            "there is no moment at which others may connect",
            files::guards_the_file_from_its_first_moment,
        )
        .finished_only()
        .check("names_a_missing_folder", "a folder that is not there is named", files::names_a_missing_folder)
        .finished_only()
        .check(
            "names_a_folder_without_permission",
            "a folder that may not be written to is named",
            files::names_a_folder_without_permission,
        )
        .finished_only()
        .check("names_a_long_path", "107 octets are a path, 108 are not", files::names_a_long_path)
        .finished_only()
        .check(
            "abstract_names_make_no_file",
            "@name is a name of the kernel's, and no file",
            over_streams::abstract_names_make_no_file,
        )
        .check(
            "refuses_a_mode_for_an_abstract_name",
            "a mode without a file is an error",
            files::refuses_a_mode_for_an_abstract_name,
        )
        .finished_only()
}

/// Starts it on a socket file.
fn start(s: &mut Scene) -> Outcome<String> {
    let path = s.socket_path()?;
    s.start_on(&path)?;
    Ok(path)
}

fn connect(s: &mut Scene) -> Outcome<Talk> {
    start(s)?;
    s.connect()
}

fn announces(s: &mut Scene) -> Outcome {
    let path = start(s)?;
    let said = s.subject()?.stdout.all();
    if said != format!("listening on unix://{path}\n") {
        return Err(Failure::new("the line `listening on unix:///PATH`, with its path", "another"))
            .because("RFC 3986 §3: a scheme, `//`, no host, and a path that begins with a slash");
    }
    s.connect().map(drop)
}

fn sends_back(s: &mut Scene) -> Outcome {
    let mut c = connect(s)?;
    for _ in 0..3 {
        let line = format!("{}\n", s.phrase());
        c.send(line.as_bytes())?;
        c.expect(line.as_bytes()).because("RFC 862: any data received is sent back to the originating source")?;
        c.expect_silence(ms(20)).because("RFC 862: the echo is what was received, and no more")?;
    }
    Ok(())
}

fn no_lines(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = connect(s)?;
    for part in words.as_bytes().chunks(5) {
        c.send(part)?;
        c.expect(part).because(STREAM)?;
    }
    Ok(())
}

fn every_octet(s: &mut Scene) -> Outcome {
    let octets = s.every_octet();
    let mut c = connect(s)?;
    c.send(&octets)?;
    c.expect(&octets).because("RFC 862: any data received is sent back, whatever it means")
}

fn mebibyte(s: &mut Scene) -> Outcome {
    let octets = s.octets(1 << 20);
    let mut c = connect(s)?;
    c.send_in_background(&octets)?;
    c.expect(&octets).because("RFC 862: the echo continues until the calling user terminates the connection")
}

fn half_close(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = connect(s)?;
    c.send(words.as_bytes())?;
    c.half_close()?;
    let why = "shutdown(2), SHUT_WR: one direction has ended; the other is still good for what is due";
    c.expect(words.as_bytes()).because(why)?;
    c.expect_close(Close::Fin).because(why)
}

fn slow_reader(s: &mut Scene) -> Outcome {
    let octets = s.octets(4 << 20);
    let mut c = connect(s)?;
    let sent = c.send_until_full(&octets, ms(300));
    c.half_close()?;
    let why = "send(2): when the message does not fit into the send buffer of the socket, send blocks";
    let (got, close) = c.read_until_closed().because(why)?;
    if (got.as_slice(), close) == (&octets[..sent], Close::Fin) {
        return Ok(());
    }
    let [all, some] = [sent, got.len()].map(|n| netkata::human::count(n, "octet"));
    Err(Failure::new(format!("all of the {all}"), format!("{some}, and the end"))).because(why)
}

fn side_by_side(s: &mut Scene) -> Outcome {
    start(s)?;
    common::serves_clients_side_by_side(s)
}

/// The client sends more than the server can send back, and is gone with all of that unread.
fn leaver(s: &mut Scene) -> Outcome {
    let (octets, words) = (s.octets(4 << 20), s.phrase());
    let mut leaver = connect(s)?;
    leaver.send_until_full(&octets, ms(50));
    leaver.leave();
    let mut c = s.connect()?;
    let why = "send(2), EPIPE: the other end has been shut down; that is this connection's end and no other's";
    echo(&mut c, &words).because(why)?;
    // A thread that panics takes a moment to say so.
    c.expect_silence(ms(40)).because(why)
}

fn idle(s: &mut Scene) -> Outcome {
    let mut c = connect(s)?;
    let why = "an idle connection costs a thread and a descriptor, and its client may have forgotten it";
    c.expect_close(Close::Fin).because(why)?;
    s.expect_error("unix client 1: nothing moved for 200ms, closed").because("a log says why a connection was ended")
}

/// Five messages, each well within the limit, together well beyond it.
fn pushed_on(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = connect(s)?;
    for _ in 0..5 {
        c.expect_silence(ms(120)).because("the limit counts from the last octet, not from the first")?;
        echo(&mut c, &words).because("the limit counts from the last octet, not from the first")?;
    }
    Ok(())
}

/// Both directions are full, and the server's thread is stopped in its write.
fn stuck(s: &mut Scene) -> Outcome {
    let octets = s.octets(4 << 20);
    let mut c = connect(s)?;
    c.send_until_full(&octets, ms(50));
    let why = "socket(7), SO_SNDTIMEO: without it, send(2) to a peer that does not read waits for ever";
    s.expect_error("unix client 1: nothing moved for 200ms, closed").because(why)?;
    c.leave();
    Ok(())
}

fn refuses(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    start(s)?;
    let mut inside = [s.connect()?, s.connect()?];
    for c in &mut inside {
        echo(c, &words)?;
    }
    s.connect()?
        .expect_close(Close::Fin)
        .because("a cap that is not enforced is no cap: threads and memory run out instead")
}

fn makes_room(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    start(s)?;
    for _ in 0..5 {
        let why = "a place that is not given back is lost until the server is restarted";
        let mut c = s.connect()?;
        c.expect_silence(ms(20)).because(why)?;
        echo(&mut c, &words).because(why)?;
        c.half_close()?;
        c.expect_close(Close::Fin)?;
    }
    Ok(())
}

/// Clients on a Unix socket have no address: they are numbered.
fn logs(s: &mut Scene) -> Outcome {
    start(s)?;
    for client in 1..=2 {
        let words = s.phrase();
        let mut c = s.connect()?;
        echo(&mut c, &words)?;
        c.half_close()?;
        c.expect_close(Close::Fin)?;
        s.expect_error(&format!("unix client {client}: closed after {} octets", words.len()))
            .because("unix(7): a client that has not called bind(2) has no name; a number tells it from others")?;
    }
    Ok(())
}

fn finishes(s: &mut Scene) -> Outcome {
    let (before, after) = (s.phrase(), s.phrase());
    let mut c = connect(s)?;
    echo(&mut c, &before)?;
    s.signal(Signal::SIGTERM)?;
    s.expect_refusal()?;
    let why = "a stop is no reason to break a promise: whoever was accepted is served";
    c.expect_silence(ms(100)).because(why)?;
    echo(&mut c, &after).because(why)?;
    c.half_close()?;
    c.expect_close(Close::Fin)?;
    s.expect_exit(0, Duration::from_secs(2))
        .because("with its last connection gone, a stopping server has nothing to wait for")
}

fn grace(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = connect(s)?;
    echo(&mut c, &words)?;
    let start = Instant::now();
    s.signal(Signal::SIGTERM)?;
    let why = "a stop that waits for its slowest client waits for ever";
    s.expect_exit(0, Duration::from_secs(2)).because(why)?;
    common::not_before(start, ms(200)).because("those inside were promised this time")?;
    s.expect_error("cut off 1 connection after 200ms").because("a log says whom a stop has cost what")?;
    c.leave();
    Ok(())
}
