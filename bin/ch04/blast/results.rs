//! The results for programs.

use crate::chart;
use netkata::load::tally::Wrong;
use netkata::load::{Plan, Report};
use serde_json::{Value, json};

/// Times are in microseconds, throughput is in octets a second each way, offsets count from 0.
pub(crate) fn json(plan: &Plan, report: &Report) -> Value {
    let tally = &report.tally;
    let seconds = report.elapsed.as_secs_f64();
    let a_second = |n: f64| if seconds > 0.0 { n / seconds } else { 0.0 };
    json!({
        "target": plan.target.to_string(),
        "mode": plan.kind.to_string(),
        "connections": plan.connections,
        "size": plan.size,
        "seconds": seconds,
        "interrupted": report.interrupted,
        "sent": tally.sent,
        "answered": tally.answered,
        "requests_per_second": a_second(tally.answered as f64),
        "octets_per_second": a_second(tally.answered as f64 * plan.size as f64),
        "latency_us": latency(report),
        "wrong": { "answers": tally.wrong, "crossed": tally.crossed, "first": tally.first_wrong.as_ref().map(wrong) },
        "timeouts": tally.timeouts,
        "lost": tally.lost,
        "late": tally.late,
        "repeated": tally.repeated,
        "foreign": tally.foreign,
        "errors": tally.errors,
        "not_connected": report.not_connected.0,
        "unsent": report.unsent,
        "unfinished": tally.unfinished,
        "histogram": histogram(report),
    })
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}

fn latency(report: &Report) -> Value {
    let all = &report.latencies;
    if all.is_empty() {
        return Value::Null;
    }
    let quantile = |q| micros(all.value_at_quantile(q));
    json!({
        "min": micros(all.min()),
        "p50": quantile(0.5),
        "p99": quantile(0.99),
        "p99_9": quantile(0.999),
        "max": micros(all.max()),
        "mean": all.mean() / 1000.0,
    })
}

fn wrong(first: &Wrong) -> Value {
    json!({
        "connection": first.id.connection,
        "request": first.id.number,
        "offset": first.offset,
        "expected": first.expected,
        "got": first.got,
        "answers": first.answers.map(|id| json!({ "connection": id.connection, "request": id.number })),
    })
}

fn histogram(report: &Report) -> Value {
    let row = |row: &chart::Row| json!({ "from": micros(row.from), "to": micros(row.to), "count": row.count });
    chart::rows(&report.latencies).iter().map(row).collect()
}
