//! Clients and programs of other users. Without root they are skipped, and say so: that is tried, then.

use crate::subjects::scene;
use netkata::sys::identity::is_ours_to_change;
use netkata_kit::check::Program;
use netkata_kit::prelude::*;
use netkata_kit::program::{self, Stage, Verdict};
use netkata_kit::subject::Launch;

/// A client is who it is said to be, in all its groups; the grader itself stays who it is.
#[test]
#[cfg(target_os = "linux")]
fn a_client_is_somebody_else() {
    let mut scene = scene("mirror");
    let many: Vec<u32> = (0..40).map(|i| 61_000 + i).collect();
    for groups in [vec![], many] {
        let who = scene.stranger().with_groups(groups);
        let path = scene.socket_path().unwrap();
        scene.start_on(&path).unwrap();
        // Not everybody's, else.
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        match scene.connect_as(&who) {
            Ok(mut talk) => {
                talk.expect(format!("{} {} {:?}\n", who.uid, who.gid, who.groups).as_bytes()).unwrap();
            }
            Err(failure) => {
                assert!(failure.lacking.is_some_and(|why| why.contains("needs root")) && !is_ours_to_change());
                continue;
            }
        }
        let mut talk = scene.connect().unwrap();
        talk.expect(format!("{} ", nix::unistd::geteuid()).as_bytes()).unwrap();
        talk.leave();
    }
}

/// A socket file that is its owner's alone.
#[test]
#[cfg(target_os = "linux")]
fn a_client_without_permission() {
    let mut scene = scene("mirror");
    let path = scene.socket_path().unwrap();
    scene.start_on(&path).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let who = scene.stranger();
    match scene.expect_no_permission_for(&who) {
        Err(failure) => assert!(failure.lacking.is_some() && !is_ours_to_change(), "{failure}"),
        Ok(()) => assert!(is_ours_to_change()),
    }
}

/// The program is started by that user, although its own file may be closed to others.
#[test]
fn a_subject_of_another_user() {
    let mut scene = scene("mirror");
    let who = scene.stranger().with_groups([61_001]);
    match scene.run_subject_as(&who) {
        Err(failure) => assert!(failure.lacking.is_some() && !is_ours_to_change(), "{failure}"),
        Ok(()) => {
            let path = scene.socket_path().unwrap();
            scene.run_with(&[&path]).unwrap();
            scene.expect_exit(101, Duration::from_secs(5)).unwrap();
            // The scene's folder is root's.
            scene.expect_error("no file may be made in").unwrap();
        }
    }
}

fn verdict_of(program: &Program) -> Verdict {
    let launch = Launch::command("sh", "sh -c 'exit 0'").unwrap();
    let stage = Stage { launch, seed: 7, subject: None, style: Default::default(), captures: None };
    program::run(program, &program.checks[0], &stage)
}

/// A check that needs root is run as root, and skipped by others. One that finds something lacking is skipped by all.
#[test]
fn what_cannot_be_run_is_skipped() {
    let as_root = Program::finished(7, "harbour").check("a", "a rule", |_| Ok(())).as_root();
    match verdict_of(&as_root) {
        Verdict::Ok => assert!(is_ours_to_change()),
        Verdict::Skipped(why) => assert!(why.starts_with("needs root") && !is_ours_to_change()),
        other => panic!("{other:?}"),
    }
    let lacking =
        Program::finished(7, "harbour").check("b", "a rule", |_| Err(Failure::skipped("needs a second tide")));
    assert!(matches!(verdict_of(&lacking), Verdict::Skipped(why) if why == "needs a second tide"));
}
