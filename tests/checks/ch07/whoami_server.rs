//! `whoami_server`: callers are told who they are, by the kernel's word.

use super::files;
use netkata::unix::accounts::{group_name, user_name};
use netkata_kit::prelude::*;
use nix::unistd::{getegid, geteuid, getgroups, getpid};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

/// Octets in a line, without its LF.
const LONGEST: usize = 256;
/// An answer has no limit of its own: a user may be in thousands of groups.
const ANSWER: usize = 1 << 20;

const PEER: &str = "unix(7), SO_PEERCRED: the credentials of the peer, as they were when it called connect(2)";
const GROUPS: &str =
    "credentials(7): the groups of a process are its own, and need not be those of its user in group(5)";
const CLAIM: &str =
    "what a client says of itself is what anybody could say; the kernel's word is all there is to compare it with";
const NAMES: &str = "getpwuid(3), getgrgid(3): a number may have a name, and need not have one";
const STREAM: &str = "unix(7), SOCK_STREAM: octets; where one write ended is lost";
const LIMIT: &str = "a line without a limit is memory without a limit, in the hands of whoever connects";
const TIME: &str = "whoever may connect may also say nothing; only a deadline ends that";
const RAW: &str = "console_codes(4): an ESC from a stranger moves the cursor, and rewrites what you read";

pub fn program() -> Program {
    Program::exercise(7, "whoami_server")
        .check("tells_the_process", "the pid is that of the process which connected", process)
        .check("tells_a_stranger", "the user and all groups of the process, whoever it is", stranger)
        .as_root()
        .check("tells_each_group_once", "the effective group comes first, and no group twice", once)
        .as_root()
        .check("tells_names", "users and groups are called by their names", named)
        .check("answers_at_the_line_end", "an empty line is no claim, and is answered at its LF", line_end)
        .check("closes_after_the_answer", "one line, one answer, and then the end", closes)
        .check("believes_what_is_so", "a claim that is so is accepted, by name and by number", honest)
        .check("believes_in_every_group", "a claim of any of the caller's groups is accepted", every_group)
        .as_root()
        .check("refuses_what_is_not_so", "a claim that is not so is refused, and the truth is told", lies)
        .check("refuses_half_the_truth", "a part of a name is another name", halves)
        .check("refuses_a_lie_without_its_line_end", "a line ends with LF, or with the stream", unended)
        .check("joins_what_was_cut", "a line may be cut anywhere", cut)
        .check("refuses_what_is_no_claim", "what is no claim is refused, with a reason", unclear)
        .check("says_nothing_raw", "no octet of a claim is answered or logged as it came", raw)
        .check("takes_the_longest", "a line of 256 octets and its LF is allowed", longest)
        .check("refuses_a_longer_one", "a longer line is refused at once, and cleanly", longer)
        .check("gives_up_on_silence", "a line has --time to come", silent)
        .with(&["--time", "300ms"])
        .check("an_octet_now_and_then_is_no_line", "an octet now and then gives a line no more time", drip)
        .with(&["--time", "250ms"])
        .check("serves_callers_side_by_side", "a silent caller does not hold up the next", side_by_side)
        .check("survives_who_leaves", "who does not wait for the answer ends nothing but its own connection", leaves)
        .check(
            "removes_its_file",
            "SIGTERM, Ctrl-C and SIGHUP end it with 0, and its file is gone",
            files::removes_its_file,
        )
        // Pids and names of this machine are in the answers.
        .varies()
}

fn start(s: &mut Scene) -> Outcome<String> {
    let path = s.socket_path()?;
    s.start_on(&path)?;
    Ok(path)
}

// ---- what is so ----

fn truth(pid: i32, user: &str, groups: &[String]) -> String {
    let mut once: Vec<&str> = Vec::new();
    for group in groups {
        if !once.contains(&group.as_str()) {
            once.push(group);
        }
    }
    format!("pid {pid}, user {user}, groups {}", once.join(" "))
}

/// The grader's groups, the effective one first.
fn own_groups() -> Vec<u32> {
    let others = getgroups().unwrap_or_default();
    [getegid()].into_iter().chain(others).map(|g| g.as_raw()).collect()
}

/// What is so about the grader.
fn own() -> String {
    let groups: Vec<String> = own_groups().into_iter().map(group_name).collect();
    truth(getpid().as_raw(), &user_name(geteuid().as_raw()), &groups)
}

fn refusal(truth: &str) -> String {
    format!("refused: you are {truth}")
}

// ---- the dialogue ----

/// The answer, without its LF.
fn answer(c: &mut Talk) -> Outcome<String> {
    let mut line = c.read_line(ANSWER)?;
    line.pop();
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn is_answered(c: &mut Talk, right: &str, why: &str) -> Outcome {
    let got = answer(c).because(why)?;
    if got == right { Ok(()) } else { Err(Failure::new(format!("\"{right}\""), format!("\"{got}\""))).because(why) }
}

/// `refused: …`, whatever the reason.
fn is_refused(c: &mut Talk, why: &str) -> Outcome {
    let got = answer(c).because(why)?;
    match got.strip_prefix("refused: ") {
        Some(reason) if !reason.is_empty() => Ok(()),
        _ => Err(Failure::new("`refused: ` and a reason", format!("\"{got}\""))).because(why),
    }
}

/// Says a line on a connection of its own, and gets this answer.
fn says(s: &mut Scene, line: &str, right: &str, why: &str) -> Outcome {
    let mut c = s.connect()?;
    c.send(format!("{line}\n").as_bytes())?;
    is_answered(&mut c, right, why)
}

// ---- who is there ----

fn process(s: &mut Scene) -> Outcome {
    start(s)?;
    let mut c = s.connect()?;
    c.half_close()?;
    let (got, right) = (answer(&mut c).because(PEER)?, format!("pid {}, ", getpid()));
    if got.starts_with(&right) {
        return Ok(());
    }
    Err(Failure::new(format!("\"{right}…\", the process that asks"), format!("\"{got}\""))).because(PEER)
}

/// A server whose file lets everybody in.
fn open_to_all(s: &mut Scene) -> Outcome {
    let path = start(s)?;
    fs::set_permissions(&path, Permissions::from_mode(0o666)).map_err(|e| Failure::new("a mode", e.to_string()))
}

/// Users and groups without names, which the database does not know.
fn stranger(s: &mut Scene) -> Outcome {
    open_to_all(s)?;
    for others in [0, 3] {
        let mut groups: Vec<u32> = (0..others).map(|_| s.number()).collect();
        // The kernel keeps them in order.
        groups.sort_unstable();
        let who = s.stranger().with_groups(groups);
        let mut c = s.connect_as(&who)?;
        c.half_close()?;
        let groups: Vec<String> = [who.gid].iter().chain(&who.groups).map(u32::to_string).collect();
        let right = truth(getpid().as_raw(), &who.uid.to_string(), &groups);
        is_answered(&mut c, &right, if others == 0 { PEER } else { GROUPS })?;
    }
    Ok(())
}

/// The effective group is often one of the others, too.
fn once(s: &mut Scene) -> Outcome {
    open_to_all(s)?;
    let who = s.stranger();
    let groups = [who.gid - 1, who.gid, who.gid + 1];
    let mut c = s.connect_as(&who.clone().with_groups(groups))?;
    c.half_close()?;
    let shown = [who.gid, groups[0], groups[2]].map(|gid| gid.to_string());
    let right = truth(getpid().as_raw(), &who.uid.to_string(), &shown);
    is_answered(
        &mut c,
        &right,
        "credentials(7): whether the effective group is among the supplementary ones is not said",
    )
}

fn named(s: &mut Scene) -> Outcome {
    start(s)?;
    let mut c = s.connect()?;
    c.half_close()?;
    is_answered(&mut c, &own(), NAMES)
}

fn line_end(s: &mut Scene) -> Outcome {
    start(s)?;
    says(
        s,
        "",
        &own(),
        "a line is there when its LF is; who waits for the end of the stream waits for the client's good will",
    )
}

fn closes(s: &mut Scene) -> Outcome {
    const WHY: &str = "the client reads to the end of the stream; a server that goes on reading keeps it waiting";
    start(s)?;
    let mut c = s.connect()?;
    c.send(b"\nuser neptune\n")?;
    is_answered(&mut c, &own(), WHY)?;
    c.expect_close(Close::Fin).because(WHY)
}

// ---- claims ----

fn honest(s: &mut Scene) -> Outcome {
    start(s)?;
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    for claim in [
        format!("pid {}", getpid()),
        format!("user {}", user_name(uid)),
        format!("user {uid}"),
        format!("group {}", group_name(gid)),
        format!("group {gid}"),
        format!("  user   {uid} "),
    ] {
        says(s, &claim, &own(), NAMES)?;
    }
    Ok(())
}

fn every_group(s: &mut Scene) -> Outcome {
    open_to_all(s)?;
    let mut groups = vec![s.number(), s.number()];
    groups.sort_unstable();
    let who = s.stranger().with_groups(groups);
    let all = [&[who.gid], who.groups.as_slice()].concat();
    let shown: Vec<String> = all.iter().map(u32::to_string).collect();
    let right = truth(getpid().as_raw(), &who.uid.to_string(), &shown);
    for gid in all {
        let mut c = s.connect_as(&who)?;
        c.send(format!("group {gid}\n").as_bytes())?;
        is_answered(&mut c, &right, GROUPS)?;
    }
    Ok(())
}

fn lies(s: &mut Scene) -> Outcome {
    start(s)?;
    let server = s.subject()?.pid();
    let sailor = format!("neptune{}", s.rng.u32(100..1000));
    let (uid, own_groups) = (geteuid().as_raw(), own_groups());
    let other = (1..).find(|gid| !own_groups.contains(gid)).unwrap_or_default();
    for claim in [
        format!("user {sailor}"),
        format!("user {}", uid + 1),
        format!("group {sailor}"),
        format!("group {other}"),
        format!("pid {}", getpid().as_raw() + 1),
        format!("pid {server}"),
    ] {
        says(s, &claim, &refusal(&own()), CLAIM)?;
    }
    Ok(())
}

fn halves(s: &mut Scene) -> Outcome {
    const WHY: &str = "who asks whether one begins with the other, or holds it, believes `user a`";
    start(s)?;
    let own_groups = own_groups();
    let is_own_group = |name: &str| own_groups.iter().any(|gid| group_name(*gid) == name || gid.to_string() == name);
    let (user, group) = (user_name(geteuid().as_raw()), group_name(getegid().as_raw()));
    let truths = [("user", user), ("group", group), ("pid", getpid().to_string())];
    for (what, word) in &truths {
        says(s, &format!("{what} {word}0"), &refusal(&own()), WHY)?;
    }
    for (what, mut word) in truths {
        word.pop();
        // Of one letter nothing is left; and a part of one group's name may be the name of another.
        let is_another = !word.is_empty() && (what != "group" || !is_own_group(&word));
        if is_another {
            says(s, &format!("{what} {word}"), &refusal(&own()), WHY)?;
        }
    }
    Ok(())
}

fn unended(s: &mut Scene) -> Outcome {
    start(s)?;
    for (claim, right) in [("user neptune", refusal(&own())), (&format!("user {}", geteuid()), own())] {
        let mut c = s.connect()?;
        c.send(claim.as_bytes())?;
        c.half_close()?;
        is_answered(&mut c, &right, "who overlooks the last line because its LF is missing takes a claim for none")?;
    }
    Ok(())
}

fn cut(s: &mut Scene) -> Outcome {
    start(s)?;
    let claim = b"user neptune\n";
    let mut c = s.connect()?;
    c.send_split(claim, &(1..claim.len()).collect::<Vec<_>>())?;
    is_answered(&mut c, &refusal(&own()), STREAM)
}

fn unclear(s: &mut Scene) -> Outcome {
    const WHY: &str = "what a server does not understand it cannot have checked";
    start(s)?;
    let uid = geteuid();
    for line in [
        "captain neptune".to_string(),
        "user".into(),
        format!("user {uid} root"),
        format!("captain user {uid}"),
        format!("user:{uid}"),
        "neptune".into(),
    ] {
        let mut c = s.connect()?;
        c.send(format!("{line}\n").as_bytes())?;
        is_refused(&mut c, WHY)?;
        c.expect_close(Close::Fin)?;
    }
    Ok(())
}

/// What is in the answers, and afterwards what is in the log.
fn raw(s: &mut Scene) -> Outcome {
    start(s)?;
    for claim in
        [&b"user \x1b[2Jneptune"[..], b"\x1b]0;neptune\x07", b"user \xff\xfe", b"captain\rneptune", b"user a\0b"]
    {
        let mut c = s.connect()?;
        c.send(&[claim, b"\n"].concat())?;
        let got = answer(&mut c).because(RAW)?;
        if is_raw(&got) || !got.starts_with("refused: ") {
            return Err(Failure::new("a refusal of printable characters alone", format!("{got:?}"))).because(RAW);
        }
        c.expect_close(Close::Fin)?;
    }
    // Whoever logs after the answer has done it by then.
    s.wait_until_still(Duration::from_secs(2))?;
    let log = s.subject()?.stderr.all();
    match log.lines().find(|line| is_raw(line)) {
        Some(line) => Err(Failure::new("a log of printable characters alone", format!("{line:?}"))).because(RAW),
        None => Ok(()),
    }
}

/// Control characters, and what was no UTF-8.
fn is_raw(text: &str) -> bool {
    text.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER)
}

// ---- limits ----

fn longest(s: &mut Scene) -> Outcome {
    const WHY: &str = "a limit belongs to what it allows";
    start(s)?;
    let line = format!("{:<LONGEST$}", format!("user {}", geteuid()));
    says(s, &line, &own(), WHY)?;
    let mut c = s.connect()?;
    c.send(line.as_bytes())?;
    c.half_close()?;
    is_answered(&mut c, &own(), WHY)
}

/// First just so long, with more to come; then all at once, much more than the server will read as a line.
fn longer(s: &mut Scene) -> Outcome {
    const CLEAN: &str =
        "a close while octets are unread is a reset, here as in TCP: the client's read fails with ECONNRESET";
    start(s)?;
    let mut c = s.connect()?;
    c.send(&[b'~'; LONGEST + 1])?;
    is_refused(&mut c, LIMIT)?;
    c.expect_close(Close::Fin).because(LIMIT)?;
    s.subject()?.hold()?;
    s.journal.note("the program is held up (SIGSTOP)");
    let mut c = s.connect()?;
    c.send(&[b'~'; 100 * LONGEST])?;
    s.release()?;
    is_refused(&mut c, LIMIT)?;
    c.expect_close(Close::Fin).because(CLEAN)
}

fn silent(s: &mut Scene) -> Outcome {
    start(s)?;
    let mut c = s.connect()?;
    c.expect_silence(ms(150)).because("--time is a promise, too: until then, a client may think")?;
    is_refused(&mut c, TIME)?;
    c.expect_close(Close::Fin).because(TIME)
}

/// An octet each 50 ms, for four times as long as a line may take.
fn drip(s: &mut Scene) -> Outcome {
    start(s)?;
    let mut c = s.connect()?;
    if c.drip(&[b'~'; 20], ms(50)) == 20 {
        return Err(Failure::new("the program to give the line up after 250ms", "1 s later it still waits"))
            .because("socket(7): SO_RCVTIMEO limits each read anew; only a deadline limits a line");
    }
    is_refused(&mut c, TIME)
}

fn side_by_side(s: &mut Scene) -> Outcome {
    const WHY: &str = "accept(2) takes one connection at a time; what is done with it must not keep it from the next";
    start(s)?;
    let mut silent = s.connect()?;
    silent.send(b"user")?;
    silent.wait_until_read();
    says(s, "", &own(), WHY)?;
    silent.send(b" neptune\n")?;
    is_answered(&mut silent, &refusal(&own()), WHY)
}

fn leaves(s: &mut Scene) -> Outcome {
    start(s)?;
    for line in ["user neptune\n", ""] {
        s.subject()?.hold()?;
        s.journal.note("the program is held up (SIGSTOP)");
        let mut c = s.connect()?;
        c.send(line.as_bytes())?;
        s.journal.note("the client leaves");
        c.leave();
        s.release()?;
        says(s, "", &own(), "write(2), EPIPE: the peer has gone; that is no reason for anybody else to go")?;
        // A thread that panics takes a moment to say so.
        s.wait_until_still(Duration::from_secs(2))?;
    }
    Ok(())
}
