//! `creds_server`: who may stay, by the kernel's word.
//!
//! Whoever runs the grader is a client with a user and groups of their own; root plays others as well. Numbers and names of
//! this machine stay out of what the checks say: they differ from one to the next.

use super::files;
use netkata::sys::identity::Identity;
use netkata::unix::accounts::{group_name, groups_of_user};
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;
use nix::unistd::{getegid, geteuid};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// In front of a path: the arguments of a server that takes its groups first.
const SOCKET: &[&str] = &["0", "--socket"];
const WELCOME: &[u8] = b"Welcome\n";
const DENIED: &[u8] = b"Access denied\n";
const PEERCRED: &str = "unix(7), SO_PEERCRED: the credentials are those of the process at connect(2)";
const NAMED: &str = "only a group that was named lets anybody in";

pub fn program() -> Program {
    Program::finished(7, "creds_server")
        .check("lets_members_in", "whoever is in a named group is told `Welcome`", members)
        .check("keeps_members", "whoever was let in may stay, and say what they like", stay)
        .check("turns_others_away", "whoever is in no named group is told `Access denied`, and that is all", others)
        .check("tells_even_those_who_speak_first", "what a client has sent does not cost it the answer", speaks_first)
        .check("takes_several_groups", "one of several groups is enough", several)
        .check("takes_groups_by_name", "a group may be called by its name", by_name)
        .check("skips_unknown_groups", "a group that this machine does not have is named and skipped", unknown)
        .finished_only()
        .check(
            "lets_nobody_in_without_groups",
            "when no group is left, nobody is allowed, and the server says so",
            none_left,
        )
        .finished_only()
        .check(
            "asks_the_database_about_the_user",
            "db-groups: the groups that the user has in the database",
            own_database,
        )
        .with(&["--policy", "db-groups"])
        .check("serves_clients_side_by_side", "a client that stays does not hold up the next", side_by_side)
        .check("notices_who_leaves", "whoever closes their direction is let go", leaver)
        .check("listens_to_no_flood", "a client that says too much has to go", flood)
        .finished_only()
        .check("refuses_beyond_the_limit", "clients beyond --max-connections are closed at once", refuses)
        .with(&["--max-connections", "2"])
        .check("is_open_to_everybody", "whoever asks is answered: the socket file is open to all users", mode)
        .finished_only()
        .check("takes_an_abstract_name", "an abstract name has no mode, and is as good as a file", abstract_name)
        .finished_only()
        .check("logs_who_came", "the log says which process came, and what became of it", logs)
        .finished_only()
        .check("logs_numbers_alone", "with --numeric, no names are looked up for the log", numeric)
        .with(&["--numeric"])
        .check(
            "sends_everybody_away_at_the_end",
            "SIGTERM: those who stay are told of the end, and nobody is waited for",
            stops,
        )
        // The file.
        .check("removes_its_file", "whichever signal ends it, its socket file goes with it", files::removes_its_file)
        .address_after(SOCKET)
        .check(
            "leaves_a_successors_file",
            "a file that another server has put there is not removed",
            files::leaves_a_successors_file,
        )
        .address_after(SOCKET)
        .check("replaces_a_stale_file", "a file that nobody has any more is replaced", files::replaces_a_stale_file)
        .address_after(SOCKET)
        .check(
            "never_steals_a_live_one",
            "a live server keeps its file, and does not notice that it was wanted",
            files::never_steals_a_live_one,
        )
        .address_after(SOCKET)
        .check(
            "keeps_a_file_that_is_no_socket",
            "a file that is no socket is nobody's to remove",
            files::keeps_a_file_that_is_no_socket,
        )
        .address_after(SOCKET)
        .check("has_the_mode_asked_for", "the file's mode is --mode, whatever the umask", files::has_the_mode_asked_for)
        .address_after(SOCKET)
        .finished_only()
        .check(
            "has_the_group_asked_for",
            "the file's group is --group, which may write to it",
            files::has_the_group_asked_for,
        )
        .address_after(SOCKET)
        .finished_only()
        .check(
            "guards_the_file_from_its_first_moment",
            "there is no moment at which others may connect",
            files::guards_the_file_from_its_first_moment,
        )
        .address_after(SOCKET)
        .finished_only()
        .check(
            "refuses_a_mode_for_an_abstract_name",
            "a mode without a file is an error",
            files::refuses_a_mode_for_an_abstract_name,
        )
        .address_after(SOCKET)
        .finished_only()
        .check("names_a_missing_folder", "a folder that is not there is named", files::names_a_missing_folder)
        .address_after(SOCKET)
        .finished_only()
        .check("names_a_long_path", "107 octets are a path, 108 are not", files::names_a_long_path)
        .address_after(SOCKET)
        .finished_only()
        // As root: clients of other users.
        .check("asks_as_of_connect", "a client is who it was when it connected", as_of_connect)
        .as_root()
        .check("logs_user_and_group", "the log names the user and the group of a client", logs_numbers)
        .finished_only()
        .as_root()
        .check(
            "counts_supplementary_groups",
            "process-groups: the supplementary groups of a process count",
            supplementary,
        )
        .as_root()
        .check("counts_every_group", "process-groups: a process may be in many groups", many)
        .as_root()
        .check("gid_counts_one_group", "gid: the effective group counts, and no other", effective)
        .with(&["--policy", "gid"])
        .as_root()
        .check(
            "db_groups_of_another_user",
            "db-groups: the client's user counts, and not what its process has",
            database,
        )
        .with(&["--policy", "db-groups"])
        .as_root()
}

/// Starts the server on a new socket file, for these groups.
fn start(s: &mut Scene, groups: &[u32]) -> Outcome {
    // The number of a group of this machine's has no place in a message on file.
    let shown =
        |group: &u32| if !(60_000..65_000).contains(group) { "one of the client's".into() } else { group.to_string() };
    let named = groups.iter().map(shown).collect::<Vec<String>>().join(", ");
    s.journal.note(format!("the group{} named: {named}", if groups.len() == 1 { "" } else { "s" }));
    start_for(s, &groups.iter().map(u32::to_string).collect::<Vec<_>>())
}

fn start_for(s: &mut Scene, groups: &[String]) -> Outcome {
    let path = s.socket_path()?;
    s.start_with_arguments(&[groups, &["--socket".into(), path]].concat())
}

/// The group that counts under every policy, but for users whom the database does not know.
fn own_group() -> u32 {
    getegid().as_raw()
}

fn expect_in(c: &mut Talk, why: &str) -> Outcome {
    c.expect(WELCOME).because(why)
}

fn expect_out(c: &mut Talk, why: &str) -> Outcome {
    c.expect(DENIED).because(why)?;
    c.expect_close(Close::Fin).because(why)
}

fn members(s: &mut Scene) -> Outcome {
    start(s, &[own_group()])?;
    expect_in(&mut s.connect()?, "the client's effective group is the one that was named")
}

fn stay(s: &mut Scene) -> Outcome {
    start(s, &[own_group()])?;
    let why = "a welcome that ends at once is none: the connection is what the client came for";
    let mut c = s.connect()?;
    expect_in(&mut c, why)?;
    for _ in 0..3 {
        c.expect_silence(ms(40)).because(why)?;
        let words = format!("{}\n", s.phrase());
        c.send(words.as_bytes()).because(why)?;
    }
    c.expect_silence(ms(40)).because(why)
}

/// A group that nobody is in. The server's own is not named; whoever grades as root learns that root is nobody special.
fn others(s: &mut Scene) -> Outcome {
    let nobodys = s.number();
    start(s, &[nobodys])?;
    expect_out(&mut s.connect()?, "only a group that was named counts, and not the server's own")
}

/// The server is held up meanwhile, so that the octets are there before it looks.
fn speaks_first(s: &mut Scene) -> Outcome {
    let (nobodys, words) = (s.number(), s.phrase());
    start(s, &[nobodys])?;
    s.hold()?;
    let mut c = s.connect()?;
    c.send(words.as_bytes())?;
    s.release()?;
    expect_out(&mut c, "close(2) with octets unread is a reset for the peer, on a Unix socket as well: read them first")
}

fn several(s: &mut Scene) -> Outcome {
    let (first, last) = (s.number(), s.number());
    start(s, &[first, own_group(), last])?;
    expect_in(&mut s.connect()?, "each group that was named lets its members in")
}

fn by_name(s: &mut Scene) -> Outcome {
    let name = group_name(own_group());
    if name.parse::<u32>().is_ok() {
        return Err(Failure::skipped("needs a group that has a name"));
    }
    start_for(s, &[name])?;
    expect_in(&mut s.connect()?, "group(5): each group has a name, and a number for the kernel")
}

fn unknown(s: &mut Scene) -> Outcome {
    let name = format!("pilots-{}", s.number());
    start_for(s, &[name.clone(), own_group().to_string()])?;
    let why = "a slip in one name should neither lock everybody out nor pass unnoticed";
    expect_in(&mut s.connect()?, why)?;
    s.expect_error(&name).because(why)?;
    s.expect_error("skipped").because(why)
}

fn none_left(s: &mut Scene) -> Outcome {
    let name = format!("pilots-{}", s.number());
    start_for(s, &[name])?;
    let why = "a guard without a list turns everybody away: an empty list must not open the door";
    expect_out(&mut s.connect()?, why)?;
    s.expect_error("nobody is allowed").because(why)
}

fn own_database(s: &mut Scene) -> Outcome {
    let groups = groups_of_user(geteuid().as_raw()).unwrap_or_default();
    let Some(group) = groups.first() else { return Err(Failure::skipped("needs a user whom the database knows")) };
    start(s, &[*group])?;
    expect_in(&mut s.connect()?, "getpwuid(3) takes the number as it is; getgrouplist(3) then finds the user's groups")
}

fn side_by_side(s: &mut Scene) -> Outcome {
    const WHY: &str = "accept(2) takes one connection at a time; serving must not keep it from the next";
    start(s, &[own_group()])?;
    let mut first = s.connect()?;
    expect_in(&mut first, NAMED)?;
    for _ in 0..2 {
        let mut c = s.connect()?;
        expect_in(&mut c, WHY)?;
        s.keep(c);
    }
    first.expect_silence(ms(30)).because(WHY)
}

fn leaver(s: &mut Scene) -> Outcome {
    start(s, &[own_group()])?;
    let mut c = s.connect()?;
    expect_in(&mut c, NAMED)?;
    c.half_close()?;
    c.expect_close(Close::Fin)
        .because("read(2) of 0: the peer has closed; who does not read never learns it, and keeps a socket for nobody")
}

/// More than a mebibyte, which the server may leave unread.
fn flood(s: &mut Scene) -> Outcome {
    let octets = s.octets((1 << 20) + 4096);
    start(s, &[own_group()])?;
    let mut c = s.connect()?;
    expect_in(&mut c, NAMED)?;
    c.send(&octets)?;
    c.expect_close(Close::Fin).because("what nobody wants costs time for as long as it comes: it needs a limit")
}

fn refuses(s: &mut Scene) -> Outcome {
    start(s, &[own_group()])?;
    let mut inside = [s.connect()?, s.connect()?];
    for c in &mut inside {
        expect_in(c, NAMED)?;
    }
    s.connect()?
        .expect_close(Close::Fin)
        .because("clients that may stay need a cap: each has a thread and a descriptor")
}

fn mode(s: &mut Scene) -> Outcome {
    start(s, &[own_group()])?;
    let path = s.place()?;
    let mode =
        fs::symlink_metadata(path).map_err(|e| Failure::new("a socket file", e.to_string()))?.permissions().mode();
    // What it is instead may depend on the umask.
    if mode & 0o777 == 0o666 {
        return Ok(());
    }
    Err(Failure::new("mode 0666, whatever the umask", "another mode")).because(
        "unix(7): to connect, a process needs to be allowed to write to the file; who may not is never told why",
    )
}

fn abstract_name(s: &mut Scene) -> Outcome {
    if cfg!(not(target_os = "linux")) {
        return Err(Failure::skipped("needs Linux: abstract names"));
    }
    let name = s.abstract_name();
    s.start_with_arguments(&[own_group().to_string(), "--socket".into(), name])?;
    expect_in(&mut s.connect()?, "unix(7): an abstract name has no file, and so no mode to set")
}

/// One that is allowed, and one that is not.
fn logs(s: &mut Scene) -> Outcome {
    for (group, answer, verdict) in [(own_group(), WELCOME, "allowed by"), (s.number(), DENIED, "denied by")] {
        start(s, &[group])?;
        s.connect()?.expect(answer)?;
        let line = line_of_client(s)?;
        let pid = format!("pid {},", std::process::id());
        if !line.contains(&pid) {
            return Err(Failure::new("the client's process ID in the log", "another number, or none"))
                .because(PEERCRED);
        }
        if !line.contains(verdict) {
            return Err(Failure::new(format!("`{verdict}` in the line about the client"), "no such words"));
        }
    }
    Ok(())
}

fn numeric(s: &mut Scene) -> Outcome {
    start(s, &[own_group()])?;
    s.connect()?.expect(WELCOME)?;
    let line = line_of_client(s)?;
    let numbers = format!(", user {}, group {}: ", geteuid(), getegid());
    if line.contains(&numbers) {
        return Ok(());
    }
    Err(Failure::new("the client's user and group by number alone", "something else"))
        .because("getpwuid(3), getgrgid(3): a name may come from a directory far away, and take its time")
}

/// The first line of the log that is about a client.
fn line_of_client(s: &mut Scene) -> Outcome<String> {
    loop {
        let line = s.error_line()?;
        if line.contains("client") {
            return Ok(line);
        }
    }
}

fn stops(s: &mut Scene) -> Outcome {
    start(s, &[own_group()])?;
    let mut c = s.connect()?;
    expect_in(&mut c, NAMED)?;
    // Read, so that no message repeats it.
    line_of_client(s)?;
    s.signal(Signal::SIGTERM)?;
    let why = "signal(7): SIGTERM asks a process to end; a client that stays has nothing left to finish";
    c.expect_close(Close::Fin).because(why)?;
    s.expect_exit(0, Duration::from_secs(2)).because(why)
}

// ---- as root: clients of other users ----

/// The server is held up until the client's thread, and with it the client's user, has gone. The process goes on as root.
fn as_of_connect(s: &mut Scene) -> Outcome {
    let who = s.stranger();
    start(s, &[who.gid])?;
    s.hold()?;
    let mut c = s.connect_as(&who)?;
    s.release()?;
    expect_in(&mut c, "unix(7), SO_PEERCRED: the credentials are those at connect(2), whatever the process is by now")
}

fn logs_numbers(s: &mut Scene) -> Outcome {
    let who = s.stranger();
    start(s, &[who.gid])?;
    expect_in(&mut s.connect_as(&who)?, PEERCRED)?;
    let line = line_of_client(s)?;
    let right = format!("user {}, group {}", who.uid, who.gid);
    if line.contains(&right) {
        return Ok(());
    }
    let (_, got) = line.split_once("pid ").unwrap_or_default();
    let got = got.split_once(", ").unwrap_or_default().1;
    Err(Failure::new(format!("`{right}` in the log"), format!("`{got}`"))).because(PEERCRED)
}

fn supplementary(s: &mut Scene) -> Outcome {
    let (who, named) = (s.stranger(), s.number());
    let groups = [s.number(), named, s.number()];
    start(s, &[named])?;
    let why =
        "credentials(7): the kernel asks for the effective group and the supplementary ones when a file is opened";
    expect_in(&mut s.connect_as(&who.clone().with_groups(groups))?, why)?;
    expect_in(&mut s.connect_as(&Identity::new(who.uid, named))?, why)?;
    expect_out(&mut s.connect_as(&who)?, NAMED)
}

/// The kernel keeps them in order: the last is the one that counts.
fn many(s: &mut Scene) -> Outcome {
    for n in [32, 33, 300] {
        let who = s.stranger();
        let groups: Vec<u32> = (60_000..60_000 + n).collect();
        let last = groups.last().copied().unwrap_or_default();
        start(s, &[last])?;
        expect_in(
            &mut s.connect_as(&who.with_groups(groups))?,
            "setgroups(2): a process may be in 65,536 groups; a list for 32 of them is cut, or fails (ERANGE)",
        )?;
    }
    Ok(())
}

fn effective(s: &mut Scene) -> Outcome {
    let who = s.stranger();
    let named = s.number();
    start(s, &[named])?;
    expect_in(
        &mut s.connect_as(&Identity::new(who.uid, named))?,
        "sudo(8), -g: it sets the effective group of a process",
    )?;
    expect_out(&mut s.connect_as(&who.with_groups([named]))?, "--policy gid: the supplementary groups do not count")
}

/// A user of this machine, whose process is in none of the user's groups; then a stranger's process that is in the group.
fn database(s: &mut Scene) -> Outcome {
    let known = (1..=1000).find_map(|uid| Some((uid, *groups_of_user(uid).ok()?.first()?)));
    let Some((uid, group)) = known else { return Err(Failure::skipped("needs a user whom the database knows")) };
    let why = "getgrouplist(3) tells the groups of a user; the process may have others (credentials(7))";
    start(s, &[group])?;
    let elsewhere = s.number();
    expect_in(&mut s.connect_as(&Identity::new(uid, elsewhere))?, why)?;
    let stranger = s.number();
    expect_out(&mut s.connect_as(&Identity::new(stranger, group))?, why)
}
