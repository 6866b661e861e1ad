//! `cargo run report`, read back by parsers.

use crate::fixture::{Checkout, Ran, ran};
use crate::{DONE, GAUGE};
use netkata::course::state::{Check, Verdict};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::time::Duration;

/// Everything that a message may hold and XML may not.
const NASTY: &str = "expected <4 octets> & \"silence\"\ngot \u{1b}[31m\u{0}\u{7}]]>\u{fffe}\u{1b}[0m";

fn one_failed() -> Checkout {
    let checkout = Checkout::new();
    checkout.write(GAUGE, DONE);
    let checks = vec![
        Check::ok("speaks_first", Duration::from_millis(1_012)),
        Check::failed("closes", Duration::from_millis(30), NASTY),
    ];
    checkout.record("ch03::tide_gauge", Verdict::new(DONE, 2, checks));
    checkout
}

fn report(checkout: &Checkout, format: &str) -> Ran {
    checkout.run(&["report", "--last", "--format", format])
}

/// The value of an attribute, or of nothing.
fn attribute(element: &BytesStart, name: &str) -> String {
    let found = element.try_get_attribute(name).expect("attributes");
    found.map_or(String::new(), |a| a.normalized_value(quick_xml::XmlVersion::Explicit1_0).expect("value").into_owned())
}

#[test]
fn junit_is_xml_with_a_suite_for_each_exercise() {
    let xml = report(&one_failed(), "junit").ok();
    let mut reader = Reader::from_str(&xml);
    let mut seen = Vec::new();
    let mut text = String::new();
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Start(e) | Event::Empty(e) => {
                let tag = e.name().as_ref().to_string();
                seen.push(match tag.as_str() {
                    "testsuites" | "testsuite" => ["tests", "failures", "skipped"]
                        .iter()
                        .fold(format!("{tag} {}", attribute(&e, "name")), |s, a| s + " " + &attribute(&e, a)),
                    "testcase" => {
                        ["name", "time"].iter().fold(attribute(&e, "classname"), |s, a| s + " " + &attribute(&e, a))
                    }
                    _ => format!("{tag}: {}", attribute(&e, "message")),
                });
            }
            Event::Text(t) => text += &t,
            Event::GeneralRef(r) => text += &format!("&{};", &*r),
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(
        seen,
        [
            "testsuites netkata 3 1 ",
            "testsuite ch03::tide_gauge 2 1 0",
            "ch03.tide_gauge speaks_first 1.012",
            "ch03.tide_gauge closes 0.030",
            "failure: expected <4 octets> & \"silence\"",
            "testsuite ch03::ebb_bytes 1 0 1",
            "ch03.ebb_bytes started 0.000",
            "skipped: not started: line 2: fill in 2 octets",
        ]
    );
    assert!(text.contains("got \u{fffd}\u{fffd}]]&gt;\u{fffd}"), "{text}");
}

#[test]
fn gradescope_is_json_with_a_point_for_each_exercise() {
    let json = report(&one_failed(), "gradescope").ok();
    let results: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(results["output"], "0 of 2 exercises pass");
    assert_eq!(results["execution_time"], 2);
    let gauge = &results["tests"][0];
    assert_eq!(gauge["name"], "ch03::tide_gauge: Tells how high the tide stands.");
    assert_eq!(
        (&gauge["number"], &gauge["status"], &gauge["visibility"]),
        (&"3.1".into(), &"failed".into(), &"visible".into())
    );
    assert_eq!((gauge["score"].as_f64(), gauge["max_score"].as_f64()), (Some(0.5), Some(1.0)));
    let output = gauge["output"].as_str().expect("text");
    assert!(output.contains("ok       speaks_first") && output.contains("FAILED   closes"), "{output}");
    assert_eq!(results["tests"][1]["score"].as_f64(), Some(0.0));
}

#[test]
fn text_is_for_people() {
    let text = report(&one_failed(), "text").ok();
    assert!(text.starts_with("0 of 2 exercises pass\n"), "{text}");
    assert!(
        text.contains("ch03::tide_gauge             FAILED  1 of 2 checks\n    closes\n      expected <4"),
        "{text}"
    );
    assert!(text.contains("ch03::ebb_bytes              not started"), "{text}");
}

/// What does not build is an error; what changed since is not counted, passed or not.
#[test]
fn only_the_text_as_it_is_counts() {
    let checkout = Checkout::new();
    checkout.write(GAUGE, DONE);
    checkout.record("ch03::tide_gauge", Verdict::does_not_build(DONE, "expected `;`, found `}`"));
    assert!(report(&checkout, "junit").ok().contains("<error message=\"expected `;`, found `}`\" type=\"check\">"));
    checkout.record("ch03::tide_gauge", Verdict::new(DONE, 1, vec![Check::ok("closes", Duration::ZERO)]));
    assert!(report(&checkout, "text").ok().starts_with("1 of 2"));
    checkout.write(GAUGE, "fn main() { }\n");
    assert!(report(&checkout, "text").ok().starts_with("0 of 2"));
    let junit = report(&checkout, "junit").ok();
    assert!(junit.contains("<skipped message=\"ok, changed since\"/>"), "{junit}");
}

/// Without `--last` the grader runs first. Its words go to standard error, the report alone to the file or the pipe.
#[test]
fn a_report_grades_first() {
    let checkout = one_failed();
    let graded = checkout.path("graded.json");
    let text = checkout.read(".netkata.json");
    let (before, after) = text.split_once("\"when\": ").expect("when");
    let after = after.split_once(',').expect("comma").1;
    std::fs::write(&graded, format!("{before}\"when\": 4102444800,{after}")).expect("write");

    let mut command = checkout.command(&["report", "--format", "junit", "--output", "report.xml"]);
    let run = ran(command.env("CARGO_WRITES", &graded).env("CARGO_ENDS", "101"));
    assert!(run.err.contains("called: test --test grade\n"), "{}", run.err);
    assert_eq!(run.ok(), "");
    assert!(checkout.read("report.xml").contains("timestamp=\"2100-01-01T00:00:00\""));

    let broken = Checkout::new();
    let run = ran(broken.command(&["report"]).env("CARGO_ENDS", "101"));
    assert_eq!((run.code, run.out.as_str()), (Some(1), ""));
    assert!(run.err.ends_with("error: the grader did not run: see above\n"), "{}", run.err);
    let nowhere = checkout.run(&["report", "--last", "--output", "no/such/folder.txt"]).error();
    assert_eq!(nowhere, "write no/such/folder.txt: no such file or directory");
}
