//! `unixgram_echo`: RFC 862 in datagrams between Unix sockets.

use super::files;
use crate::checks::common;
use netkata_kit::prelude::*;
use netkata_kit::unix_datagram::UnixDatagrams;
use nix::sys::signal::Signal;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

const RFC862: &str = "RFC 862: when a datagram is received, the data from it is sent back in an answering datagram";
const BOUNDS: &str = "unix(7): datagram sockets keep message limits, are reliable, and do not reorder";
const NEXT: &str = "a datagram that cannot be answered is no reason to leave the next one unanswered";
/// More small answers than any queue and any send buffer holds.
const FLOOD: usize = 3000;

pub fn program() -> Program {
    Program::finished(7, "unixgram_echo")
        .check("says_where_it_listens", "the announce line is a unixgram: URL", announces)
        .check("sends_back_what_it_gets", "a datagram comes back whole, from the server's own name", sends_back)
        .check("goes_on_after_one_datagram", "the next datagram is echoed, too", goes_on)
        .check("forgets_the_last_datagram", "a short datagram after a long one brings nothing of it back", forgets)
        .check("echoes_an_empty_datagram", "a datagram of no octets is echoed, and is no end", empty)
        .check("keeps_datagrams_apart", "three sends are three reads, in their order", apart)
        .check("keeps_every_octet_value", "every octet comes back as it was sent, text or not", every_octet)
        .check("answers_each_sender", "senders who speak in turns each get their own", each_sender)
        .check("answers_a_client_without_a_file", "a client with an abstract name is answered, too", abstract_client)
        .check("abstract_names_make_no_file", "@name is a name of the kernel's, and no file", abstract_server)
        .check(
            "survives_a_client_without_a_name",
            "who has not called bind(2) is told of, and costs nobody else an echo",
            unnamed,
        )
        .check(
            "survives_a_client_that_left",
            "a client that has gone, with or without its file, costs nobody else an echo",
            left,
        )
        .check(
            "survives_a_file_it_may_not_write_to",
            "a client whose file is closed to the server costs nobody else an echo",
            closed,
        )
        .check("never_waits_for_a_reader", "a client that asks and does not read stops nobody else's echo", deaf)
        .check("has_room_beside_unread_answers", "eleven long answers that nobody reads leave room for others", room)
        .with(&["--buffer", "24000"])
        .check("tells_the_same_once_a_second", "trouble by the thousand is one line in the log, and a sum", quiet)
        .check(
            "does_not_talk_to_itself",
            "a client's path that leads back to the server starts no endless echo",
            itself,
        )
        .check("cuts_what_does_not_fit", "of a datagram that is longer than --buffer, so many octets are echoed", cuts)
        .with(&["--buffer", "700"])
        .check("says_what_was_cut", "a cut is logged: who sent how much, and what is left", says_cut)
        .with(&["--buffer", "1000"])
        .check("carries_more_than_udp", "80,000 octets go there and back in one datagram", longest)
        .with(&["--buffer", "100000"])
        .check("logs_each_datagram_when_asked", "--verbose logs who sent how much", verbose)
        .with(&["--verbose"])
        .check("ends_while_somebody_talks", "SIGTERM ends it at once, whatever still comes", traffic)
        .check("sums_up", "at its end it says how much came, was cut, and went unanswered", sums_up)
        .with(&["--buffer", "100"])
        // The file.
        .check("removes_its_file", "whichever signal ends it, its socket file goes with it", files::removes_its_file)
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
            "there is no moment at which others may send to it",
            files::guards_the_file_from_its_first_moment,
        )
        .finished_only()
        .check("names_a_missing_folder", "a folder that is not there is named", files::names_a_missing_folder)
        .finished_only()
        .check("names_a_long_path", "107 octets are a path, 108 are not", files::names_a_long_path)
        .finished_only()
        .check(
            "refuses_a_mode_for_an_abstract_name",
            "a mode without a file is an error",
            files::refuses_a_mode_for_an_abstract_name,
        )
        .finished_only()
}

/// There and back.
fn echo(c: &mut UnixDatagrams, octets: &[u8]) -> Outcome {
    c.send(octets)?;
    c.expect(octets)
}

/// A client of its own is served.
fn another_is_served(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    echo(&mut s.unix_datagrams()?, words.as_bytes())
}

/// Read off the whole line: an address alone does not show its scheme.
fn announces(s: &mut Scene) -> Outcome {
    let (path, name) = (s.socket_path()?, s.abstract_name());
    let url = format!("unixgram:{}", name.trim_start_matches("unix:"));
    for (name, url) in [(path.clone(), format!("unixgram://{path}")), (name, url)] {
        s.start_on(&name)?;
        let line = s.subject()?.stdout.all();
        if line != format!("listening on {url}\n") {
            return Err(Failure::new(format!("the line `listening on {url}`"), format!("{line:?}"))).because(
                "whoever starts a server learns its address and its kind there: unix:, unixgram:, unixpacket:",
            );
        }
    }
    Ok(())
}

fn sends_back(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.unix_datagrams()?;
    echo(&mut c, words.as_bytes()).because(RFC862)?;
    c.expect_silence(ms(30)).because(RFC862)
}

fn goes_on(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.unix_datagrams()?;
    for _ in 0..3 {
        echo(&mut c, words.as_bytes())
            .because("there is no connection that could end: the next datagram may be anybody's")?;
    }
    Ok(())
}

fn forgets(s: &mut Scene) -> Outcome {
    let (long, short) = (format!("{}, {}", s.phrase(), s.phrase()), s.phrase());
    let mut c = s.unix_datagrams()?;
    echo(&mut c, long.as_bytes())?;
    echo(&mut c, short.as_bytes())
        .because("recv(2) returns the datagram's length: behind it, the buffer has what came before")
}

fn empty(s: &mut Scene) -> Outcome {
    const WHY: &str = "recv(2): datagrams of zero length are permitted; a return of 0 is the end of a stream only";
    let words = s.phrase();
    let mut c = s.unix_datagrams()?;
    echo(&mut c, b"").because(WHY)?;
    echo(&mut c, words.as_bytes()).because(WHY)
}

/// All three are in the queue when the server looks.
fn apart(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase(), s.phrase()];
    let mut c = s.unix_datagrams()?;
    s.hold()?;
    words.iter().try_for_each(|words| c.send(words.as_bytes()))?;
    s.release()?;
    words.iter().try_for_each(|words| c.expect(words.as_bytes())).because(BOUNDS)?;
    c.expect_silence(ms(30)).because(BOUNDS)
}

fn every_octet(s: &mut Scene) -> Outcome {
    let octets = s.every_octet();
    echo(&mut s.unix_datagrams()?, &octets).because(RFC862)
}

fn each_sender(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase(), s.phrase(), s.phrase()];
    let mut ships = [s.unix_datagrams()?, s.unix_datagrams()?];
    let why = "recvfrom(2) tells who sent each datagram; the last one says nothing about the next";
    for (i, words) in words.iter().enumerate() {
        echo(&mut ships[i % 2], words.as_bytes()).because(why)?;
    }
    ships.iter_mut().try_for_each(|ship| ship.expect_silence(ms(20))).because(why)
}

fn abstract_client(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.unix_datagrams_abstract()?;
    echo(&mut c, words.as_bytes()).because("unix(7): a socket's name may be abstract, and is an address like another")
}

/// The client needs no file either.
fn abstract_server(s: &mut Scene) -> Outcome {
    files::abstract_names_make_no_file(s, |s| {
        let words = s.phrase();
        echo(&mut s.unix_datagrams_abstract()?, words.as_bytes())
    })
}

fn unnamed(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    s.unix_datagrams_unnamed()?.send(words.as_bytes())?;
    another_is_served(s).because(NEXT)?;
    error_line_names(s, "a client without a name: not answered: ")
        .because("unix(7): a socket that is not bound has no name, and nobody can send to it")
}

/// One closes while the server has its datagram, and leaves the file behind, as a killed one does; the other removes it.
fn left(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let (mut killed, mut tidy) = (s.unix_datagrams()?, s.unix_datagrams()?);
    let names = [killed.name()?, tidy.name()?];
    s.hold()?;
    killed.send(words.as_bytes())?;
    killed.vanish();
    tidy.send(words.as_bytes())?;
    tidy.leave()?;
    s.release()?;
    another_is_served(s).because(NEXT)?;
    for (name, cause) in names.iter().zip(["connection refused", "no such file or directory"]) {
        common::error_line_is(s, &format!("{name}: not answered: {cause}"))
            .because("sendto(2) looks the path up each time: ECONNREFUSED, a file without a socket; ENOENT, no file")?;
    }
    Ok(())
}

fn closed(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    s.without_privileges();
    let mut c = s.unix_datagrams()?;
    echo(&mut c, words.as_bytes())?;
    c.refuse_answers()?;
    c.send(words.as_bytes())?;
    another_is_served(s).because(NEXT)?;
    c.expect_silence(ms(10))
        .because("chmod(2): a server with rights over other people's files should keep its hands off them")?;
    common::error_line_is(s, &format!("{}: not answered: permission denied", c.name()?))
        .because("unix(7): to send to a socket file takes write permission on it; the server's answer is no exception")
}

fn deaf(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut deaf = s.unix_datagrams()?;
    deaf.send_many(words.as_bytes(), FLOOD)
        .and_then(|()| another_is_served(s))
        .because("sendto(2) waits while the receiver's queue is full; with MSG_DONTWAIT it fails instead (EAGAIN)")?;
    deaf.expect(words.as_bytes()).because("what did fit the queue is there when the client reads at last")
}

/// As many as fit the shortest queue that Linux has, `net.unix.max_dgram_qlen` being 10: more than a send buffer of the usual
/// 208 KiB holds, less than one of twice that.
fn room(s: &mut Scene) -> Outcome {
    let long = s.octets(24_000);
    let mut deaf = s.unix_datagrams()?;
    deaf.send_many(&long, 11)?;
    another_is_served(s).because(
        "socket(7), SO_SNDBUF: a Unix socket's send buffer holds what its receivers have not read, all of them",
    )?;
    (0..11).try_for_each(|_| deaf.expect(&long))
}

/// One line as soon as it happens, and at most one for each second that passes.
fn quiet(s: &mut Scene) -> Outcome {
    let (words, start) = (s.phrase(), Instant::now());
    s.unix_datagrams_unnamed()?.send_many(words.as_bytes(), FLOOD)?;
    another_is_served(s)?;
    s.signal(Signal::SIGTERM)?;
    s.expect_exit(0, Duration::from_secs(2))?;
    let most = 1 + usize::try_from(start.elapsed().as_secs()).unwrap_or_default();
    let said = s.subject()?.stderr.rest();
    if said.lines().filter(|line| line.contains(": not answered: ")).count() > most {
        return Err(Failure::new("one line a second", "more of them"))
            .because("a log that any client can fill is a way to fill the disk");
    }
    let sum = " 0 cut, 3,000 not answered";
    if said.lines().last().is_some_and(|line| line.starts_with("stopping: ") && line.ends_with(sum)) {
        return Ok(());
    }
    Err(Failure::new(format!("a last line `stopping: …{sum}`"), "another"))
        .because("what is not told one by one is told as a sum")
}

/// By the time the server answers, the client's path is a link to the server's.
fn itself(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.unix_datagrams()?;
    let (place, path) = (s.place()?, c.path()?.to_path_buf());
    s.hold()?;
    c.send(words.as_bytes())?;
    c.leave()?;
    symlink(&place, &path).map_err(|e| Failure::new("a link", e.to_string()))?;
    s.journal.note("the client's path leads to the server now");
    s.release()?;
    another_is_served(s)?;
    error_line_names(s, &format!("{place}: not answered: "))
        .because("an echo of an echo has no end: no hop takes anything from it, as IP's time to live would")
}

fn cuts(s: &mut Scene) -> Outcome {
    let more = s.rng.usize(1..500);
    let (long, fitting) = (s.octets(700 + more), s.octets(700));
    let why =
        "recv(2): of a datagram that does not fit the buffer, the rest is thrown away; it is not the next datagram";
    let mut c = s.unix_datagrams()?;
    c.send(&long)?;
    c.expect(&long[..700]).because(why)?;
    c.expect_silence(ms(20)).because(why)?;
    echo(&mut c, &fitting).because(why)
}

/// The line names who sent the long one. One that fills the buffer was not cut.
fn says_cut(s: &mut Scene) -> Outcome {
    let (fitting, long) = (s.octets(1000), s.octets(1234));
    let mut c = s.unix_datagrams()?;
    echo(&mut c, &fitting)?;
    c.send(&long)?;
    c.expect(&long[..1000])?;
    common::error_line_is(s, &format!("{}: 1,234 octets, cut to 1,000", c.name()?))
        .because("recv(2), MSG_TRUNC: the kernel cuts in silence, and tells the true length only who asks")
}

fn longest(s: &mut Scene) -> Outcome {
    let octets = s.octets(80_000);
    echo(&mut s.unix_datagrams()?, &octets)
        .because("unix(7): the send buffer limits a datagram's length; the 16 bits of UDP's header are UDP's")
}

fn verbose(s: &mut Scene) -> Outcome {
    let octets = s.octets(1000);
    let mut c = s.unix_datagrams()?;
    echo(&mut c, &octets)?;
    common::error_line_is(s, &format!("{}: 1,000 octets", c.name()?))
        .because("recvfrom(2) gives the sender's path: that is who it was")
}

/// A datagram each 10 ms, for as long as the server is there.
fn traffic(s: &mut Scene) -> Outcome {
    let words = s.octets(10);
    let (mut c, ship) = (s.unix_datagrams()?, s.unix_datagrams()?);
    echo(&mut c, &words)?;
    s.journal.note("somebody sends a datagram each 10 ms");
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Relaxed) {
                // Refused, as soon as the server has gone.
                let _ = ship.send_unseen(&words);
                thread::sleep(ms(10));
            }
        });
        let outcome = s.signal(Signal::SIGTERM).and_then(|()| s.expect_exit(0, Duration::from_secs(2)));
        ended.store(true, Relaxed);
        outcome.because("nobody is owed an echo: a stop that waits for silence waits as long as somebody talks")
    })
}

fn sums_up(s: &mut Scene) -> Outcome {
    let sent = [s.octets(30), s.octets(170), s.octets(0)];
    let mut c = s.unix_datagrams()?;
    for octets in &sent {
        c.send(octets)?;
        c.expect(&octets[..octets.len().min(100)])?;
    }
    s.unix_datagrams_unnamed()?.send(&sent[0])?;
    s.expect_error(": 170 octets, cut to 100\n")?;
    s.expect_error(": not answered: ")?;
    s.error_line()?;
    s.signal(Signal::SIGTERM)?;
    s.expect_exit(0, Duration::from_secs(2))?;
    common::error_line_is(s, "stopping: 4 datagrams, 160 octets, 1 cut, 1 not answered")
        .because("nobody sees an answer that was not sent: what was counted on both sides is all there is to compare")
}

/// The next line on standard error begins so.
fn error_line_names(s: &mut Scene, start: &str) -> Outcome {
    let line = s.error_line().map_err(|f| Failure::new(format!("a line `{start}…` on standard error"), f.got))?;
    if line.starts_with(start) {
        return Ok(());
    }
    Err(Failure::new(format!("the line `{start}…` on standard error"), format!("`{line}`")))
}
