//! Chapter 3: reliable TCP streams.

mod chargen_server;
mod common;
mod counting_echo;
mod echo_server;
mod idle_echo;
mod time_server;

use netkata_kit::Program;

/// The chapter's programs, then its exercises, each in the order of the lesson.
pub fn programs() -> Vec<Program> {
    vec![
        echo_server::program(),
        time_server::program(),
        chargen_server::program(),
        counting_echo::program(),
        idle_echo::program(),
    ]
}
