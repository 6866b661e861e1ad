//! The tables of the relays, and whether the goals are met.

use crate::common::report::{Row, best, judge, named, ratio};
use crate::peers::{EVENT_LOOPS, PROXY, THEIRS, WIRETAP};
use crate::workload::Workload;
use netkata::human;

pub(crate) fn table(workload: &Workload, rows: &[Row]) {
    let unit = if matches!(workload, Workload::Stream) { "Gbit/s" } else { "a second" };
    println!("\n{:<22} {unit:>12} {:>8} {:>18} {:>18}", workload.to_string(), "spread", "of direct", "proxy is");
    let (direct, proxy) = (rows.first(), named(rows, PROXY));
    for row in rows {
        let rate = match workload {
            Workload::Stream => format!("{:.1}", row.median() * 8.0 / 1e9),
            Workload::PingPong { .. } => human::thousands(row.median() as usize),
        };
        let of_direct = direct.map_or(String::new(), |direct| format!("{:.2}", ratio(row, direct)));
        let ours = match proxy {
            Some(proxy) if row.name != PROXY => format!("{:.2} of it", ratio(proxy, row)),
            _ => String::new(),
        };
        println!("{:<22} {rate:>12} {:>7.0}% {of_direct:>18} {ours:>18}", row.name, row.spread() * 100.0);
    }
}

/// What is asked of our relays in this workload, and what they reached.
pub(crate) fn goals(workload: &Workload, rows: &[Row]) -> Vec<String> {
    let Some(proxy) = named(rows, PROXY) else { return Vec::new() };
    let (theirs, event_loop) =
        (best(rows, |r| THEIRS.contains(&r.name)), best(rows, |r| EVENT_LOOPS.contains(&r.name)));
    let asked = match workload {
        Workload::Stream => theirs.map(|best| (best, 1.0)),
        Workload::PingPong { connections: 50, .. } => event_loop.map(|best| (best, 0.8)),
        Workload::PingPong { .. } => None,
    };
    let name = workload.to_string();
    let tap = named(rows, WIRETAP).map(|tap| judge(&name, tap, proxy, 0.8));
    asked.map(|(of, least)| judge(&name, proxy, of, least)).into_iter().chain(tap).collect()
}
