//! Medians, spread, ratios, and whether the goals are met.

use crate::load::Workload;
use crate::peers::{C_EPOLL, C_THREADS, OURS};
use netkata::human;

pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// One a round.
    pub(crate) rates: Vec<f64>,
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// From the slowest round to the fastest, in parts of the median.
fn spread(values: &[f64]) -> f64 {
    let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
    (high - low) / median(values)
}

/// The median of the rounds' ratios: what disturbed a round disturbed both servers.
fn ratio(ours: &Row, theirs: &Row) -> f64 {
    let ratios: Vec<f64> = ours.rates.iter().zip(&theirs.rates).map(|(a, b)| a / b).collect();
    median(&ratios)
}

fn ours(rows: &[Row]) -> Option<&Row> {
    rows.iter().find(|r| r.name == OURS)
}

pub(crate) fn table(workload: &Workload, rows: &[Row]) {
    println!("\n{:<28} {:>12} {:>8} {:>24}", workload.to_string(), "a second", "spread", "echo_server is");
    for row in rows {
        let rate = human::thousands(median(&row.rates) as usize);
        let compared = match ours(rows) {
            Some(ours) if ours.name != row.name => format!("{:.2} of it", ratio(ours, row)),
            _ => String::new(),
        };
        println!("{:<28} {rate:>12} {:>7.0}% {compared:>24}", row.name, spread(&row.rates) * 100.0);
    }
}

/// What is asked of `echo_server` in this workload, and what it reached.
pub(crate) fn goals(workload: &Workload, rows: &[Row]) -> Vec<String> {
    let Some(ours) = ours(rows) else { return Vec::new() };
    let mut goals = Vec::new();
    let mut goal = |of: &Row, least: f64| {
        let reached = ratio(ours, of);
        let verdict = if reached >= least { "met   " } else { "MISSED" };
        goals.push(format!("{verdict}  {workload}: {reached:.2} of {}, goal {least}", of.name));
    };
    let named = |name: &str| rows.iter().find(|r| r.name == name);
    match workload {
        Workload::Short { .. } => {
            let others = rows.iter().filter(|r| r.name != OURS);
            others.max_by(|a, b| median(&a.rates).total_cmp(&median(&b.rates))).map(|best| goal(best, 0.9));
        }
        Workload::PingPong { connections, size } => {
            named(C_THREADS).map(|row| goal(row, 1.0));
            if (*connections, *size) == (50, 64) {
                named(C_EPOLL).map(|row| goal(row, 0.75));
            }
        }
    }
    goals
}
