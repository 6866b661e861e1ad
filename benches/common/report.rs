//! Medians, spread, ratios.

pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// One a round.
    pub(crate) rates: Vec<f64>,
}

impl Row {
    pub(crate) fn median(&self) -> f64 {
        median(&self.rates)
    }

    /// From the slowest round to the fastest, in parts of the median.
    pub(crate) fn spread(&self) -> f64 {
        spread(&self.rates)
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn spread(values: &[f64]) -> f64 {
    let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
    (high - low) / median(values)
}

fn ratios(ours: &Row, theirs: &Row) -> Vec<f64> {
    ours.rates.iter().zip(&theirs.rates).map(|(a, b)| a / b).collect()
}

/// The median of the rounds' ratios: what disturbed a round disturbed both servers.
pub(crate) fn ratio(ours: &Row, theirs: &Row) -> f64 {
    median(&ratios(ours, theirs))
}

/// The ratio of each round, from the least to the greatest.
pub(crate) fn ratio_range(ours: &Row, theirs: &Row) -> (f64, f64) {
    ratios(ours, theirs).iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)))
}

/// Whoever else runs takes the processor from servers and clients alike, but not evenly.
pub(crate) fn busy_machine() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split_whitespace().next().and_then(|l| l.parse().ok()).unwrap_or(0.0);
    if load > 1.0 {
        println!("other programs are running (load average {load}): trust the ratios little, the rates less");
    }
}

pub(crate) fn named<'a>(rows: &'a [Row], name: &str) -> Option<&'a Row> {
    rows.iter().find(|r| r.name == name)
}

/// The one with the highest median among those that `is_one` takes.
pub(crate) fn best(rows: &[Row], is_one: impl Fn(&Row) -> bool) -> Option<&Row> {
    rows.iter().filter(|r| is_one(r)).max_by(|a, b| a.median().total_cmp(&b.median()))
}

/// `met` or `MISSED`, and by how much.
pub(crate) fn judge(workload: &str, ours: &Row, of: &Row, least: f64) -> String {
    let reached = ratio(ours, of);
    let (low, high) = ratio_range(ours, of);
    // By what is printed: more digits than two mean nothing here.
    let verdict = if (reached * 100.0).round() >= least * 100.0 { "met   " } else { "MISSED" };
    format!(
        "{verdict}  {workload}: {} is {reached:.2} of {} (rounds {low:.2} to {high:.2}), goal {least}",
        ours.name, of.name
    )
}
