//! Medians, spread, ratios, and whether the goals are met.

use crate::load::Workload;
use crate::peers::{C_EPOLL, C_THREADS, ECHO_SERVER, OURS};
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

fn named<'a>(rows: &'a [Row], name: &str) -> Option<&'a Row> {
    rows.iter().find(|r| r.name == name)
}

pub(crate) fn table(workload: &Workload, rows: &[Row]) {
    let [first, second] = OURS.map(|name| format!("{name} is"));
    println!("\n{:<28} {:>12} {:>8} {first:>18} {second:>18}", workload.to_string(), "a second", "spread");
    for row in rows {
        let rate = human::thousands(median(&row.rates) as usize);
        let [first, second] = OURS.map(|name| match named(rows, name) {
            Some(ours) if name != row.name => format!("{:.2} of it", ratio(ours, row)),
            _ => String::new(),
        });
        println!("{:<28} {rate:>12} {:>7.0}% {first:>18} {second:>18}", row.name, spread(&row.rates) * 100.0);
    }
}

/// What is asked of our servers in this workload, and what they reached.
pub(crate) fn goals(workload: &Workload, rows: &[Row]) -> Vec<String> {
    OURS.iter().filter_map(|name| named(rows, name)).flat_map(|ours| goals_of(ours, workload, rows)).collect()
}

fn goals_of(ours: &Row, workload: &Workload, rows: &[Row]) -> Vec<String> {
    let (threads, epoll) = (named(rows, C_THREADS), named(rows, C_EPOLL));
    let best = || {
        let others = rows.iter().filter(|r| !OURS.contains(&r.name));
        others.max_by(|a, b| median(&a.rates).total_cmp(&median(&b.rates)))
    };
    let asked = match workload {
        // It starts a thread for each, in the open: measure it by one that does the same.
        Workload::Short { .. } if ours.name == ECHO_SERVER => vec![(threads, 0.9)],
        Workload::Short { .. } => vec![(best(), 0.9)],
        Workload::PingPong { connections: 50, size: 64 } => vec![(threads, 1.0), (epoll, 0.75)],
        Workload::PingPong { .. } => vec![(threads, 1.0)],
    };
    let judge = |(of, least): (Option<&Row>, f64)| {
        let of = of?;
        let reached = ratio(ours, of);
        let verdict = if reached >= least { "met   " } else { "MISSED" };
        Some(format!("{verdict}  {workload}: {} is {reached:.2} of {}, goal {least}", ours.name, of.name))
    };
    asked.into_iter().filter_map(judge).collect()
}
