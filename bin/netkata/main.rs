//! Where you are in the course, what is next, and the commands to go on with.
//!
//! It speaks to nobody over the network. It reads the checkout's files and keeps `.netkata.json`; the grading is done
//! by `cargo test --test grade`.
//!
//! ```text
//! cargo run
//! cargo run hint time_server
//! ```

mod grade;
mod gradescope;
mod hint;
mod junit;
mod list;
mod next;
mod overview;
mod report;
mod reset;
mod screen;
mod watch;

use clap::{Parser, Subcommand, ValueEnum};
use netkata::course::{self, Catalogue, Result};
use std::path::PathBuf;
use std::process::ExitCode;

/// Where you are in the course, what is next, and the commands to go on with
#[derive(Parser)]
#[command(name = "netkata", bin_name = "cargo run", after_help = "Example: cargo run hint time_server")]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Every chapter's programs and exercises, and how they stand
    List,
    /// The next exercise: its contract, its next step, the commands to go on with
    Next,
    /// Grade everything, or an exercise, a program, a chapter
    Grade {
        /// An exercise, a program, a chapter (3, ch03), or a part of a check's name
        what: Option<String>,
    },
    /// A hint, one level more each time
    Hint {
        /// time_server, or ch03::time_server
        exercise: String,
    },
    /// Grade an exercise each time you save it, until Ctrl-C
    Watch {
        /// Only this one, and once at the start
        exercise: Option<String>,
    },
    /// Put the stub back; what you wrote is kept under target/netkata/backup
    Reset {
        /// time_server, or ch03::time_server
        exercise: String,
    },
    /// Show the solution of an exercise that has passed
    Solution {
        /// time_server, or ch03::time_server
        exercise: String,
    },
    /// Grade every exercise and write a report
    Report {
        /// For people, for CI systems, for Gradescope's autograder
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
        /// A file to write, instead of standard output
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Report what was found last; grade nothing
        #[arg(long)]
        last: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Junit,
    Gradescope,
}

fn main() -> ExitCode {
    let args = Args::parse();
    run(args.command).unwrap_or_else(|e| {
        netkata::exit::complain(e);
        ExitCode::FAILURE
    })
}

fn run(command: Option<Command>) -> Result<ExitCode> {
    let catalogue = Catalogue::read(&course::root()?)?;
    match command {
        None => overview::show(&catalogue),
        Some(Command::List) => list::show(&catalogue),
        Some(Command::Next) => next::show(&catalogue),
        Some(Command::Grade { what }) => return grade::run(&catalogue, what.as_deref()),
        Some(Command::Hint { exercise }) => hint::show(&catalogue, &exercise),
        Some(Command::Watch { exercise }) => watch::run(&catalogue, exercise.as_deref()),
        Some(Command::Reset { exercise }) => reset::reset(&catalogue, &exercise),
        Some(Command::Solution { exercise }) => hint::solution(&catalogue, &exercise),
        Some(Command::Report { format, output, last }) => report::run(&catalogue, format, output.as_deref(), last),
    }?;
    Ok(ExitCode::SUCCESS)
}
