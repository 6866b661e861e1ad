//! What every server of the chapter keeps to with its socket file, whatever kind of socket it is.
//!
//! Each of these that takes a scene alone is a check as it stands. The subject is started with a path in the scene's folder as its first argument. Only
//! the file system is looked at, and the probe of [`has_an_owner`] is no client to anybody.

use netkata::unix::{Kind, Name};
use netkata_kit::console::close;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;
use nix::unistd::{getegid, geteuid, getgroups};
use socket2::{Domain, Socket, Type};
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

const KINDS: [Kind; 3] = [Kind::Stream, Kind::Datagram, Kind::Seqpacket];
const STAYS: &str = "unix(7): neither close(2) nor the end of a process removes a socket file; its server has to";
const IN_USE: &str = "address already in use";
const ACCESS: &str = "unix(7): whoever may write to the socket file may connect, and nobody else";
/// Permissions and the like, without the type of the file.
const PERMISSIONS: u32 = 0o7777;

// ---- the grader's own sockets ----

/// A socket of this kind, bound to `path`, and listening where the kind has connections.
pub fn own(kind: Kind, path: &str) -> Outcome<Socket> {
    let made = || {
        let socket = Socket::new(Domain::UNIX, kind.socket_type(), None)?;
        socket.bind(&Name::Path(path.into()).address()?)?;
        if kind != Kind::Datagram {
            socket.listen(8)?;
        }
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    made().map_err(|e: std::io::Error| Failure::new("a socket file of the grader's", e.to_string()))
}

/// A file that nobody has any more. Closed for good: a program that another check starts at this moment has a copy of the socket
/// until its execve(2), and for so long the file is not stale.
pub fn leave_behind(kind: Kind, path: &str) -> Outcome {
    close(own(kind, path)?);
    Ok(())
}

/// Whether a live socket has the file. To connect a datagram socket is no event that anybody else sees: a live one of another
/// kind answers with EPROTOTYPE, a dead one with ECONNREFUSED.
pub fn has_an_owner(path: &str) -> bool {
    let probe = Socket::new(Domain::UNIX, Type::DGRAM, None);
    let connected = probe.and_then(|probe| probe.connect(&Name::Path(path.into()).address()?));
    connected.map_or_else(|e| !matches!(e.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound), |()| true)
}

/// Nobody came to it: no connection, and no datagram.
fn saw_nobody(socket: &Socket, kind: Kind) -> Outcome {
    let came = match kind {
        Kind::Datagram => socket.recv(&mut [std::mem::MaybeUninit::uninit(); 16]).map(drop),
        _ => socket.accept().map(drop),
    };
    match came {
        Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(()),
        _ => Err(Failure::new("the live server to see nobody", "a visitor")),
    }
}

/// `a live stream socket has the file`
fn named(state: &str, kind: Kind) -> String {
    format!("a {state} {} socket has the file", kind.name())
}

fn expect_gone(path: &str) -> Outcome {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(Failure::new("the socket file to be gone", "it is still there")).because(STAYS),
        Err(_) => Ok(()),
    }
}

fn expect_there(path: &str) -> Outcome {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(()),
        Err(_) => Err(Failure::new("the socket file to be there", "it is gone")),
    }
}

/// The subject ends with status 1, and says why in a line. It gets less time than elsewhere: a server that goes on has taken
/// the name.
pub fn fails(s: &mut Scene, named: &str) -> Outcome {
    s.expect_exit(1, Duration::from_secs(2))?;
    expect_error_line(s, named)
}

fn expect_error_line(s: &mut Scene, named: &str) -> Outcome {
    let line = s.error_line()?;
    if line.starts_with("error: ") && line.contains(named) {
        return Ok(());
    }
    Err(Failure::new(format!("a line `error: …{named}…`"), format!("{line:?}")))
}

// ---- its own file ----

/// Every signal that asks it to end.
pub fn removes_its_file(s: &mut Scene) -> Outcome {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let path = s.socket_path()?;
        s.start_on(&path)?;
        expect_there(&path)?;
        s.signal(signal)?;
        s.expect_exit(0, Duration::from_secs(2)).because("signal(7): this signal asks a process to end")?;
        expect_gone(&path)?;
    }
    Ok(())
}

/// Two signals in a row, while `hold` keeps a connection open that the first one waits for.
pub fn removes_its_file_on_a_second_signal<T>(s: &mut Scene, hold: fn(&mut Scene) -> Outcome<T>) -> Outcome {
    let path = s.socket_path()?;
    s.start_on(&path)?;
    let held = hold(s)?;
    // Two of a kind may be delivered as one.
    s.signal(Signal::SIGTERM)?;
    s.signal(Signal::SIGINT)?;
    s.expect_exit(130, Duration::from_secs(2))
        .because("128 and the signal's number: a shell reports a program that Ctrl-C ended as 130")?;
    drop(held);
    expect_gone(&path)
}

/// Somebody has removed its file, and bound a socket of their own there.
pub fn leaves_a_successors_file(s: &mut Scene) -> Outcome {
    let path = s.socket_path()?;
    s.start_on(&path)?;
    fs::remove_file(&path).map_err(|e| Failure::new("the socket file to be there", e.to_string()))?;
    let _successor = own(Kind::Stream, &path)?;
    s.journal.note("another server has taken the name");
    s.signal(Signal::SIGTERM)?;
    s.expect_exit(0, Duration::from_secs(2))?;
    expect_there(&path).because("unlink(2) takes a name, and not a file: whose file has the name now, stat(2) tells")
}

// ---- somebody else's file ----

/// The subject is killed and started again; then it finds what others left behind.
pub fn replaces_a_stale_file(s: &mut Scene) -> Outcome {
    let why = "connect(2), ECONNREFUSED: nobody has the file; a killed server must be able to start again";
    let path = s.socket_path()?;
    s.start_on(&path)?;
    s.signal(Signal::SIGKILL)?;
    s.subject()?.exit(Duration::from_secs(2))?;
    expect_there(&path).because(STAYS)?;
    restart(s, &path).because(why)?;
    for kind in KINDS {
        let path = s.socket_path()?;
        leave_behind(kind, &path)?;
        s.journal.note(named("dead", kind));
        restart(s, &path).because(why)?;
    }
    Ok(())
}

fn restart(s: &mut Scene, path: &str) -> Outcome {
    s.start_on(path)?;
    if has_an_owner(path) { Ok(()) } else { Err(Failure::new("a live socket at its path", "a dead one")) }
}

/// A live server of each kind has the file.
pub fn never_steals_a_live_one(s: &mut Scene) -> Outcome {
    for kind in KINDS {
        let path = s.socket_path()?;
        let live = own(kind, &path)?;
        let inode = fs::symlink_metadata(&path).map(|m| m.ino()).ok();
        s.journal.note(named("live", kind));
        s.run_with(&[&path])?;
        fails(s, IN_USE)
            .because("bind(2), EADDRINUSE: another server has the name, and its clients would come to us")?;
        if fs::symlink_metadata(&path).map(|m| m.ino()).ok() != inode {
            return Err(Failure::new("the live server's file to stay", "it is gone"));
        }
        saw_nobody(&live, kind)
            .because("whoever asks whether a server is alive is no client, and should not look like one")?;
    }
    Ok(())
}

/// A list of ships, and a folder.
pub fn keeps_a_file_that_is_no_socket(s: &mut Scene) -> Outcome {
    let (path, ships) = (s.socket_path()?, s.phrase());
    let broken = |e: std::io::Error| Failure::new("a file of the grader's", e.to_string());
    fs::write(&path, &ships).map_err(broken)?;
    s.journal.note("a file that is no socket has the name");
    s.run_with(&[&path])?;
    let why = "connect(2) to a file that is no socket is refused, too: a refusal alone does not make it stale";
    fails(s, IN_USE).because(why)?;
    let now = fs::read_to_string(&path).map_err(|_| Failure::new("the file to be there still", "it is gone"));
    if now.because(why)? != ships {
        return Err(Failure::new("the file as it was", "it has changed")).because(why);
    }
    let folder = s.socket_path()?;
    fs::create_dir(&folder).map_err(broken)?;
    s.run_with(&[&folder])?;
    fails(s, IN_USE).because(why)?;
    expect_there(&folder).because(why)
}

// ---- who may connect ----

/// Asks for modes that no umask gives by itself.
pub fn has_the_mode_asked_for(s: &mut Scene) -> Outcome {
    let mut modes = ["600", "0640", "0622", "666", "0777"];
    s.rng.shuffle(&mut modes);
    for mode in &modes[..3] {
        let path = s.socket_path()?;
        s.start_with_arguments(&[path.clone(), "--mode".into(), mode.to_string()])?;
        let right = u32::from_str_radix(mode, 8).unwrap_or_default();
        let got = fs::symlink_metadata(&path).map(|m| m.mode() & PERMISSIONS).unwrap_or_default();
        if got != right {
            return Err(Failure::new(format!("mode {right:04o}, by --mode {mode}"), format!("{got:04o}")))
                .because("umask(2): what it masks is missing from every new file; chmod(2) asks no umask");
        }
    }
    Ok(())
}

/// Root may give any group; others, one that they are in.
fn some_group(s: &mut Scene) -> u32 {
    if geteuid().is_root() {
        return s.rng.u32(20_000..50_000);
    }
    let own = getegid();
    let others = getgroups().unwrap_or_default();
    others.into_iter().find(|g| *g != own).unwrap_or(own).as_raw()
}

pub fn has_the_group_asked_for(s: &mut Scene) -> Outcome {
    let (path, group) = (s.socket_path()?, some_group(s));
    s.start_with_arguments(&[path.clone(), "--group".into(), group.to_string()])?;
    let got = fs::symlink_metadata(&path).map(|m| (m.gid(), m.mode() & PERMISSIONS)).unwrap_or_default();
    if got.0 != group {
        return Err(Failure::new("the group that was asked for", "another")).because(ACCESS);
    }
    if got.1 != 0o660 {
        return Err(Failure::new("mode 0660, for the owner and the group", format!("{:04o}", got.1))).because(ACCESS);
    }
    Ok(())
}

/// Somebody looks at the file all the time, from before it is made. A server that narrows the mode after bind(2) may be lucky
/// enough not to be seen; one that does it before is never seen with another.
pub fn guards_the_file_from_its_first_moment(s: &mut Scene) -> Outcome {
    for _ in 0..3 {
        let path = s.socket_path()?;
        let (over, seen) = (AtomicBool::new(false), AtomicU32::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    let mode = fs::symlink_metadata(&path).map_or(0, |m| m.mode() & 0o077);
                    seen.fetch_or(mode, Relaxed);
                }
            });
            let started = s.start_with_arguments(&[path.clone(), "--mode".into(), "0600".into()]);
            over.store(true, Relaxed);
            started
        })?;
        if seen.load(Relaxed) != 0 {
            return Err(Failure::new(
                "a file that is its owner's alone from the first moment",
                "others had rights to it",
            ))
            .because("bind(2) makes the file and lets datagrams in; a chmod(2) after it comes late");
        }
    }
    Ok(())
}

/// An abstract name has no file that could have them.
pub fn refuses_a_mode_for_an_abstract_name(s: &mut Scene) -> Outcome {
    let name = s.abstract_name();
    s.run_with(&[&name, "--mode", "0600"])?;
    fails(s, "no file").because("unix(7), Abstract: there are no permissions; who believes in them is in danger")
}

// ---- names that cannot be ----

/// bind(2) says *no such file or directory* and means the folder.
pub fn names_a_missing_folder(s: &mut Scene) -> Outcome {
    let folder = s.folder()?;
    let missing = folder.join("ebb");
    s.run_with(&[&missing.join("harbour.sock").to_string_lossy()])?;
    fails(s, &format!("no such folder: {}", missing.display()))
        .because("bind(2), ENOENT: a part of the path does not exist; which one, the server can say")?;
    let file = folder.join("flood");
    fs::write(&file, "").map_err(|e| Failure::new("a file", e.to_string()))?;
    s.run_with(&[&file.join("harbour.sock").to_string_lossy()])?;
    fails(s, &format!("{} is no folder", file.display())).because("bind(2), ENOTDIR: a part of the path is no folder")
}

/// A folder that may be read and entered, and not written to: neither may a file be made there, nor a stale one removed.
pub fn names_a_folder_without_permission(s: &mut Scene) -> Outcome {
    like_everybody(s)?;
    let folder = s.folder()?.join("ebb");
    let allow = |mode| fs::set_permissions(&folder, Permissions::from_mode(mode));
    let broken = |e: std::io::Error| Failure::new("a folder of the grader's", e.to_string());
    fs::create_dir(&folder).map_err(broken)?;
    let [new, stale] = ["flood.sock", "stale.sock"].map(|file| folder.join(file).to_string_lossy().into_owned());
    leave_behind(Kind::Stream, &stale)?;
    allow(0o555).map_err(broken)?;
    let failed = s.run_with(&[&new]).and_then(|()| {
        fails(s, &format!("permission denied: no file may be made in {}", folder.display()))
            .because("bind(2), EACCES: it is the folder that may not be written to, for there is no file yet")?;
        s.run_with(&[&stale])?;
        fails(s, "address already in use: the file is stale, and may not be removed")
            .because("unlink(2), EACCES: to remove a file, one needs permission to write to its folder")
    });
    // Its files could not be removed when the scene ends.
    allow(0o755).map_err(broken)?;
    failed
}

/// Root may write everywhere, so as root the subject is started without that privilege.
pub fn like_everybody(s: &mut Scene) -> Outcome {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if geteuid().is_root() && !std::env::split_paths(&path).any(|folder| folder.join("setpriv").is_file()) {
        return Err(Failure::skipped("needs setpriv(1), or another user than root"));
    }
    s.without_privileges();
    Ok(())
}

/// `sun_path` has 108 octets, the last for a NUL: 107 are a name, one more is none.
pub fn names_a_long_path(s: &mut Scene) -> Outcome {
    const LONGEST: usize = 107;
    // A path in the program's own folder: how long that folder's name is does not matter.
    let (folder, longest) = (s.folder()?, "~".repeat(LONGEST));
    s.inside_its_folder();
    s.start_on(&longest).because("unix(7): sun_path has 108 octets, one of them for the NUL at the end")?;
    expect_there(&folder.join(&longest).to_string_lossy())?;
    s.signal(Signal::SIGTERM)?;
    s.expect_exit(0, Duration::from_secs(2))?;
    s.run_with(&[&format!("{longest}~")])?;
    let why = "unix(7): sun_path has 108 octets; a path that is cut off is another path";
    // A wrong argument, or a failure: whichever it is for the program.
    if s.expect_exit(2, Duration::from_secs(2)).is_err() {
        s.expect_exit(1, Duration::from_secs(2)).because(why)?;
    }
    expect_error_line(s, "108 octets").because(why)
}

// ---- abstract names ----

/// A name without a file: it works (`talk`), nobody else can have it meanwhile, and it is gone with the server.
pub fn abstract_names_make_no_file(s: &mut Scene, talk: fn(&mut Scene) -> Outcome) -> Outcome {
    let name = s.abstract_name();
    let folder = s.folder()?;
    s.inside_its_folder();
    s.start_on(&name)?;
    let why = "unix(7), Abstract: the name has a NUL in front, and no place in the file system";
    talk(s).because(why)?;
    let is_empty = |folder: &Path| fs::read_dir(folder).is_ok_and(|mut files| files.next().is_none());
    if !is_empty(&folder) {
        return Err(Failure::new("no file", "one in the server's folder")).because(why);
    }
    s.signal(Signal::SIGTERM)?;
    s.expect_exit(0, Duration::from_secs(2))?;
    s.start_on(&name).because("unix(7), Abstract: the name is free again with the last socket that has it")
}

/// The rules above that need a connection, for servers that echo over streams.
pub mod over_streams {
    use super::*;
    use crate::checks::common::echo;

    pub fn removes_its_file_on_a_second_signal(s: &mut Scene) -> Outcome {
        super::removes_its_file_on_a_second_signal(s, |s| {
            let (mut c, words) = (s.connect()?, s.phrase());
            echo(&mut c, &words)?;
            c.ignore();
            Ok(c)
        })
    }

    pub fn abstract_names_make_no_file(s: &mut Scene) -> Outcome {
        super::abstract_names_make_no_file(s, |s| {
            let (mut c, words) = (s.connect()?, s.phrase());
            echo(&mut c, &words)
        })
    }
}
