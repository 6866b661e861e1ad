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

/// Whoever else runs takes the processor from servers and clients alike, but not evenly.
pub(crate) fn busy_machine() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split_whitespace().next().and_then(|l| l.parse().ok()).unwrap_or(0.0);
    if load > 1.0 {
        println!("other programs are running (load average {load}): trust the ratios little, the rates less");
    }
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
    let named = |name: &str| rows.iter().find(|r| r.name == name);
    let asked = match workload {
        Workload::Short { .. } => {
            let others = rows.iter().filter(|r| r.name != OURS);
            vec![(others.max_by(|a, b| median(&a.rates).total_cmp(&median(&b.rates))), 0.9)]
        }
        Workload::PingPong { connections: 50, size: 64 } => vec![(named(C_THREADS), 1.0), (named(C_EPOLL), 0.75)],
        Workload::PingPong { .. } => vec![(named(C_THREADS), 1.0)],
    };
    let judge = |(of, least): (Option<&Row>, f64)| {
        let of = of?;
        let reached = ratio(ours, of);
        let verdict = if reached >= least { "met   " } else { "MISSED" };
        Some(format!("{verdict}  {workload}: {reached:.2} of {}, goal {least}", of.name))
    };
    asked.into_iter().filter_map(judge).collect()
}
