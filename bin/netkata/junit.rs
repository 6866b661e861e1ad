//! JUnit's XML, as CI systems read it: a test suite for each exercise, a test case for each check. There is no standard;
//! the elements and attributes here are those that the schemas of Jenkins and of Ant's JUnit task share.

use crate::report::{Case, CaseResult, Suite};
use netkata::course::Result;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use std::io;

type Xml = Writer<Vec<u8>>;

pub(crate) fn write(suites: &[Suite]) -> Result<String> {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    document(&mut xml, suites).map_err(|e| format!("write the report: {e}"))?;
    let mut text = String::from_utf8(xml.into_inner()).map_err(|e| format!("write the report: {e}"))?;
    text.push('\n');
    Ok(text)
}

fn document(xml: &mut Xml, suites: &[Suite]) -> io::Result<()> {
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let all: Vec<&Case> = suites.iter().flat_map(|s| &s.cases).collect();
    let mut root = BytesStart::new("testsuites");
    root.push_attribute(("name", "netkata"));
    counts(&mut root, &all);
    xml.write_event(Event::Start(root))?;
    for suite in suites {
        test_suite(xml, suite)?;
    }
    xml.write_event(Event::End(BytesEnd::new("testsuites")))
}

fn test_suite(xml: &mut Xml, suite: &Suite) -> io::Result<()> {
    let cases: Vec<&Case> = suite.cases.iter().collect();
    let mut start = BytesStart::new("testsuite");
    start.push_attribute(("name", suite.id.as_str()));
    counts(&mut start, &cases);
    start.push_attribute(("skipped", number(&cases, CaseResult::Skipped).as_str()));
    if let Some(when) = suite.when.and_then(timestamp) {
        start.push_attribute(("timestamp", when.as_str()));
    }
    xml.write_event(Event::Start(start))?;
    for case in cases {
        test_case(xml, case, &suite.id.replace("::", "."))?;
    }
    xml.write_event(Event::End(BytesEnd::new("testsuite")))
}

fn test_case(xml: &mut Xml, case: &Case, class: &str) -> io::Result<()> {
    let mut start = BytesStart::new("testcase");
    start.push_attribute(("name", case.name.as_str()));
    start.push_attribute(("classname", class));
    start.push_attribute(("time", seconds(case.millis).as_str()));
    let element = match case.result {
        CaseResult::Passed => return xml.write_event(Event::Empty(start)),
        CaseResult::Failed => "failure",
        CaseResult::Error => "error",
        CaseResult::Skipped => "skipped",
    };
    xml.write_event(Event::Start(start))?;
    let mut why = BytesStart::new(element);
    why.push_attribute(("message", case.message.lines().find(|l| !l.trim().is_empty()).unwrap_or("").trim()));
    if case.result == CaseResult::Skipped {
        xml.write_event(Event::Empty(why))?;
    } else {
        why.push_attribute(("type", "check"));
        xml.write_event(Event::Start(why))?;
        xml.write_event(Event::Text(BytesText::new(&case.message)))?;
        xml.write_event(Event::End(BytesEnd::new(element)))?;
    }
    xml.write_event(Event::End(BytesEnd::new("testcase")))
}

/// The attributes that a suite and the whole have in common.
fn counts(element: &mut BytesStart, cases: &[&Case]) {
    element.push_attribute(("tests", cases.len().to_string().as_str()));
    element.push_attribute(("failures", number(cases, CaseResult::Failed).as_str()));
    element.push_attribute(("errors", number(cases, CaseResult::Error).as_str()));
    element.push_attribute(("time", seconds(cases.iter().map(|c| c.millis).sum()).as_str()));
}

fn number(cases: &[&Case], result: CaseResult) -> String {
    cases.iter().filter(|c| c.result == result).count().to_string()
}

/// `0.012`.
fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// `2026-03-01T12:00:00`, in UTC. The schemas have no place for a zone.
fn timestamp(when: u64) -> Option<String> {
    let when = jiff::Timestamp::from_second(i64::try_from(when).ok()?).ok()?;
    Some(when.strftime("%Y-%m-%dT%H:%M:%S").to_string())
}
