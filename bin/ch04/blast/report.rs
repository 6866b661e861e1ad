//! The results for people.

use crate::chart;
use netkata::human::{self, count, thousands};
use netkata::load::sea::Id;
use netkata::load::tally::{Tally, Wrong};
use netkata::load::{Kind, Plan, Report};
use std::fmt::Write;
use std::time::Duration;

/// The label's column.
const LABEL: usize = 12;

struct Text(String);

impl Text {
    fn line(&mut self, label: &str, text: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{label:<LABEL$} {text}");
    }

    /// Nothing is said of what did not happen.
    fn counted(&mut self, label: &str, times: u64, text: impl std::fmt::Display) {
        if times > 0 {
            self.line(label, format_args!("{} {text}", thousands(times as usize)));
        }
    }
}

pub(crate) fn text(plan: &Plan, report: &Report) -> String {
    let tally = &report.tally;
    let seconds = report.elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
    let mut out = Text(String::new());
    let connections = count(plan.connections, "connection");
    out.line("target", format_args!("{}, {connections} × {}, {}", plan.target, count(plan.size, "octet"), plan.kind));
    let interrupted = if report.interrupted { ", then interrupted" } else { "" };
    out.line("time", format_args!("{}{interrupted}", rounded(report.elapsed)));
    let rate = thousands((tally.answered as f64 / seconds).round() as usize);
    let what = if plan.kind == Kind::OneWay { "messages taken" } else { "right answers" };
    out.line("requests", format_args!("{} {what}, {rate} a second", thousands(tally.answered as usize)));
    let ways = if plan.kind == Kind::OneWay { "" } else { " each way" };
    out.line("throughput", format_args!("{}{ways}", bits(tally.answered as f64 * plan.size as f64 * 8.0 / seconds)));
    if !report.latencies.is_empty() {
        out.line("latency", latency(report));
    }
    failures(&mut out, plan, report);
    if !report.latencies.is_empty() {
        let _ = write!(out.0, "\n{}", chart::bars(&report.latencies));
    }
    out.0
}

fn failures(out: &mut Text, plan: &Plan, report: &Report) {
    let tally = &report.tally;
    out.counted("wrong", tally.wrong, format_args!("of the answers; {}", first(tally)));
    out.counted("crossed", tally.crossed, "of the wrong answers are right ones to other requests");
    out.counted("timed out", tally.timeouts, format_args!("without an answer within {}", rounded(plan.timeout)));
    out.counted("lost", tally.lost, format_args!("datagrams without an answer within {}", rounded(plan.timeout)));
    out.counted("late", tally.late, "answers to datagrams that had been given up");
    out.counted("repeated", tally.repeated, "answers that had come before");
    out.counted("foreign", tally.foreign, "datagrams from other addresses");
    for (kind, times) in &tally.errors {
        out.counted("failed", *times, format_args!("× {kind}"));
    }
    if let (failed @ 1.., Some(e)) = &report.not_connected {
        out.counted("at first", *failed as u64, format_args!("of {} did not connect: {e}", plan.connections));
    }
    out.counted("unsent", report.unsent, "requests were due while no connection was free");
    out.counted("unfinished", tally.unfinished, "on their way at the end");
}

/// Where the first wrong answer differs.
fn first(tally: &Tally) -> String {
    let Some(Wrong { id, offset, expected, got, answers, .. }) = &tally.first_wrong else { return String::new() };
    let octet = |o: &Option<u8>| o.map_or("the end".to_string(), |o| format!("{o:02x}"));
    let place = |id: &Id| format!("connection {}, request {}", id.connection, id.number);
    let owner = answers.map_or(String::new(), |owner| format!(": it answers {}", place(&owner)));
    format!("the first, {}, offset {offset}: expected {}, got {}{owner}", place(id), octet(expected), octet(got))
}

fn latency(report: &Report) -> String {
    let quantile = |q| rounded(Duration::from_nanos(report.latencies.value_at_quantile(q)));
    let (max, mean) = (report.latencies.max(), report.latencies.mean() as u64);
    format!(
        "p50 {}, p99 {}, p99.9 {}, max {}, mean {}",
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
        rounded(Duration::from_nanos(max)),
        rounded(Duration::from_nanos(mean))
    )
}

/// Three digits that count.
pub(crate) fn rounded(d: Duration) -> String {
    let digits = d.as_nanos().checked_ilog10().unwrap_or(0);
    human::duration(human::round_to(d, Duration::from_nanos(10_u64.pow(digits.saturating_sub(2)))))
}

/// Decimal, as the speed of links is given.
fn bits(rate: f64) -> String {
    let (unit, name) = match rate {
        1e9.. => (1e9, "Gbit/s"),
        1e6.. => (1e6, "Mbit/s"),
        1e3.. => (1e3, "kbit/s"),
        _ => (1.0, "bit/s"),
    };
    format!("{:.3} {name}", rate / unit)
}

/// What happened to the requests, when none was answered.
pub(crate) fn why_not(plan: &Plan, tally: &Tally) -> String {
    let (most, times) = tally.errors.iter().max_by_key(|(_, times)| **times).map_or(("", 0), |(k, t)| (k.as_str(), *t));
    let unanswered = tally.timeouts + tally.lost;
    match (times, unanswered, tally.unfinished) {
        (1.., ..) if times >= unanswered => format!("{} × {most}", thousands(times as usize)),
        (_, 1.., _) => format!("{} timed out after {}", thousands(unanswered as usize), rounded(plan.timeout)),
        (.., 1..) => format!("{} on their way at the end", thousands(tally.unfinished as usize)),
        _ => "none was sent".into(),
    }
}
