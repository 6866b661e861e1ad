//! Chapter 5: unreliable UDP.

mod udp_echo_server;
mod udp_time;
mod udp_header;

use netkata_kit::Program;

/// The chapter's programs, then its exercises, each in the order of the lesson.
pub fn programs() -> Vec<Program> {
    vec![udp_echo_server::program(), udp_time::program()]
    vec![udp_header::program()]
}
