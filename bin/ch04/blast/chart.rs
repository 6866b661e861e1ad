//! The histogram of latencies, as bars of text and as a picture.

use crate::report::rounded;
use hdrhistogram::Histogram;
use netkata::human::{count, thousands};
use netkata::load::Plan;
use std::fmt::Write;
use std::time::Duration;

/// The rows of a decade: steps of about a half.
const STEPS: [u64; 6] = [10, 15, 20, 30, 50, 70];
/// The longest bar, in characters.
const BAR: usize = 40;
/// The same, and the rest of the picture, in CSS pixels.
const BAR_WIDTH: f64 = 380.0;
const BAR_LEFT: f64 = 150.0;
const WIDTH: f64 = 640.0;
const HEAD: f64 = 64.0;
const ROW: f64 = 24.0;
const MARGIN: f64 = 24.0;

/// Latencies from `from` up to, and without, `to`, in nanoseconds.
pub(crate) struct Row {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) count: u64,
}

/// From the row of the least latency to that of the greatest, empty ones between them included.
pub(crate) fn rows(all: &Histogram<u64>) -> Vec<Row> {
    if all.is_empty() {
        return Vec::new();
    }
    // From 10 ns to beyond an hour.
    let edges: Vec<u64> = (0..13).flat_map(|decade| STEPS.map(|step| step * 10_u64.pow(decade))).collect();
    let mut rows: Vec<Row> = edges.windows(2).map(|pair| Row { from: pair[0], to: pair[1], count: 0 }).collect();
    for value in all.iter_recorded() {
        let at = rows.partition_point(|row| row.to <= value.value_iterated_to()).min(rows.len() - 1);
        rows[at].count += value.count_at_value();
    }
    let first = rows.iter().position(|r| r.count > 0).unwrap_or(0);
    let last = rows.iter().rposition(|r| r.count > 0).unwrap_or(0);
    rows.drain(first..=last).collect()
}

fn span(row: &Row) -> (String, String) {
    (rounded(Duration::from_nanos(row.from)), rounded(Duration::from_nanos(row.to)))
}

/// A line a row, the bar as long as its share of the largest.
pub(crate) fn bars(all: &Histogram<u64>) -> String {
    let rows = rows(all);
    let most = rows.iter().map(|r| r.count).max().unwrap_or(1).max(1);
    let mut out = String::new();
    for row in &rows {
        let (from, to) = span(row);
        let eighths = (row.count as u128 * BAR as u128 * 8).div_ceil(u128::from(most)) as usize;
        let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
        let bar = format!("{}{rest}", "█".repeat(eighths / 8));
        let space = if row.count > 0 { " " } else { "" };
        let _ = writeln!(out, "{from:>6} to {to:>6}  {bar}{space}{}", thousands(row.count as usize));
    }
    out
}

/// A whole SVG document. It needs no script and no font from elsewhere, and follows a light or a dark scheme.
pub(crate) fn svg(plan: &Plan, all: &Histogram<u64>) -> String {
    let rows = rows(all);
    let most = rows.iter().map(|r| r.count).max().unwrap_or(1).max(1);
    let height = HEAD + rows.len() as f64 * ROW + MARGIN;
    let title = escape(&format!(
        "{}: {} × {}, {}",
        plan.target,
        count(plan.connections, "connection"),
        count(plan.size, "octet"),
        plan.kind
    ));
    let quantile = |q| rounded(Duration::from_nanos(all.value_at_quantile(q)));
    let answers = count(all.len() as usize, "answer");
    let told = match all.is_empty() {
        true => "no latencies: a stream has none, and neither has a run without answers".to_string(),
        false => {
            format!("{answers}: p50 {}, p99 {}, p99.9 {}", quantile(0.5), quantile(0.99), quantile(0.999))
        }
    };
    let mut body = String::new();
    for (n, row) in rows.iter().enumerate() {
        body.push_str(&bar(row, HEAD + n as f64 * ROW, row.count as f64 / most as f64 * BAR_WIDTH));
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"blast\" role=\"img\" width=\"{WIDTH:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {WIDTH:.0} {height:.0}\">\n\
         <title>{title}</title>\n<desc>Latencies of {told}.</desc>\n<style>{STYLE}</style>\n\
         <rect class=\"page\" x=\"0.5\" y=\"0.5\" width=\"{:.0}\" height=\"{:.0}\" rx=\"6\"/>\n\
         <text class=\"title\" x=\"{MARGIN:.0}\" y=\"28\">{title}</text>\n<text class=\"soft\" x=\"{MARGIN:.0}\" y=\"48\">{told}</text>\n{body}</svg>\n",
        WIDTH - 1.0,
        height - 1.0
    )
}

/// One row, from `y` on: what it counts, a bar of this width, how many there are.
fn bar(row: &Row, y: f64, width: f64) -> String {
    let ((from, to), count) = (span(row), thousands(row.count as usize));
    let (middle, before, after) = (y + ROW * 0.62, BAR_LEFT - 8.0, BAR_LEFT + width + 6.0);
    format!(
        "<text class=\"span\" x=\"{before:.0}\" y=\"{middle:.1}\">{from} to {to}</text>\n\
         <rect x=\"{BAR_LEFT:.0}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.0}\"/>\
         <text x=\"{after:.1}\" y=\"{middle:.1}\">{count}</text>\n",
        y + 2.0,
        ROW - 4.0
    )
}

/// Both schemes are spelled out: some viewers of SVG know no variables.
const STYLE: &str = "\
.blast{font:13px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\
.blast .title{font-size:15px;font-weight:600}.blast .span{text-anchor:end}\
.blast text{fill:#1f2328}.blast .soft{fill:#59636e}.blast rect{fill:#0a58ca}.blast .page{fill:#fff;stroke:#d5dbe1}\
@media (prefers-color-scheme:dark){\
.blast text{fill:#e6edf3}.blast .soft{fill:#9aa4af}.blast rect{fill:#6cb0ff}.blast .page{fill:#10151c;stroke:#2d343d}}";

/// A target may be a path, and a path may hold almost anything.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
