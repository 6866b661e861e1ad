//! A line on the terminal while the load lasts. Where standard error is no terminal, there is none.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use netkata::human;
use netkata::load::{Live, Plan};
use std::time::Duration;

pub(crate) struct Progress {
    bar: ProgressBar,
    time: Option<Duration>,
    requests: Option<u64>,
    /// What was shown last, for the rate of the moment.
    before: (Duration, u64),
    rate: f64,
}

impl Progress {
    pub(crate) fn new(plan: &Plan) -> Self {
        let bar = ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::stderr_with_hz(10));
        if let Ok(style) = ProgressStyle::with_template("[{bar:24}] {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar, time: plan.time, requests: plan.requests, before: (Duration::ZERO, 0), rate: 0.0 }
    }

    pub(crate) fn show(&mut self, live: Live) {
        if self.bar.is_hidden() {
            return;
        }
        let (then, before) = self.before;
        let passed = live.elapsed.saturating_sub(then).as_secs_f64();
        if live.elapsed < then {
            // The next phase.
            self.before = (Duration::ZERO, 0);
        } else if passed >= 0.5 {
            self.rate = live.requests.saturating_sub(before) as f64 / passed;
            self.before = (live.elapsed, live.requests);
        }
        let phase = if live.warming_up { "warming up, " } else { "" };
        let elapsed = human::duration(human::round_to(live.elapsed, Duration::from_millis(100)));
        let (requests, rate) = (human::thousands(live.requests as usize), human::thousands(self.rate as usize));
        self.bar.set_position((self.done(live) * 1000.0) as u64);
        self.bar.set_message(format!("{phase}{elapsed}, {requests} requests, {rate} a second"));
    }

    /// In parts of the whole, by whichever bound is nearer.
    fn done(&self, live: Live) -> f64 {
        let time = self.time.map_or(0.0, |time| live.elapsed.as_secs_f64() / time.as_secs_f64());
        let requests = self.requests.map_or(0.0, |requests| live.requests as f64 / requests as f64);
        time.max(requests).min(1.0)
    }

    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
