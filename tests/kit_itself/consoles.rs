//! Pipes and terminals: what a subject sees of them, and what we see of the subject.

use netkata_kit::console::has_sessions;
use netkata_kit::prelude::*;
use netkata_kit::subject::Launch;

/// Which of its streams are a terminal.
const LOOK: &str = "for n in 0 1 2; do test -t $n && printf $n; done; echo .";

fn shell(script: &str) -> Scene {
    Scene::new(
        &Launch { name: "sh".into(), command: vec!["sh".into(), "-c".into(), script.into()], identity: None },
        &[],
        7,
    )
}

#[test]
fn each_console_is_what_it_says() {
    for (arrange, terminals) in
        [((|_| {}) as fn(&mut Scene), "."), (Scene::at_a_terminal, "012."), (Scene::at_a_terminal_with_a_pipe, "02.")]
    {
        let mut s = shell(LOOK);
        arrange(&mut s);
        s.run(&[]).unwrap();
        s.expect_line(terminals).unwrap();
        s.expect_output_end().unwrap();
        s.expect_exit(0, Duration::from_secs(5)).unwrap();
    }
}

/// A terminal carries lines both ways, keeps the two outputs apart, does not echo, and ends the input with Ctrl-D.
#[test]
fn a_terminal_is_talked_to() {
    let mut s =
        shell("while printf '>> ' && read ship; do echo \"ahoy $ship\"; echo \"$ship seen\" >&2; done; echo bye");
    s.at_a_terminal();
    s.run(&[]).unwrap();
    for ship in ["Alma", "Bruna"] {
        s.expect_output(">> ").unwrap();
        s.type_line(ship).unwrap();
        s.expect_line(&format!("ahoy {ship}")).unwrap();
        assert_eq!(s.error_line().unwrap(), format!("{ship} seen"));
    }
    s.expect_output(">> ").unwrap();
    s.end_input().unwrap();
    s.expect_line("bye").unwrap();
    s.expect_exit(0, Duration::from_secs(5)).unwrap();
}

/// A typed Ctrl-C is a SIGINT; into a pipe it would be an octet.
#[test]
fn ctrl_c_is_a_signal_at_a_terminal() {
    if !has_sessions() {
        return;
    }
    let mut s = shell("trap 'echo caught; exit 3' INT; echo ready; read ship; echo read");
    s.at_a_terminal();
    s.run(&[]).unwrap();
    s.expect_line("ready").unwrap();
    s.press_ctrl('c').unwrap();
    s.expect_line("caught").unwrap();
    s.expect_exit(3, Duration::from_secs(5)).unwrap();

    let mut s = shell("read ship; echo read");
    s.run(&[]).unwrap();
    assert!(s.press_ctrl('c').is_err());
    s.end_input().unwrap();
    s.expect_exit(0, Duration::from_secs(5)).unwrap();
}

/// A program that fills a pipe nobody reads stands still, and goes on when somebody does.
#[test]
fn a_stalled_output_holds_the_program_up() {
    const WAITS: &str = "echo 'Alma waits at the buoy, and waits, and waits'";
    let mut s = shell(&format!("i=0; while test $i -lt 4000; do {WAITS}; i=$((i+1)); done; echo done >&2"));
    s.stall_output();
    s.run(&[]).unwrap();
    assert!(s.wait_until_still(Duration::from_secs(5)).unwrap());
    assert_eq!(s.subject().unwrap().stderr.all(), "");
    s.resume_output();
    s.expect_error("done").unwrap();
    s.expect_exit(0, Duration::from_secs(5)).unwrap();
}

/// A stalled program that ends, or is ended, is no trap.
#[test]
fn a_stalled_program_may_end() {
    let mut s = shell("echo last words");
    s.stall_output();
    s.run(&[]).unwrap();
    s.expect_exit(0, Duration::from_secs(5)).unwrap();
    s.expect_line("last words").unwrap();

    let mut s = shell("while :; do echo Alma; done");
    s.stall_output();
    s.run(&[]).unwrap();
}

/// Who reads has gone: the first write is an error, which ends a program that does not look (SIGPIPE).
#[test]
fn a_closed_output_is_noticed() {
    for when in [|s: &mut Scene| s.close_output(), |_: &mut Scene| {}] {
        let mut s = shell("trap '' PIPE; read word; echo one; test $? = 0 || exit 9; exit 0");
        when(&mut s);
        s.run(&[]).unwrap();
        s.close_output();
        s.type_line("go").unwrap();
        s.expect_exit(9, Duration::from_secs(5)).unwrap();
    }
}

/// Typing into a pipe that nobody reads is no trap either.
#[test]
fn typing_has_an_end() {
    let mut s = shell("read first; exit 0");
    s.run(&[]).unwrap();
    assert!(s.type_octets(&[b'\n'; 1 << 20]).is_err());
    s.expect_exit(0, Duration::from_secs(5)).unwrap();
}
