//! The `netkata` program, from outside, in a small made-up checkout.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "course/fixture.rs"]
mod fixture;
#[path = "course/reports.rs"]
mod reports;
#[path = "course/watch.rs"]
mod watch;

use fixture::{Checkout, ran};
use netkata::course::state::{Check, Verdict};
use std::fs;
use std::time::Duration;

const GAUGE: &str = "lessons/03-tides/tide_gauge.rs";
const DONE: &str = "//! Tells how high the tide stands.\nfn main() {}\n";

/// Four words of a newcomer's day, on one screen; after that, `cargo run` says where they are.
#[test]
fn the_first_run_greets_in_ten_lines() {
    let checkout = Checkout::new();
    let first = checkout.run(&[]).ok();
    assert!(first.lines().count() <= 10, "{first}");
    for part in
        ["lessons/03-tides/README.md", "cargo run --bin tide_server", "cargo run next", "cargo run grade tide_gauge"]
    {
        assert!(first.contains(part), "{part} in\n{first}");
    }
    let second = checkout.run(&[]).ok();
    assert!(second.contains("3  Tides over TCP  ▫▫          0 of 2"), "{second}");
    assert!(second.contains("next tide_gauge"), "{second}");
    assert!(!second.contains('\u{1b}'), "no colours into a pipe");
}

/// `cargo test` before the first `cargo run` writes the progress file; the newcomer is greeted all the same.
#[test]
fn a_grader_that_was_first_does_not_spoil_the_greeting() {
    let checkout = Checkout::new();
    checkout.record("ch03::tide_gauge", Verdict::not_started(&checkout.read(GAUGE), "write the height"));
    assert!(checkout.run(&[]).ok().contains("stuck?"));
}

#[test]
fn it_works_from_a_folder_inside_and_says_so_outside() {
    let checkout = Checkout::new();
    let inside = ran(checkout.command(&["list"]).current_dir(checkout.path("lessons/03-tides"))).ok();
    assert!(inside.contains("tide_server          Serves the tide table."), "{inside}");
    assert!(inside.contains("tide_gauge           Tells how high the tide stands. (not started)"), "{inside}");
    let elsewhere = tempfile::tempdir().expect("tempdir");
    let outside = ran(checkout.command(&["list"]).current_dir(elsewhere.path())).error();
    assert!(outside.contains("is not inside a netkata checkout"), "{outside}");
}

/// The contract, the step, the commands – and after each verdict what it means for the next step.
#[test]
fn next_follows_the_work() {
    let checkout = Checkout::new();
    let page = checkout.run(&["next"]).ok();
    for part in [
        "ch03::tide_gauge  not started",
        "The server speaks first: four octets, then it closes.",
        "step 1: write the height as four octets  (the last one)",
        "cargo run -p lessons --bin tide_gauge",
        "0 of 3 hints taken",
    ] {
        assert!(page.contains(part), "{part} in\n{page}");
    }
    checkout.write(GAUGE, DONE);
    assert!(checkout.run(&["next"]).ok().contains("not graded yet"));
    let failed = Check::failed("speaks_first", Duration::ZERO, "expected four octets, got none");
    checkout.record("ch03::tide_gauge", Verdict::new(DONE, 1, vec![failed]));
    assert!(checkout.run(&["next"]).ok().contains("failing: speaks_first\nexpected four octets, got none"));
    pass(&checkout);
    let page = checkout.run(&["next"]).ok();
    assert!(page.contains("ch03::ebb_bytes") && page.contains("line 2: fill in 2 octets"), "{page}");
    assert!(!page.contains("--bin"), "there is nothing to run in {page}");
}

#[test]
fn an_edit_after_a_pass_is_noticed() {
    let checkout = Checkout::new();
    checkout.run(&[]).ok();
    checkout.write(GAUGE, DONE);
    pass(&checkout);
    let overview = checkout.run(&[]).ok();
    assert!(overview.contains("▪▫          1 of 2"), "{overview}");
    assert!(overview.contains("tide_gauge           ok  (1 of 1 check, just now)"), "{overview}");
    checkout.write(GAUGE, "fn main() { }\n");
    let overview = checkout.run(&[]).ok();
    assert!(overview.contains("0 of 2") && overview.contains("ok, changed since"), "{overview}");
}

/// One level more each time, then all of them; the way to the solution only for whoever has passed.
#[test]
fn hints_come_one_by_one() {
    let checkout = Checkout::new();
    let hint = || checkout.run(&["hint", "tide_gauge"]).ok();
    assert!(hint().starts_with("hint 1 of 3: A nudge\n\nWho speaks first?\n\none more: cargo run hint tide_gauge"));
    assert!(hint().starts_with("hint 2 of 3: The call\n\nSee `write_all`."));
    assert!(
        hint().starts_with("hint 3 of 3: An outline\n\n    stream.write_all(&height)?;\n\nThat was the last hint.")
    );
    let again = hint();
    assert!(again.starts_with("There is no further hint."), "{again}");
    assert!((1..=3).all(|n| again.contains(&format!("hint {n} of 3"))) && !again.contains("solutions"), "{again}");
    assert!(checkout.run(&["solution", "tide_gauge"]).error().contains("has not passed yet"));
    checkout.write(GAUGE, DONE);
    pass(&checkout);
    assert!(hint().contains("for comparison: tests/solutions/ch03/tide_gauge.rs"));
    assert!(checkout.run(&["solution", "tide_gauge"]).ok().contains("println!(\"4\");"));
}

/// The stub is back, the work is kept – twice in the same second, too – and an untouched stub leaves no backup.
#[test]
fn reset_loses_nothing() {
    let checkout = Checkout::new();
    let stub = checkout.read(GAUGE);
    assert!(!checkout.run(&["reset", "tide_gauge"]).ok().contains("kept"));
    let mut texts = vec![b"fn main() {}\n".to_vec(), b"not UTF-8: \xff".to_vec()];
    for text in &texts {
        fs::write(checkout.path(GAUGE), text).expect("write");
        let said = checkout.run(&["reset", "tide_gauge"]).ok();
        assert!(said.contains("kept in target/netkata/backup/tide_gauge-"), "{said}");
        assert_eq!(checkout.read(GAUGE), stub);
    }
    let backups = fs::read_dir(checkout.path("target/netkata/backup")).expect("backups");
    let mut kept: Vec<Vec<u8>> = backups.map(|b| fs::read(b.expect("entry").path()).expect("backup")).collect();
    texts.sort();
    kept.sort();
    assert_eq!(kept, texts);
    fs::remove_file(checkout.path(GAUGE)).expect("remove");
    assert!(checkout.run(&["next"]).ok().contains("cargo run reset tide_gauge"));
    checkout.run(&["reset", "tide_gauge"]).ok();
    assert_eq!(checkout.read(GAUGE), stub);
}

#[test]
fn a_damaged_progress_file_is_named_and_kept() {
    let checkout = Checkout::new();
    checkout.write(".netkata.json", "{\"version\": 1, \"hints\":");
    for args in [&[][..], &["next"], &["hint", "tide_gauge"], &["report", "--last"]] {
        let error = checkout.run(args).error();
        assert!(error.contains(".netkata.json is damaged") && error.contains("mv "), "{error}");
    }
    assert_eq!(checkout.read(".netkata.json"), "{\"version\": 1, \"hints\":");
}

#[test]
fn slips_get_a_suggestion() {
    let checkout = Checkout::new();
    for (args, part) in [
        (["hint", "tide_guage"], "did you mean tide_gauge?"),
        (["reset", "ebb-bytes"], "did you mean ebb_bytes?"),
        (["hint", "lighthouse"], "`cargo run list` shows them all"),
        (["reset", "tide_server"], "cargo run --bin tide_server"),
        (["grade", "tide_sever"], "did you mean tide_server?"),
        (["watch", "ebb"], "no exercise is called \"ebb\""),
    ] {
        let error = checkout.run(&args).error();
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(checkout.run(&["sail"]).code, Some(2));
}

/// Each way to name a thing, as the grader's filter; its exit status is passed on.
#[test]
fn grade_calls_the_grader() {
    let checkout = Checkout::new();
    for (what, filter) in [
        ("tide_gauge", " -- ch03::tide_gauge"),
        ("tide_server", " -- ch03::tide_server"),
        ("3", " -- ch03::"),
        ("speaks_first", " -- speaks_first"),
    ] {
        let out = checkout.run(&["grade", what]).ok();
        assert!(out.ends_with(&format!("called: test --test grade{filter}\n")), "{out}");
    }
    let failed = ran(checkout.command(&["grade"]).env("CARGO_ENDS", "101"));
    assert_eq!(failed.code, Some(101));
    assert!(failed.out.ends_with("called: test --test grade\n"), "{}", failed.out);
    let missing = ran(checkout.command(&["grade"]).env("CARGO", checkout.path("no-cargo"))).error();
    assert_eq!(missing, "start cargo: no such file or directory");
}

fn pass(checkout: &Checkout) {
    let checks = vec![Check::ok("speaks_first", Duration::from_millis(12))];
    checkout.record("ch03::tide_gauge", Verdict::new(&checkout.read(GAUGE), 1, checks));
}
