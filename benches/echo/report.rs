//! The tables of the echo servers, and whether the goals are met.

use crate::common::report::{Row, best, judge, named, ratio};
use crate::load::Workload;
use crate::peers::{C_EPOLL, C_THREADS, ECHO_SERVER, OURS};
use netkata::human;

pub(crate) fn table(workload: &Workload, rows: &[Row]) {
    let [first, second] = OURS.map(|name| format!("{name} is"));
    println!("\n{:<28} {:>12} {:>8} {first:>18} {second:>18}", workload.to_string(), "a second", "spread");
    for row in rows {
        let rate = human::thousands(row.median() as usize);
        let [first, second] = OURS.map(|name| match named(rows, name) {
            Some(ours) if name != row.name => format!("{:.2} of it", ratio(ours, row)),
            _ => String::new(),
        });
        println!("{:<28} {rate:>12} {:>7.0}% {first:>18} {second:>18}", row.name, row.spread() * 100.0);
    }
}

/// What is asked of our servers in this workload, and what they reached.
pub(crate) fn goals(workload: &Workload, rows: &[Row]) -> Vec<String> {
    OURS.iter().filter_map(|name| named(rows, name)).flat_map(|ours| goals_of(ours, workload, rows)).collect()
}

fn goals_of(ours: &Row, workload: &Workload, rows: &[Row]) -> Vec<String> {
    let (threads, epoll) = (named(rows, C_THREADS), named(rows, C_EPOLL));
    let fastest = || best(rows, |r| !OURS.contains(&r.name));
    let asked = match workload {
        // It starts a thread for each, in the open: measure it by one that does the same.
        Workload::Short { .. } if ours.name == ECHO_SERVER => vec![(threads, 0.9)],
        Workload::Short { .. } => vec![(fastest(), 0.9)],
        Workload::PingPong { connections: 50, size: 64 } => vec![(threads, 1.0), (epoll, 0.75)],
        Workload::PingPong { .. } => vec![(threads, 1.0)],
    };
    let name = workload.to_string();
    asked.into_iter().filter_map(|(of, least)| Some(judge(&name, ours, of?, least))).collect()
}
