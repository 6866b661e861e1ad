//! Chapter 3: reliable TCP streams.

mod common;
mod echo_server;
mod time_server;

use netkata_kit::Program;

/// The chapter's programs, then its exercises, each in the order of the lesson.
pub fn programs() -> Vec<Program> {
    vec![echo_server::program(), time_server::program()]
}
