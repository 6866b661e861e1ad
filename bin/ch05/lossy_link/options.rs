//! The faults, as options.

use clap::Args;
use netkata::human;
use netkata::lossy::faults::Fault;
use netkata::lossy::parse::each;
use netkata::lossy::{Each, Faults, Nth, Percent};
use std::time::Duration;

#[derive(Args)]
#[command(next_help_heading = "Faults")]
pub struct FaultOptions {
    /// The same seed, the same fates; without, a random one is taken and told
    #[arg(long)]
    seed: Option<u64>,
    /// Lose so many
    #[arg(long, value_name = "RATE", default_value = "0%", hide_default_value = true, value_parser = rate)]
    drop: Each<Percent>,
    /// Deliver so many twice
    #[arg(long, value_name = "RATE", default_value = "0%", hide_default_value = true, value_parser = rate)]
    repeat: Each<Percent>,
    /// Let later ones overtake so many
    #[arg(long, value_name = "RATE", default_value = "0%", hide_default_value = true, value_parser = rate)]
    reorder: Each<Percent>,
    /// Flip one bit of the payload of so many; they are sent with a checksum that fits
    #[arg(long, value_name = "RATE", default_value = "0%", hide_default_value = true, value_parser = rate)]
    corrupt: Each<Percent>,
    /// Cut off the end of so many
    #[arg(long, value_name = "RATE", default_value = "0%", hide_default_value = true, value_parser = rate)]
    truncate: Each<Percent>,
    /// Deliver so many from a port that nobody knows, as a stranger's would come
    #[arg(long, value_name = "RATE", default_value = "0%", hide_default_value = true, value_parser = rate)]
    foreign: Each<Percent>,
    /// Deliver each so much later
    #[arg(long, value_name = "TIME", default_value = "0s", hide_default_value = true, value_parser = time)]
    delay: Each<Duration>,
    /// And by chance so much later still, at most; they then may overtake each other
    #[arg(long, value_name = "TIME", default_value = "0s", hide_default_value = true, value_parser = time)]
    jitter: Each<Duration>,
    /// How many later ones of its client overtake one that is reordered
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..))]
    behind: u16,
    /// How long one that is reordered waits to be overtaken, at most
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = human::parse_limit)]
    hold: Duration,
    /// Lose these
    #[arg(long, value_name = "WHICH")]
    drop_nth: Option<Nth>,
    /// Deliver these twice
    #[arg(long, value_name = "WHICH")]
    repeat_nth: Option<Nth>,
    /// Let later ones overtake these
    #[arg(long, value_name = "WHICH")]
    reorder_nth: Option<Nth>,
    /// Flip one bit of these
    #[arg(long, value_name = "WHICH")]
    corrupt_nth: Option<Nth>,
    /// Cut off the end of these
    #[arg(long, value_name = "WHICH")]
    truncate_nth: Option<Nth>,
    /// Deliver these from a port that nobody knows
    #[arg(long, value_name = "WHICH")]
    foreign_nth: Option<Nth>,
}

fn rate(text: &str) -> Result<Each<Percent>, String> {
    each(text, str::parse)
}

fn time(text: &str) -> Result<Each<Duration>, String> {
    each(text, human::parse_duration)
}

impl FaultOptions {
    pub fn faults(&self) -> Faults {
        let fault = |rate: Each<Percent>, nth: &Option<Nth>| Fault { rate, nth: nth.clone().unwrap_or_default() };
        Faults {
            // Few enough digits to be typed again.
            seed: self.seed.unwrap_or_else(|| fastrand::u64(1..1_000_000)),
            drop: fault(self.drop, &self.drop_nth),
            repeat: fault(self.repeat, &self.repeat_nth),
            reorder: fault(self.reorder, &self.reorder_nth),
            corrupt: fault(self.corrupt, &self.corrupt_nth),
            truncate: fault(self.truncate, &self.truncate_nth),
            foreign: fault(self.foreign, &self.foreign_nth),
            delay: self.delay,
            jitter: self.jitter,
            behind: self.behind.into(),
            hold: self.hold,
        }
    }
}
