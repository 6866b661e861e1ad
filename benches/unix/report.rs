//! The tables, what a Unix socket gives, and whether the goals are met.

use crate::common::report::{Row, judge, named, ratio, ratio_range};
use crate::load::Workload;
use crate::peers::{C_TCP, C_UNIX, OURS, OURS_TCP};
use netkata::human;

pub(crate) fn table(workload: &Workload, rows: &[Row]) {
    println!("\n{:<28} {:>12} {:>8} {:>28}", workload.to_string(), "a second", "spread", format!("{OURS} is"));
    for row in rows {
        let rate = human::thousands(row.median() as usize);
        let of = match named(rows, OURS) {
            Some(ours) if row.name != OURS => format!("{:.2} of it", ratio(ours, row)),
            _ => String::new(),
        };
        println!("{:<28} {rate:>12} {:>7.0}% {of:>28}", row.name, row.spread() * 100.0);
    }
    for (unix, tcp) in [(OURS, OURS_TCP), (C_UNIX, C_TCP)] {
        if let (Some(unix), Some(tcp)) = (named(rows, unix), named(rows, tcp)) {
            let (low, high) = ratio_range(unix, tcp);
            println!("{} : {} = {:.2} (rounds {low:.2} to {high:.2})", unix.name, tcp.name, ratio(unix, tcp));
        }
    }
}

/// Beside the same server in C. What a Unix socket gives is the kernel's doing, and a finding, not a goal.
pub(crate) fn goals(workload: &Workload, rows: &[Row]) -> Option<String> {
    let least = if matches!(workload, Workload::Short { .. }) { 0.9 } else { 1.0 };
    Some(judge(&workload.to_string(), named(rows, OURS)?, named(rows, C_UNIX)?, least))
}
