//! Chapter 7: Unix domain sockets.

mod boundaries;
mod files;
mod unix_echo_server;
mod unixpacket_echo;

use netkata_kit::Program;

/// The chapter's programs, then its exercises, each in the order of the lesson.
pub fn programs() -> Vec<Program> {
    vec![
        // Programs:
        boundaries::program(),
        unix_echo_server::program(),
        unixpacket_echo::program(),
        // Exercises:
    ]
}
