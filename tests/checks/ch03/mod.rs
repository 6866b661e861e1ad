//! Chapter 3: reliable TCP streams.

mod chargen_server;
mod counting_echo;
mod daytime_client;
mod daytime_server;
mod deadline_server;
mod dial;
mod dial_cancel;
mod dial_fanout;
mod dial_timeout;
pub mod dialling;
mod echo_client;
mod echo_server;
mod echo_single;
mod heartbeat_client;
mod heartbeat_server;
mod idle_echo;
mod listen;
mod tcp_info;
mod tcp_states;
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
        dial::program(),
        dial_timeout::program(),
        dial_cancel::program(),
        dial_fanout::program(),
        heartbeat_server::program(),
        heartbeat_client::program(),
        tcp_states::program(),
        tcp_info::program(),
        time_server::program(),
        chargen_server::program(),
        counting_echo::program(),
        idle_echo::program(),
    ]
}
