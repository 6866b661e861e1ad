//! Patience: an expectation is given the time that the machine took away, and no more.

use super::*;
use netkata_kit::patience::{RunQueue, Wait, Waits, extension};
use std::sync::atomic::{AtomicU64, Ordering};

/// A machine whose only thread waits for its processor all the time, from the first look on.
fn always_busy() -> RunQueue {
    let start = Instant::now();
    RunQueue::told_by(move || Waits::from([("the subject's".into(), start.elapsed())]))
}

/// One that never lets anybody wait.
fn idle() -> RunQueue {
    RunQueue::told_by(|| Waits::from([("the subject's".into(), ms(7))]))
}

/// Waits to the end of patience, and says how long that was.
fn in_vain(mut wait: Wait) -> Duration {
    let start = Instant::now();
    while let Some(left) = wait.left() {
        thread::sleep(left);
    }
    start.elapsed()
}

/// What was lost is given back: never more than has passed, four times the limit, or eight seconds.
#[test]
fn lost_time_is_given_back() {
    let second = Duration::from_secs(1);
    assert_eq!(extension(2 * second, 2 * second, ms(0)), ms(0));
    assert_eq!(extension(2 * second, 2 * second, ms(700)), ms(700));
    assert_eq!(extension(2 * second, 2 * second, 5 * second), 2 * second, "two threads waited at the same time");
    assert_eq!(extension(second, 9 * second, 9 * second), 4 * second);
    assert_eq!(extension(30 * second, 60 * second, 60 * second), 8 * second);
}

/// On a machine with time for everybody, and where nobody tells, a wait takes what it is limited to.
#[test]
fn an_idle_machine_gives_the_limit() {
    for queue in [idle(), RunQueue::told_by(Waits::new)] {
        assert!(in_vain(Wait::new(ms(50), &queue)) >= ms(50));
    }
    let asked = std::sync::Arc::new(AtomicU64::new(0));
    let counted = asked.clone();
    let queue = RunQueue::told_by(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Waits::new()
    });
    let mut wait = Wait::new(Duration::from_secs(60), &queue);
    assert!(wait.until().is_some());
    assert_eq!(asked.load(Ordering::Relaxed), 0, "what comes soon is not measured");
}

/// On a machine that is busy all the time, a wait goes on, up to five times its limit.
#[test]
fn a_busy_machine_gives_more() {
    let took = in_vain(Wait::new(ms(40), &always_busy()));
    assert!(took >= ms(200), "{took:?}");
}

/// A silence is as long as it was asked for, however busy the machine is: it never asks.
#[test]
fn a_silence_is_not_extended() {
    let queue = RunQueue::told_by(|| panic!("a silence looks at the clock alone"));
    let (talk, _theirs, _) = tcp();
    let mut talk = talk.queueing_at(&queue);
    talk.within(ms(0)).expect_silence(ms(40)).unwrap();
    talk.expect_no_more(ms(40)).unwrap();
}

/// That the check itself had to queue counts where the check has work to do, and not where it only looks now and then.
#[test]
fn our_own_queueing_counts_for_our_own_work() {
    let ours = || {
        let start = Instant::now();
        RunQueue::told_by(move || Waits::from([("/proc/thread-self".into(), start.elapsed())]))
    };
    let took = in_vain(Wait::new(ms(40), &ours()).with_our_own_work());
    assert!(took >= ms(200), "{took:?}");
    let mut wait = Wait::new(ms(400), &ours());
    thread::sleep(ms(40));
    while let Some(left) = wait.left() {
        thread::sleep(left.min(ms(1)));
    }
    assert!(wait.extended() < ms(200), "{:?}", wait.extended());
}

/// An answer that comes after the limit is in time when the machine was busy.
#[test]
fn a_late_answer_of_a_busy_machine_is_in_time() {
    let (talk, mut theirs, _) = tcp();
    let mut talk = talk.queueing_at(&always_busy());
    let late = thread::spawn(move || {
        thread::sleep(ms(150));
        theirs.write_all(b"Alma").unwrap();
        theirs
    });
    talk.within(ms(100)).expect(b"Alma").unwrap();
    late.join().unwrap();
}

/// Where the machine had time, it is too late.
#[test]
fn a_late_answer_of_an_idle_machine_is_too_late() {
    let (talk, _theirs, _) = tcp();
    let mut talk = talk.queueing_at(&idle());
    let failure = talk.within(ms(40)).expect(b"Alma").unwrap_err();
    assert!(failure.got.contains("nothing for 40ms"), "{failure}");
}

/// Linux tells of the subject's threads and of our own.
#[test]
#[cfg(target_os = "linux")]
fn the_kernel_tells() {
    let mut child = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    let queue = RunQueue::of(pid);
    let told = queue.waits();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(told.keys().any(|thread| thread.contains(&pid.to_string())), "{told:?}");
    assert!(told.keys().any(|thread| thread.contains("thread-self")), "{told:?}");
}
