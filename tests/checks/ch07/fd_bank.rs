//! `fd_bank`: keeps open descriptors for other programs, and gives them back.
//!
//! What the grader leaves there are sockets that it has the other end of: so it sees when the last one who has them open has
//! closed them.

use super::files;
use crate::checks::common;
use netkata::unix::pass;
use netkata_kit::prelude::*;
use std::io::{BufRead, BufReader};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// Octets of a line, its LF included, and of a name.
const LONGEST_LINE: usize = 64;
const LONGEST_NAME: usize = 32;
/// How long to wait for what must not come.
const SILENCE: Duration = ms(60);
const RIGHTS: &str = "unix(7), SCM_RIGHTS: the receiver has a descriptor of its own for the open file, as after dup(2)";
const STRAYS: &str = "unix(7), SCM_RIGHTS: what has arrived is open, wanted or not, until the receiver closes it";

pub fn program() -> Program {
    Program::exercise(7, "fd_bank")
        .check("keeps_and_gives", "what was kept under a name is given back", gives_back)
        .check("outlives_the_depositor", "what is kept stays open when the client has gone", outlives)
        .check("has_it_no_more", "what was given away is here no more, and not open", no_more)
        .check("lists_the_names", "list tells the names that are kept, in order", lists)
        .check("knows_its_commands", "an unknown command is an error, and the connection goes on", unknown)
        .check("minds_the_names", "a name has 1 to 32 letters, digits, dots, hyphens or underscores", names)
        .check("takes_no_name_twice", "under a name that is taken nothing is kept, and the first one stays", taken)
        .check("needs_a_descriptor", "a keep without a descriptor is an error", none)
        .check("takes_one_alone", "a keep with two descriptors is an error, and neither stays open", two)
        .check("closes_strays", "a descriptor that no keep takes is closed", strays)
        .check("knows_whose_it_is", "a descriptor belongs to the command that it was sent with", whose)
        .check("joins_what_was_cut", "a command may come in pieces, and its descriptor with any of them", cut)
        .check("holds_no_more_than_most", "a user has room for --most descriptors, and again after a give", full)
        .with(&["--most", "3"])
        .check("misses_what_did_not_arrive", "a keep of which descriptors were cut off is an error", missing)
        .with(&["--most", "1000"])
        .check("loses_nothing_on_the_way", "what could not be sent to who asked for it is still kept", comes_back)
        .check("waits_for_nobody", "a client that does not read stops nobody else", slow_reader)
        .with(&["--most", "1000"])
        .check("ends_long_lines", "a line of more than 64 octets is an error, and the end", long_line)
        .check("leaks_nothing", "whatever a client sends before it goes, nothing of it stays open", no_leak)
        .check("leaves_a_silent_client", "a command that is not whole after --idle is the end", idle)
        .with(&["--idle", "500ms"])
        .check("knows_its_users", "nobody sees, takes or crowds out what another user left", users)
        .as_root()
        .check("removes_its_file", "SIGTERM, SIGINT and SIGHUP end it, and its file is gone", files::removes_its_file)
}

// ---- the dialogue ----

fn start(s: &mut Scene) -> Outcome {
    let path = s.socket_path()?;
    s.start_on(path)
}

/// The first client of a bank.
fn client(s: &mut Scene) -> Outcome<Talk> {
    start(s)?;
    s.connect()
}

/// `Doris614`
fn name(s: &mut Scene) -> String {
    let phrase = s.phrase();
    let words: Vec<&str> = phrase.split(' ').collect();
    [words[0], words[words.len() - 1]].concat()
}

/// Leaves one end of a connection under a name; the other end is a conversation.
fn keep(s: &mut Scene, c: &mut Talk, name: &str) -> Outcome<Talk> {
    let (far, near) = s.connection()?;
    c.send_with(format!("keep {name}\n").as_bytes(), &[near.as_fd()])?;
    drop(near);
    c.expect(format!("kept {name}\n").as_bytes())?;
    Ok(far)
}

/// As [`keep`], where the answer is an error and nobody has that end open any more.
fn keep_in_vain(s: &mut Scene, c: &mut Talk, name: &str, why: &str) -> Outcome {
    let (mut far, near) = s.connection()?;
    c.send_with(format!("keep {name}\n").as_bytes(), &[near.as_fd()])?;
    drop(near);
    expect_error(c).because(why)?;
    far.expect_close(Close::Fin).because(STRAYS)
}

/// What is kept under a name, as a conversation.
fn give(s: &mut Scene, c: &mut Talk, name: &str) -> Outcome<Talk> {
    give_because(s, c, name, RIGHTS)
}

fn give_because(s: &mut Scene, c: &mut Talk, name: &str, why: &str) -> Outcome<Talk> {
    c.send(format!("give {name}\n").as_bytes())?;
    let given = c.expect_with(format!("here {name}\n").as_bytes(), 1).because(why)?;
    let given = given.into_iter().next().ok_or_else(|| Failure::new("a descriptor", "none"))?;
    s.take_over(given).because(why)
}

/// Two ends of one connection.
fn expect_ends(s: &mut Scene, a: &mut Talk, b: &mut Talk) -> Outcome {
    let (there, back) = (s.phrase(), s.phrase());
    a.send(there.as_bytes())?;
    b.expect(there.as_bytes()).because(RIGHTS)?;
    b.send(back.as_bytes())?;
    a.expect(back.as_bytes()).because(RIGHTS)
}

fn expect_list(c: &mut Talk, names: &[&str]) -> Outcome {
    c.send(b"list\n")?;
    let names: String = names.iter().map(|name| format!(" {name}")).collect();
    c.expect(format!("list{names}\n").as_bytes())
}

/// `error`, a space, and something.
fn expect_error(c: &mut Talk) -> Outcome {
    let line = c.read_line(512)?;
    if line.strip_prefix(b"error ").is_some_and(|text| text.len() > 1) {
        return Ok(());
    }
    Err(Failure::new("a line `error …`", format!("{:?}", String::from_utf8_lossy(&line))))
}

fn expect_error_for(c: &mut Talk, line: &str) -> Outcome {
    c.send(format!("{line}\n").as_bytes())?;
    expect_error(c)
}

// ---- what it is for ----

fn gives_back(s: &mut Scene) -> Outcome {
    let (mut c, name) = (client(s)?, name(s));
    let mut far = keep(s, &mut c, &name)?;
    let mut near = give(s, &mut c, &name)?;
    expect_ends(s, &mut far, &mut near)
}

fn outlives(s: &mut Scene) -> Outcome {
    let (mut c, name) = (client(s)?, name(s));
    let mut far = keep(s, &mut c, &name)?;
    drop(c);
    far.expect_silence(SILENCE).because("close(2): an open file is closed with the last descriptor of it")?;
    let mut successor = s.connect()?;
    let mut near = give(s, &mut successor, &name)?;
    expect_ends(s, &mut far, &mut near)
}

fn no_more(s: &mut Scene) -> Outcome {
    let (mut c, name) = (client(s)?, name(s));
    let mut far = keep(s, &mut c, &name)?;
    let near = give(s, &mut c, &name)?;
    expect_error_for(&mut c, &format!("give {name}")).because("the contract: what was given, the bank has no more")?;
    drop(near);
    far.expect_close(Close::Fin)
        .because("close(2): an open file is closed with the last descriptor of it; the bank must have closed its own")
}

fn lists(s: &mut Scene) -> Outcome {
    let mut c = client(s)?;
    expect_list(&mut c, &[])?;
    let number = s.rng.u32(100..1000);
    let (first, second, third) = (format!("Zeeland.{number}"), format!("alma-{number}"), format!("doris_{number}"));
    let _far = [keep(s, &mut c, &second)?, keep(s, &mut c, &first)?, keep(s, &mut c, &third)?];
    expect_list(&mut c, &[&first, &second, &third])
        .because("the contract: in the order of their octets; 5a is Z, 61 is a")?;
    drop(give(s, &mut c, &second)?);
    expect_list(&mut c, &[&first, &third])
}

// ---- what is wrong ----

fn unknown(s: &mut Scene) -> Outcome {
    let (mut c, name) = (client(s)?, name(s));
    for line in [format!("sink {name}"), format!("list {name}"), format!("GIVE {name}"), "keep".into(), String::new()] {
        expect_error_for(&mut c, &line)
            .because("the contract: a command is keep NAME, give NAME or list, and nothing else")?;
    }
    expect_list(&mut c, &[]).because("an error is an answer: the stream is in step, and the client may ask again")
}

fn names(s: &mut Scene) -> Outcome {
    let mut c = client(s)?;
    let longest = format!("{:x<LONGEST_NAME$}", name(s));
    let mut far = keep(s, &mut c, &longest)?;
    let mut near = give(s, &mut c, &longest)?;
    expect_ends(s, &mut far, &mut near)?;
    let word = name(s);
    for wrong in [
        format!("{longest}x"),
        format!("{word} {word}"),
        format!("../{word}"),
        format!("{word}\r"),
        format!("{word}é"),
        String::new(),
    ] {
        keep_in_vain(
            s,
            &mut c,
            &wrong,
            "the contract: a name has 1 to 32 letters, digits, dots, hyphens or underscores",
        )?;
    }
    expect_list(&mut c, &[])
}

fn taken(s: &mut Scene) -> Outcome {
    let (mut c, name) = (client(s)?, name(s));
    let mut far = keep(s, &mut c, &name)?;
    keep_in_vain(
        s,
        &mut c,
        &name,
        "the contract: a name that is taken is an error; who left the first one counts on it",
    )?;
    let mut near = give(s, &mut c, &name)?;
    expect_ends(s, &mut far, &mut near)
}

fn none(s: &mut Scene) -> Outcome {
    let (mut c, name) = (client(s)?, name(s));
    expect_error_for(&mut c, &format!("keep {name}")).because("the contract: one descriptor comes with a keep")?;
    expect_list(&mut c, &[])
}

fn two(s: &mut Scene) -> Outcome {
    let (mut c, name) = (client(s)?, name(s));
    let ((mut far, near), (mut far2, near2)) = (s.connection()?, s.connection()?);
    c.send_with(format!("keep {name}\n").as_bytes(), &[near.as_fd(), near2.as_fd()])?;
    drop((near, near2));
    expect_error(&mut c).because("the contract: one descriptor comes with a keep; which of two was meant?")?;
    far.expect_close(Close::Fin).because(STRAYS)?;
    far2.expect_close(Close::Fin).because(STRAYS)?;
    expect_list(&mut c, &[])
}

fn strays(s: &mut Scene) -> Outcome {
    let (mut c, name) = (client(s)?, name(s));
    for (line, is_right) in [("list".into(), true), (format!("give {name}"), false), (format!("sink {name}"), false)] {
        let (mut far, near) = s.connection()?;
        c.send_with(format!("{line}\n").as_bytes(), &[near.as_fd()])?;
        drop(near);
        if is_right {
            c.expect(b"list\n")?
        } else {
            expect_error(&mut c)?
        }
        far.expect_close(Close::Fin).because(STRAYS)?;
    }
    expect_error_for(&mut c, &format!("keep {name}"))
        .because("the contract: a descriptor belongs to the command it was sent with")
}

// ---- a stream has no messages ----

fn whose(s: &mut Scene) -> Outcome {
    const WHY: &str = "unix(7), SCM_RIGHTS: a read takes octets that were sent before, too, and ends behind the message with descriptors";
    let (mut c, name, other) = (client(s)?, name(s), name(s));
    expect_list(&mut c, &[])?;
    let (mut far, near) = s.connection()?;
    s.hold()?;
    c.send(b"list\n")?;
    c.send(format!("keep {other}x\n").as_bytes())?;
    c.send_with(format!("keep {name}\n").as_bytes(), &[near.as_fd()])?;
    drop(near);
    c.send(b"list\n")?;
    s.release()?;
    c.expect(b"list\n")?;
    expect_error(&mut c).because(WHY)?;
    c.expect(format!("kept {name}\nlist {name}\n").as_bytes()).because(WHY)?;
    let mut near = give(s, &mut c, &name)?;
    expect_ends(s, &mut far, &mut near)
}

fn cut(s: &mut Scene) -> Outcome {
    let (mut c, name) = (client(s)?, name(s));
    let command = format!("keep {name}\n");
    let at = s.rng.usize(2..command.len() - 1);
    for (i, from) in [0, at, command.len() - 1].into_iter().enumerate() {
        let (mut far, near) = s.connection()?;
        let ends = [1, at + 1, command.len()];
        if from > 0 {
            c.send(&command.as_bytes()[..from])?;
            c.wait_until_read();
        }
        c.send_with(&command.as_bytes()[from..ends[i]], &[near.as_fd()])?;
        drop(near);
        if ends[i] < command.len() {
            c.wait_until_read();
            c.send(&command.as_bytes()[ends[i]..])?;
        }
        c.expect(format!("kept {name}\n").as_bytes())
            .because("unix(7): a stream has no messages; a command ends with its LF, and not with a write")?;
        let mut near = give(s, &mut c, &name)?;
        expect_ends(s, &mut far, &mut near)?;
    }
    Ok(())
}

// ---- limits ----

fn full(s: &mut Scene) -> Outcome {
    let (mut c, word) = (client(s)?, name(s));
    let names: Vec<String> = (1..=4).map(|n| format!("{word}.{n}")).collect();
    let mut fars = Vec::new();
    for name in &names[..3] {
        fars.push(keep(s, &mut c, name)?);
    }
    keep_in_vain(s, &mut c, &names[3], "the contract: a user has room for --most descriptors, here 3")?;
    drop(give(s, &mut c, &names[0])?);
    fars.push(keep(s, &mut c, &names[3])?);
    expect_list(&mut c, &[&names[1], &names[2], &names[3]])
}

/// A client that is not written down, for what is done many times.
struct Plain(UnixStream);

impl Plain {
    fn connect(s: &mut Scene) -> Outcome<Self> {
        let stream = UnixStream::connect(s.place()?).map_err(lost)?;
        stream.set_read_timeout(Some(PATIENCE * 5)).map_err(lost)?;
        Ok(Self(stream))
    }

    fn tell(&self, lines: &str, descriptors: &[BorrowedFd<'_>]) -> Outcome {
        pass::send(&self.0, lines.as_bytes(), descriptors).map(drop).map_err(lost)
    }

    /// The answer to a line. What comes along is closed.
    fn ask(&self, line: &str, descriptors: &[BorrowedFd<'_>]) -> Outcome<String> {
        self.tell(&format!("{line}\n"), descriptors)?;
        let mut answer = String::new();
        BufReader::new(&self.0).read_line(&mut answer).map_err(lost)?;
        Ok(answer)
    }
}

fn lost(e: std::io::Error) -> Failure {
    Failure::new("a client that is served", netkata::error::cause_text(&e))
}

/// The program may have only so many descriptors open, and has; then one is given back. Of two that come now, one arrives.
fn missing(s: &mut Scene) -> Outcome {
    const FEW: u32 = 48;
    s.limit_descriptors(FEW);
    let (mut c, word) = (client(s)?, name(s));
    expect_list(&mut c, &[])?;
    let plain = Plain::connect(s)?;
    let (_far, near) = s.connection()?;
    let keep = |n: u32| plain.ask(&format!("keep {word}.{n}"), &[near.as_fd()]);
    for n in 0..FEW {
        if !keep(n)?.starts_with("kept ") {
            break;
        }
    }
    s.journal.note("a client leaves descriptors until the program may have no more open");
    plain.ask(&format!("give {word}.0"), &[])?;
    // When this is answered, that one is closed.
    plain.ask("list", &[])?;
    s.journal.note("one of them is given back");
    let (mut far, near) = s.connection()?;
    c.send_with(format!("keep {word}.pair\n").as_bytes(), &[near.as_fd(), near.as_fd()])?;
    drop(near);
    expect_error(&mut c)
        .because("recvmsg(2), MSG_CTRUNC: descriptors were cut off; the one that arrived was not alone")?;
    far.expect_close(Close::Fin).because(STRAYS)
}

// ---- clients that go, do not read, or never end ----

fn comes_back(s: &mut Scene) -> Outcome {
    const WHY: &str = "send(2), EPIPE: nobody has received it; who drops it now closes it for ever";
    let (mut c, name) = (client(s)?, name(s));
    let mut far = keep(s, &mut c, &name)?;
    let Some(before) = s.descriptors()? else { return Ok(()) };
    let gone = Plain::connect(s)?;
    gone.ask("list", &[])?;
    s.hold()?;
    gone.tell(&format!("give {name}\n"), &[])?;
    // A program that another check starts at this moment has a copy of the socket for a while: a close would not be its end.
    gone.0.shutdown(Shutdown::Both).map_err(lost)?;
    drop(gone);
    s.journal.note("another client asks for it, and leaves");
    s.release()?;
    // Until the program has done with that client, it is on its way.
    s.expect_descriptors(before)?;
    let mut near = give_because(s, &mut c, &name, WHY)?;
    expect_ends(s, &mut far, &mut near)
}

fn slow_reader(s: &mut Scene) -> Outcome {
    const MANY: usize = 400;
    start(s)?;
    let plain = Plain::connect(s)?;
    let (_far, near) = s.connection()?;
    for n in 0..MANY {
        plain.ask(&format!("keep n{n}"), &[near.as_fd()])?;
    }
    let gives: String = (0..MANY).map(|n| format!("give n{n}\n")).collect();
    plain.tell(&gives, &[])?;
    s.journal.note("a client asks for 400 descriptors and reads no answer");
    s.wait_until_still(PATIENCE)?;
    let (mut c, name) = (s.connect()?, name(s));
    c.send(format!("give {name}\n").as_bytes())?;
    expect_error(&mut c)
        .because("send(2): when the peer's queue is full, it waits; whoever has the lock meanwhile stops everybody")
}

fn long_line(s: &mut Scene) -> Outcome {
    const WHY: &str = "the contract: a line has 64 octets at the most; a line that never ends may not grow for ever";
    let mut c = client(s)?;
    expect_error_for(&mut c, &"x".repeat(LONGEST_LINE - 1))?;
    expect_list(&mut c, &[]).because("the contract: a line may have 64 octets, its LF included")?;
    let (mut far, near) = s.connection()?;
    c.send_with(&[b'x'; LONGEST_LINE], &[near.as_fd()])?;
    drop(near);
    expect_error(&mut c).because(WHY)?;
    c.expect_close(Close::Fin).because(WHY)?;
    far.expect_close(Close::Fin).because(STRAYS)
}

fn no_leak(s: &mut Scene) -> Outcome {
    let mut c = client(s)?;
    expect_list(&mut c, &[])?;
    let Some(before) = s.descriptors()? else { return Ok(()) };
    let (_far, near) = s.connection()?;
    let many = [near.as_fd(); 100];
    let mut rude = s.connect()?;
    rude.send_with(b"kee", &many)?;
    rude.send_with(b"p", &many)?;
    s.wait_until_still(PATIENCE)?;
    // Its own connection, and two of two hundred.
    s.expect_descriptors(before + 3).because(STRAYS)?;
    rude.leave();
    for line in ["keep Doris\n", "keep", "list\nlist", "\n\n\nk"] {
        let mut rude = s.connect()?;
        rude.send_with(line.as_bytes(), &many)?;
        rude.leave();
    }
    s.expect_descriptors(before).because(STRAYS)?;
    expect_list(&mut c, &[])
}

fn idle(s: &mut Scene) -> Outcome {
    const WHY: &str = "the contract: a command has --idle to come, and single octets do not renew it";
    start(s)?;
    let begun = Instant::now();
    let mut c = s.connect()?;
    let command = b"keep Doris.and.her.crew.of.twenty";
    if c.drip(command, ms(60)) == command.len() {
        return Err(Failure::new("the program to close within 500ms", "it waits for each octet")).because(WHY);
    }
    c.expect_close(Close::Fin).because(WHY)?;
    common::not_before(begun, ms(500))
}

fn users(s: &mut Scene) -> Outcome {
    let (alma, bruna, name) = (s.stranger(), s.stranger(), name(s));
    let path = s.socket_path()?;
    s.start_with_arguments(&[path, "--mode".into(), "0666".into(), "--most".into(), "1".into()])?;
    let why = "unix(7), SO_PEERCRED: the kernel knows whose process connected; no client can claim to be another";
    let mut hers = s.connect_as(&alma)?;
    let mut far = keep(s, &mut hers, &name)?;
    let mut other = s.connect_as(&bruna)?;
    expect_list(&mut other, &[]).because(why)?;
    expect_error_for(&mut other, &format!("give {name}")).because(why)?;
    let mut far2 = keep(s, &mut other, &name).because(why)?;
    let (mut near, mut near2) = (give(s, &mut hers, &name)?, give(s, &mut other, &name)?);
    expect_ends(s, &mut far, &mut near).because(why)?;
    expect_ends(s, &mut far2, &mut near2).because(why)
}
