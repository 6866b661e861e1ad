//! A line on the terminal while the file comes. Where standard error is no terminal, there is none.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub struct Progress(ProgressBar);

impl Progress {
    pub fn none() -> Self {
        Self(ProgressBar::hidden())
    }

    pub fn on_a_terminal(name: &str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        bar.set_message(name.to_string());
        Self(bar)
    }

    /// With the size of the file, if the server tells it: without, there is nothing to measure a bar by.
    pub fn of(self, size: Option<u64>) -> Self {
        let template = match size {
            Some(size) => {
                self.0.set_length(size);
                "{msg} [{bar:30.cyan}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left"
            }
            None => "{msg} {bytes}, {bytes_per_sec}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style.progress_chars("=> "));
        }
        self
    }

    pub fn show(&self, octets: u64) {
        self.0.set_position(octets);
    }

    /// The line goes away: the summary takes its place.
    pub fn end(&self) {
        self.0.finish_and_clear();
    }
}
