//! Chapter 7: Unix domain sockets.

mod boundaries;
mod creds_server;
mod files;
mod single_instance;
mod unix_echo_client;
mod unix_echo_server;
mod unixgram_echo;
mod unixpacket_echo;

use netkata_kit::Program;

/// The chapter's programs, then its exercises, each in the order of the lesson.
pub fn programs() -> Vec<Program> {
    vec![
        // Programs:
        boundaries::program(),
        unix_echo_server::program(),
        unix_echo_client::program(),
        unixgram_echo::program(),
        unixpacket_echo::program(),
        creds_server::program(),
        // Exercises:
        single_instance::program(),
    ]
}
