//! Chapter 3: reliable TCP streams.

mod chargen_server;
mod common;
mod counting_echo;
mod daytime_client;
mod daytime_server;
mod deadline_server;
mod echo_client;
mod echo_server;
mod echo_single;
mod idle_echo;
mod listen;
mod time_server;

use netkata_kit::Program;

/// The chapter's programs, then its exercises, each in the order of the lesson.
pub fn programs() -> Vec<Program> {
    vec![
        listen::program(),
        echo_single::program(),
        echo_server::program(),
        echo_client::program(),
        daytime_server::program(),
        daytime_client::program(),
        deadline_server::program(),
        time_server::program(),
        chargen_server::program(),
        counting_echo::program(),
        idle_echo::program(),
    ]
}
