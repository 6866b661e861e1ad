//! `cargo run watch`, and editors that save in their own ways.

use crate::fixture::Checkout;
use crate::{DONE, GAUGE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// Long enough for a busy machine; a test that passes never waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

struct Watch {
    child: Child,
    lines: Receiver<String>,
}

impl Watch {
    fn start(checkout: &Checkout, args: &[&str]) -> Self {
        let mut child = checkout.command(args).stdout(Stdio::piped()).spawn().expect("spawn");
        let out = BufReader::new(child.stdout.take().expect("stdout"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let watch = Self { child, lines };
        watch.until("Ctrl-C ends.");
        watch
    }

    /// Reads on to a line with this part.
    fn until(&self, part: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect(part);
            if line.contains(part) {
                return line;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Written in place, put in place by rename, deleted: each save is graded once, and Ctrl-C ends it.
#[test]
fn every_way_to_save_is_noticed() {
    let checkout = Checkout::new();
    let mut watch = Watch::start(&checkout, &["watch"]);

    // One write(2), so one event: on a busy machine, truncating and writing could be two saves.
    let mut file = fs::OpenOptions::new().append(true).open(checkout.path(GAUGE)).expect("open");
    file.write_all(b"// work\n").expect("write");
    assert_eq!(watch.until("called"), "called: test --test grade -- ch03::tide_gauge");
    assert_eq!(watch.until("Stuck?"), "tide_gauge: not graded yet. Stuck? cargo run hint tide_gauge");

    let hex = "lessons/03-tides/ebb_bytes.hex";
    checkout.write("lessons/03-tides/.ebb_bytes.hex.swp", "00 00 00 04\n");
    fs::rename(checkout.path("lessons/03-tides/.ebb_bytes.hex.swp"), checkout.path(hex)).expect("rename");
    assert_eq!(watch.until("called"), "called: test --test grade -- ch03::ebb_bytes");
    watch.until("Stuck?");

    fs::remove_file(checkout.path(hex)).expect("remove");
    let gone = watch.until("gone");
    assert!(gone.contains("cargo run reset ebb_bytes"), "{gone}");

    kill(Pid::from_raw(watch.child.id().cast_signed()), Signal::SIGINT).expect("kill");
    let status = watch.child.wait().expect("wait");
    assert_eq!(status.signal(), Some(2));
    assert_eq!(watch.lines.recv_timeout(PATIENCE).ok(), None, "nothing more was graded");
}

/// One exercise: graded at the start; a save of another is none of its business.
#[test]
fn one_exercise_is_graded_at_once() {
    let checkout = Checkout::new();
    let watch = Watch::start(&checkout, &["watch", "tide_gauge"]);
    assert_eq!(watch.until("called"), "called: test --test grade -- ch03::tide_gauge");
    watch.until("Stuck?");
    checkout.write("lessons/03-tides/ebb_bytes.hex", "00 00 00 04\n");
    checkout.write(GAUGE, DONE);
    assert_eq!(watch.until("called"), "called: test --test grade -- ch03::tide_gauge");
}
