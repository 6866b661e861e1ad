//! Chapter 5: unreliable UDP.

mod interloper;
mod lossy_link;
mod many_ports;
mod mtu_probe;
mod qr_flip;
mod reliable_ping;
mod udp_daytime_client;
mod udp_daytime_server;
mod udp_echo_client;
mod udp_echo_server;
mod udp_header;
mod udp_time;

use netkata_kit::Program;

/// The chapter's programs, then its exercises, each in the order of the lesson.
pub fn programs() -> Vec<Program> {
    vec![
        // Programs:
        udp_echo_server::program(),
        udp_echo_client::program(),
        interloper::program(),
        many_ports::program(),
        udp_daytime_server::program(),
        udp_daytime_client::program(),
        mtu_probe::program(),
        qr_flip::program(),
        udp_header::program(),
        lossy_link::program(),
        // Exercises:
        udp_time::program(),
        reliable_ping::program(),
    ]
}
