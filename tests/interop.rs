//! The programs against clients and servers written by others: nc, ncat, socat, ss, python3, tshark.
//!
//! A peer that is not installed is named and its tests are skipped. With `REQUIRE_PEERS=1` they fail instead: that is
//! for machines where all of them should be. So do those that need root, with `REQUIRE_ROOT=1`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::result_large_err, missing_docs)]

#[path = "interop/ch03.rs"]
mod ch03;
#[path = "interop/ch04/mod.rs"]
mod ch04;
#[path = "interop/ch05/mod.rs"]
mod ch05;
#[path = "interop/ch06/mod.rs"]
mod ch06;
#[path = "interop/ch07/mod.rs"]
mod ch07;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use netkata::sock_diag;
use netkata::tap::Journal;
use netkata_kit::Failure;
use netkata_kit::program::{Verdict, skipped};
use netkata_kit::subject::{Launch, Subject};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long a peer may take for any one step.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Programs that talk to each other wait for most of their time.
const CONVERSATIONS_A_CORE: usize = 4;

fn main() -> ExitCode {
    netkata::sys::inherited::keep_from_children();
    let mut arguments = Arguments::from_args();
    arguments
        .test_threads
        .get_or_insert(CONVERSATIONS_A_CORE * std::thread::available_parallelism().map_or(1, |n| n.get()));
    let tests = ch03::TESTS.iter().chain(ch04::tests()).chain(ch05::tests()).chain(ch06::tests()).chain(ch07::tests());
    let trials = tests.map(|test| test.trial()).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// One conversation with a program of others.
pub struct Test {
    /// `ch03::echo_server::nc`
    pub name: &'static str,
    /// The peer's command; several are separated by spaces.
    pub needs: &'static str,
    /// The conversation.
    pub run: fn() -> Result<(), Failure>,
}

impl Test {
    fn trial(&self) -> Trial {
        let (needs, run) = (self.needs, self.run);
        Trial::ignorable_test(self.name, move || {
            if let Some(missing) = needs.split(' ').find(|needed| !installed(needed)) {
                let why = format!("{missing} is not installed");
                let required = std::env::var_os("REQUIRE_PEERS").is_some();
                return if required {
                    Err(Failed::from(why))
                } else {
                    Ok(Completion::ignored_with(format!("skipped: {why}")))
                };
            }
            match run() {
                Ok(()) => Ok(Completion::Completed),
                Err(Failure { lacking: Some(why), .. }) => match skipped(why) {
                    Verdict::Skipped(why) => Ok(Completion::ignored_with(format!("skipped: {why}"))),
                    required => Err(format!("{required:?}").into()),
                },
                Err(failure) => Err(describe(&failure).into()),
            }
        })
    }
}

fn describe(failure: &Failure) -> String {
    let why = failure.why.as_ref().map(|w| format!("\nwhy: {w}")).unwrap_or_default();
    format!("{failure}{why}")
}

fn installed(name: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|f| f.join(name).is_file()))
}

pub fn built(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_netkata")).with_file_name(name)
}

/// Starts one of our programs.
pub fn ours(name: &str, arguments: &[&str]) -> Result<Subject, Failure> {
    start(&Launch::binary(name, built(name)), arguments)
}

/// Starts one of our servers on a free port; returns it with its port.
pub fn our_server(name: &str, options: &[&str]) -> Result<(Subject, String), Failure> {
    let server = ours(name, &[&["127.0.0.1:0"], options].concat())?;
    let address = server.announced()?;
    let port = address.rsplit(':').next().unwrap_or_default().to_string();
    Ok((server, port))
}

/// Starts a peer.
pub fn theirs(command: &[&str]) -> Result<Subject, Failure> {
    let launch = Launch { name: command[0].into(), command: vec![command[0].into()], identity: None };
    start(&launch, &command[1..])
}

fn start(launch: &Launch, arguments: &[&str]) -> Result<Subject, Failure> {
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    Subject::start(launch, &arguments, &Journal::new(1 << 20), false)
}

/// Waits until a program has said this on standard output.
pub fn says(subject: &Subject, text: &str) -> Result<(), Failure> {
    subject.stdout.contains(text, PATIENCE).map_err(|(rest, ended)| {
        let state = if ended { "it ended" } else { "it went on" };
        Failure::new(format!("{text:?}"), format!("{rest:?}, and {state}; standard error: {}", subject.stderr.all()))
    })
}

/// Waits until a program has ended with this status.
pub fn ends(subject: &mut Subject, code: i32) -> Result<(), Failure> {
    let status = subject.exit(PATIENCE)?;
    if status.code() == Some(code) {
        return Ok(());
    }
    let got = netkata_kit::subject::describe(status);
    Err(Failure::new(format!("exit status {code}"), format!("{got}; standard error: {}", subject.stderr.all())))
}

/// Waits until a peer listens, and returns the port: by proc(5) and sock_diag(7), since few of them say it.
pub fn port_of(subject: &Subject) -> Result<String, Failure> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let inodes = sockets_of(subject.pid().as_raw());
        let listeners = sock_diag::listeners().unwrap_or_default();
        if let Some(found) = listeners.iter().find(|s| inodes.contains(&s.inode)) {
            return Ok(found.local.port().to_string());
        }
        std::thread::yield_now();
    }
    Err(Failure::new("a listening peer", format!("none; standard error: {}", subject.stderr.all())))
}

/// The inodes of the sockets that a process holds.
pub fn sockets_of(pid: i32) -> Vec<u64> {
    let links = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    links
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok())
        .collect()
}
