//! Chapter 7: Unix domain sockets.

mod any_echo;
mod boundaries;
mod creds_server;
mod fd_bank;
mod files;
mod pass_fd;
mod single_instance;
mod unix_echo_client;
mod unix_echo_server;
mod unixgram_echo;
mod unixpacket_echo;
mod whoami_server;

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
        any_echo::program(),
        creds_server::program(),
        pass_fd::program(),
        // Exercises:
        whoami_server::program(),
        single_instance::program(),
        fd_bank::program(),
    ]
}
