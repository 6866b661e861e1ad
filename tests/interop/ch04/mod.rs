//! Chapter 4 and its peers.

mod frames;
mod load;
mod relays;
mod sockets;
mod streams;
mod wiretap;

use crate::Test;

pub fn tests() -> Vec<&'static Test> {
    [frames::TESTS, streams::TESTS, sockets::TESTS, relays::TESTS, wiretap::TESTS, load::TESTS]
        .into_iter()
        .flatten()
        .collect()
}
