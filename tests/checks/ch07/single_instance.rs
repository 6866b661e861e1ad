//! `single_instance`: a socket as a lock, and what the later instances hand to the first.

use crate::checks::common::{expect_one_error, fails_with};
use netkata_kit::prelude::*;
use netkata_kit::scene::beside::Beside;
use nix::sys::signal::Signal;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;

const ACK: u8 = 0x06;
const NAK: u8 = 0x15;
const LONGEST: usize = 65_536;
const MOST: usize = 256;
/// Where a hand-over is to succeed, a busy machine may take its time for it.
const PATIENT: &str = "--patience=20s";
/// Instances that start at once.
const CROWD: usize = 6;

const LOCK: &str = "bind(2), EADDRINUSE: a name has one socket; whoever binds it first has it until it ends";
const FRAME: &str =
    "the length tells where a hand-over ends, and the NULs tell its arguments apart: execve(2) passes none inside";
const ANY: &str = "execve(2): an argument is any octets but NUL; it may be empty, be no UTF-8, and hold an LF";
const WHOLE: &str =
    "who is killed in the middle of a hand-over has handed nothing over; half of it may mean something else";
const BETWEEN: &str = "the first may end at any moment, also between a later one's connect(2) and its answer";
const TIME: &str = "whoever may connect may also say nothing; only a deadline ends that";
const STREAM: &str = "unix(7), SOCK_STREAM: octets; where one write ended is lost";

pub fn program() -> Program {
    Program::exercise(7, "single_instance")
        .check("the_first_says_where_it_listens", "the first instance listens, and says so", first)
        .check("the_first_prints_its_own", "the first prints its own arguments, a line each", own)
        .check("sends_its_arguments", "a later one sends a length, and its arguments with a NUL behind each", sends)
        .check("waits_for_the_answer", "a later one ends when it has the ACK, and not before", waits)
        .check("a_refusal_is_an_error", "a NAK is an error, with status 1", refused)
        .check("prints_what_comes", "what is handed over is printed, a line each, and then acknowledged", takes)
        .check("hands_over", "a later one hands its arguments over, prints nothing, and ends with 0", hands_over)
        .check("hands_over_any_octets", "an argument may be empty, hold an LF, or be no UTF-8", any_octets)
        .check("joins_what_was_cut", "a hand-over may be cut anywhere", cut)
        .check("takes_all_or_nothing", "what is not whole is answered by NAK, and nothing of it is printed", half)
        .check("takes_the_longest", "65,536 octets are allowed, and so are 256 arguments", longest)
        .check("refuses_a_long_one", "a length of more than 65,536 is answered by NAK at once", too_long)
        .check("refuses_too_many", "257 arguments are answered by NAK", too_many)
        .check("acknowledges_what_it_has_printed", "what cannot be printed is answered by NAK", unprinted)
        .check("a_silent_one_holds_up_nobody", "who connects and says nothing does not keep others waiting", silent)
        .check("a_hand_over_has_its_time", "the first waits --patience for a hand-over, and no longer", drip)
        .check("gives_up_on_a_silent_first", "a later one waits --patience for the answer, and no longer", silent_first)
        .check("begins_again", "when the first ends before it has answered, a later one is the first", again)
        .check("replaces_a_dead_file", "a socket file that a kill left behind is no lock", dead)
        .check("leaves_what_is_no_socket", "a file that is no socket stays as it is, and is an error", no_socket)
        .check("is_its_owners_alone", "the socket file has mode 0600", mode)
        .check(
            "one_of_many_is_the_first",
            "of several that start at once, one is the first, and has the others' arguments",
            crowd,
        )
        .check(
            "takes_its_file_along",
            "SIGTERM and Ctrl-C end it with 0, its file is gone, and the next one is the first",
            ends,
        )
}

// ---- starting them ----

/// The first, on a socket file of its own, with these arguments; it has said where it listens.
fn start(s: &mut Scene, arguments: &[&str]) -> Outcome<String> {
    let path = s.socket_path()?;
    start_at(s, &path, arguments)?;
    Ok(path)
}

fn start_at(s: &mut Scene, path: &str, arguments: &[&str]) -> Outcome {
    s.start_with_arguments(&command(path, &[&[PATIENT, "--"], arguments].concat()))
}

fn command(path: &str, arguments: &[&str]) -> Vec<String> {
    [&["--socket", path], arguments].concat().into_iter().map(String::from).collect()
}

/// A later one.
fn later(s: &mut Scene, path: &str, arguments: &[&[u8]]) -> Outcome<Beside> {
    let mut all: Vec<OsString> = ["--socket", path, PATIENT, "--"].map(OsString::from).into();
    all.extend(arguments.iter().map(|a| OsStr::from_bytes(a).to_os_string()));
    s.beside(&all)
}

/// A later one as a subject, with the grader as its first.
fn start_later(s: &mut Scene, patience: &str, arguments: &[&str]) -> Outcome<String> {
    let path = s.listen_unix()?;
    s.run(&command(&path, &[&[patience, "--"], arguments].concat()))?;
    Ok(path)
}

/// It ends with 0, and nobody has heard of it.
fn ends_silently(later: &mut Beside, why: &str) -> Outcome {
    later.expect_exit(0).because(why)?;
    match (later.output(), later.errors()) {
        (out, err) if out.is_empty() && err.is_empty() => Ok(()),
        (out, err) => Err(Failure::new("a later one that prints nothing", format!("{:?}", out + &err))).because(why),
    }
}

// ---- what is said ----

fn body(arguments: &[&[u8]]) -> Vec<u8> {
    arguments.iter().flat_map(|a| [a, &b"\0"[..]].concat()).collect()
}

fn framed(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_be_bytes(), body].concat()
}

/// Names of files, different each time.
fn names(s: &mut Scene, n: usize) -> Vec<String> {
    (0..n).map(|_| format!("{}.txt", s.phrase().to_lowercase().replace(' ', "-"))).collect()
}

fn octets_of(names: &[String]) -> Vec<&[u8]> {
    names.iter().map(String::as_bytes).collect()
}

/// A hand-over by the grader, which is taken, and printed.
fn is_taken(s: &mut Scene, why: &str) -> Outcome {
    let names = names(s, 2);
    let mut c = s.connect()?;
    c.send(&framed(&body(&octets_of(&names))))?;
    c.expect(&[ACK]).because(why)?;
    names.iter().try_for_each(|name| s.expect_line(name).because(why))
}

/// NAK, and the end; and the next hand-over is taken, with nothing printed in between.
fn is_refused(s: &mut Scene, c: &mut Talk, why: &str) -> Outcome {
    c.expect(&[NAK]).because(why)?;
    c.expect_close(Close::Fin).because(why)?;
    is_taken(s, why)
}

// ---- the first and the later ones ----

fn first(s: &mut Scene) -> Outcome {
    let path = start(s, &[]).because(LOCK)?;
    let is_socket = fs::symlink_metadata(&path).is_ok_and(|m| m.file_type().is_socket());
    let at = s.place()?;
    match is_socket && at == path {
        true => Ok(()),
        false => Err(Failure::new(format!("a socket file {path}"), format!("none there; it says {at}"))).because(LOCK),
    }
}

fn own(s: &mut Scene) -> Outcome {
    let names = names(s, 3);
    let shown: Vec<&str> = names.iter().map(String::as_str).collect();
    start(s, &shown)?;
    names.iter().try_for_each(|name| s.expect_line(name)).because("the first is an instance, too")
}

fn sends(s: &mut Scene) -> Outcome {
    for n in [1, 3] {
        let names = names(s, n);
        start_later(s, PATIENT, &names.iter().map(String::as_str).collect::<Vec<_>>())?;
        let mut c = s.accept()?;
        c.expect(&framed(&body(&octets_of(&names)))).because(FRAME)?;
        c.ignore();
    }
    Ok(())
}

fn waits(s: &mut Scene) -> Outcome {
    const WHY: &str =
        "write(2) to a socket says that the kernel has the octets; only an answer says that the first has";
    let names = names(s, 1);
    start_later(s, PATIENT, &[&names[0]])?;
    let mut c = s.accept()?;
    c.expect(&framed(&body(&octets_of(&names)))).because(FRAME)?;
    c.expect_silence(ms(40)).because(WHY)?;
    c.send(&[ACK])?;
    s.expect_exit(0, Duration::from_secs(2)).because("ACK says that the first has printed it all")?;
    s.expect_output_end().because("the first prints; a later one would print it twice")?;
    c.expect_close(Close::Fin)
}

fn refused(s: &mut Scene) -> Outcome {
    let names = names(s, 1);
    let path = start_later(s, PATIENT, &[&names[0]])?;
    let mut c = s.accept()?;
    c.expect(&framed(&body(&octets_of(&names)))).because(FRAME)?;
    c.send(&[NAK])?;
    fails_with(s, &path).because("NAK says that nothing was printed; whoever started this one must learn of it")
}

fn takes(s: &mut Scene) -> Outcome {
    start(s, &[])?;
    let names = names(s, 3);
    let mut c = s.connect()?;
    c.send(&framed(&body(&octets_of(&names))))?;
    c.expect(&[ACK]).because("a later one waits for this octet")?;
    c.expect_close(Close::Fin).because("one connection is one hand-over")?;
    names.iter().try_for_each(|name| s.expect_line(name)).because(FRAME)
}

fn hands_over(s: &mut Scene) -> Outcome {
    let path = start(s, &[])?;
    for n in [2, 0, 1] {
        let names = names(s, n);
        let mut later = later(s, &path, &octets_of(&names))?;
        ends_silently(&mut later, LOCK)?;
        names.iter().try_for_each(|name| s.expect_line(name)).because(LOCK)?;
    }
    s.expect_no_output(ms(20))
}

fn any_octets(s: &mut Scene) -> Outcome {
    let path = start(s, &[])?;
    let arguments: [&[u8]; 6] = [b"", b"Bod\xc3\xb8", b"ebb\nflood\n", b"\xff\xfe", b"  ", b"--patience"];
    let mut later = later(s, &path, &arguments)?;
    ends_silently(&mut later, ANY)?;
    arguments.iter().try_for_each(|a| s.expect_line(&a.escape_ascii().to_string()).because(ANY))
}

fn cut(s: &mut Scene) -> Outcome {
    start(s, &[])?;
    let names = names(s, 2);
    let octets = framed(&body(&octets_of(&names)));
    let mut c = s.connect()?;
    let cuts = [1, 4, 5, 4 + names[0].len(), 5 + names[0].len(), octets.len() - 1];
    c.send_split(&octets, &cuts)?;
    c.expect(&[ACK]).because(STREAM)?;
    names.iter().try_for_each(|name| s.expect_line(name)).because(STREAM)
}

// ---- what is refused ----

fn half(s: &mut Scene) -> Outcome {
    start(s, &[])?;
    let names = names(s, 3);
    let all = body(&octets_of(&names));
    let (whole, between) = (framed(&all), 5 + names[0].len());
    let unended = framed(&all[..all.len() - 1]);
    for octets in [&whole[..between], &whole[..whole.len() - 1], &whole[..2], &[], &unended] {
        let mut c = s.connect()?;
        c.send(octets)?;
        c.half_close()?;
        is_refused(s, &mut c, WHOLE)?;
    }
    Ok(())
}

fn longest(s: &mut Scene) -> Outcome {
    const WHY: &str = "a limit belongs to what it allows";
    start(s, &[])?;
    let long = vec![b'~'; LONGEST - 1];
    let many = vec![&b""[..]; MOST];
    for arguments in [&[&long[..]][..], &many] {
        let mut c = s.connect()?;
        c.send(&framed(&body(arguments)))?;
        c.expect(&[ACK]).because(WHY)?;
        c.ignore();
        arguments.iter().try_for_each(|a| s.expect_line(&String::from_utf8_lossy(a))).because(WHY)?;
    }
    Ok(())
}

/// The claim alone; the octets never come.
fn too_long(s: &mut Scene) -> Outcome {
    const WHY: &str =
        "a length is a claim: room for 4 GiB is not made on a stranger's word, and nobody waits for so much";
    start(s, &[])?;
    for length in [LONGEST as u32 + 1, u32::MAX] {
        let mut c = s.connect()?;
        c.send(&length.to_be_bytes())?;
        is_refused(s, &mut c, WHY)?;
    }
    Ok(())
}

fn too_many(s: &mut Scene) -> Outcome {
    start(s, &[])?;
    let mut c = s.connect()?;
    c.send(&framed(&vec![0; MOST + 1]))?;
    is_refused(s, &mut c, "a limit on octets alone lets 65,536 empty arguments through, and each has a price")
}

/// Who read the first one's output is gone.
fn unprinted(s: &mut Scene) -> Outcome {
    start(s, &[])?;
    s.close_output();
    let names = names(s, 1);
    let mut c = s.connect()?;
    c.send(&framed(&body(&octets_of(&names))))?;
    c.expect(&[NAK])
        .because("an ACK that is sent before the work is done is a guess: write(2) may fail, here with EPIPE")
}

// ---- time ----

/// The later one's patience is short, the first one's is long.
fn silent(s: &mut Scene) -> Outcome {
    let path = start(s, &[])?;
    let mut silent = s.connect()?;
    silent.send(&[0, 0])?;
    silent.wait_until_read();
    s.keep(silent);
    let name = names(s, 1).remove(0);
    let mut later = s.beside(&command(&path, &["--patience=2s", &name]))?;
    ends_silently(
        &mut later,
        "accept(2) takes one connection at a time; what is done with it must not keep it from the next",
    )?;
    s.expect_line(&name)
}

/// First one that says nothing; then one that says an octet each 50 ms, for three times as long as it has.
fn drip(s: &mut Scene) -> Outcome {
    let path = s.socket_path()?;
    s.start_with_arguments(&command(&path, &["--patience=300ms"]))?;
    let mut c = s.connect()?;
    c.expect_silence(ms(150)).because("--patience is a promise, too: until then, a later one may take its time")?;
    c.expect(&[NAK]).because(TIME)?;
    c.expect_close(Close::Fin).because(TIME)?;
    let mut c = s.connect()?;
    c.send(&framed(&[b'~'; 200])[..4])?;
    if c.drip(&[b'~'; 20], ms(50)) == 20 {
        return Err(Failure::new("the program to give the hand-over up after 300ms", "1 s later it still waits"))
            .because("socket(7): SO_RCVTIMEO limits each read anew; only a deadline limits a hand-over");
    }
    c.expect(&[NAK]).because(TIME)
}

fn silent_first(s: &mut Scene) -> Outcome {
    let names = names(s, 1);
    let path = start_later(s, "--patience=400ms", &[&names[0]])?;
    let mut c = s.accept()?;
    c.expect(&framed(&body(&octets_of(&names)))).because(FRAME)?;
    c.expect_silence(ms(100))?;
    s.expect_exit(1, Duration::from_secs(2)).because(TIME)?;
    fails_with(s, &path).because(TIME)
}

// ---- the first ends ----

/// After it has read all, and before: what is unread makes its close a reset.
fn again(s: &mut Scene) -> Outcome {
    for reads in [true, false] {
        let names = names(s, 1);
        let path = start_later(s, PATIENT, &[&names[0]])?;
        let mut c = s.accept()?;
        let octets = framed(&body(&octets_of(&names)));
        // One octet of it: then all of it is here, and the rest is not read.
        c.expect(if reads { &octets } else { &octets[..1] }).because(FRAME)?;
        s.journal.note(if reads { "the first ends" } else { "the first ends, and has not read it all" });
        s.stop_listening();
        c.leave();
        s.expect_output("listening on unix://").because(BETWEEN)?;
        s.expect_line(&path).because(BETWEEN)?;
        s.expect_line(&names[0]).because(BETWEEN)?;
    }
    Ok(())
}

fn dead(s: &mut Scene) -> Outcome {
    const WHY: &str = "unix(7): neither close(2) nor the end of a process removes a socket file; connect(2) finds out whether anybody has it";
    let path = start(s, &[])?;
    s.signal(Signal::SIGKILL)?;
    s.subject()?.exit(Duration::from_secs(2))?;
    s.start_with_arguments(&command(&path, &["--patience=1s"])).because(WHY)?;
    is_taken(s, WHY)
}

fn no_socket(s: &mut Scene) -> Outcome {
    const WHY: &str = "a connect(2) to a file that is no socket is refused, too; that does not make it ours to remove";
    let (path, ships) = (s.socket_path()?, s.phrase());
    fs::write(&path, &ships).map_err(|e| Failure::new("a file", e.to_string()))?;
    s.journal.note("a file that is no socket has the name");
    s.run(&command(&path, &["--patience=100ms"]))?;
    s.expect_exit(1, Duration::from_secs(2)).because(WHY)?;
    expect_one_error(s, &path)?;
    match fs::read_to_string(&path) {
        Ok(now) if now == ships => Ok(()),
        _ => Err(Failure::new("the file as it was", "it is another, or gone")).because(WHY),
    }
}

fn mode(s: &mut Scene) -> Outcome {
    let path = start(s, &[])?;
    match fs::symlink_metadata(&path).map(|m| m.mode() & 0o777) {
        Ok(0o600) => Ok(()),
        // Which one depends on the umask.
        _ => Err(Failure::new("mode 0600: nobody but the owner", "another mode"))
            .because("unix(7): whoever may write to a socket file may connect, and hand arguments to your program"),
    }
}

/// A dead file is there, so that each of them has to look whether it is.
fn crowd(s: &mut Scene) -> Outcome {
    const WHY: &str = "between a look at the file and the bind(2) there is time for others: who looks must hold a lock, or let bind(2) decide";
    let path = s.socket_path()?;
    netkata_kit::console::close(UnixListener::bind(&path).map_err(|e| Failure::new("a socket file", e.to_string()))?);
    s.journal.note("a dead socket file is there");
    let names: Vec<String> = (0..CROWD).map(|i| format!("{}-{i}", names_of(s))).collect();
    let mut all = Vec::new();
    for name in &names {
        all.push(later(s, &path, &[name.as_bytes()])?);
    }
    let until = Instant::now() + PATIENCE * 5;
    while still(&mut all)?.len() > 1 && Instant::now() < until {
        std::thread::sleep(ms(1));
    }
    let [the_first] = still(&mut all)?[..] else {
        let got = if still(&mut all)?.is_empty() { "none" } else { "several" };
        return Err(Failure::new("one that goes on", got)).because(WHY);
    };
    for (i, later) in all.iter_mut().enumerate().filter(|(i, _)| *i != the_first) {
        ends_silently(later, WHY).map_err(|f| Failure { got: format!("instance {i}: {}", f.got), ..f })?;
    }
    // Its own arguments come first; in which order the others came is chance.
    let mut lines = (0..=CROWD).map(|_| all[the_first].line().because(WHY)).collect::<Outcome<Vec<_>>>()?;
    let mut wanted = vec![format!("listening on unix://{path}"), names[the_first].clone()];
    wanted.extend(names.into_iter().enumerate().filter(|(i, _)| *i != the_first).map(|(_, name)| name));
    lines[2..].sort();
    wanted[2..].sort();
    if lines == wanted { Ok(()) } else { Err(Failure::new("each argument once", format!("{lines:?}"))).because(WHY) }
}

fn names_of(s: &mut Scene) -> String {
    names(s, 1).remove(0)
}

/// The numbers of those that have not ended.
fn still(all: &mut [Beside]) -> Outcome<Vec<usize>> {
    let mut left = Vec::new();
    for (i, one) in all.iter_mut().enumerate() {
        if !one.has_ended()? {
            left.push(i);
        }
    }
    Ok(left)
}

fn ends(s: &mut Scene) -> Outcome {
    let path = start(s, &[])?;
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        s.signal(signal)?;
        s.expect_exit(0, Duration::from_secs(2)).because("signal(7): this signal asks a process to end")?;
        if fs::symlink_metadata(&path).is_ok() {
            return Err(Failure::new("the socket file to be gone", "it is still there"))
                .because("unix(7): neither close(2) nor the end of a process removes a socket file");
        }
        start_at(s, &path, &[])?;
    }
    Ok(())
}
