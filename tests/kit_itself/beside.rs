//! A further process beside the subject: its arguments, its end, and a step that it reaches.

use netkata_kit::prelude::*;
use netkata_kit::subject::Launch;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

fn shell(script: &str) -> Scene {
    let command = ["sh", "-c", script, "sh"].map(String::from).to_vec();
    Scene::new(&Launch { name: "sh".into(), command, identity: None }, &[], 7)
}

/// Any octets are an argument, and nothing is one, too.
#[test]
fn arguments_arrive_as_they_are() {
    let mut scene = shell("printf '%s|' \"$@\" | od -An -tx1 -v; exit 3");
    let arguments: [&[u8]; 3] = [b"\xff", b"", b"a\n"];
    let mut beside = scene.beside(&arguments.map(OsStr::from_bytes)).unwrap();
    beside.expect_exit(3).unwrap();
    assert!(beside.has_ended().unwrap());
    assert_eq!(beside.line().unwrap().trim(), "ff 7c 7c 61 0a 7c");
    assert_eq!((beside.output().as_str(), beside.errors().as_str()), ("", ""));
    let failure = beside.expect_exit(0).unwrap_err();
    assert_eq!((failure.expected_words(), failure.got.as_str()), ("exit status 0", "exit status 3"));
}

/// What goes wrong with it comes of the step that it has reached, also when the scene ends.
#[test]
fn a_step_to_do_is_found() {
    let mut scene = shell("echo 'not yet implemented: step 4: answer' >&2; exit 101");
    let mut beside = scene.beside(&[""; 0]).unwrap();
    let failure = beside.expect_exit(0).unwrap_err();
    scene.run_with(&[]).unwrap();
    let (outcome, _) = scene.finish(Err(failure));
    assert_eq!(outcome.unwrap_err().todo, Some((4, "answer".to_string())));
}
