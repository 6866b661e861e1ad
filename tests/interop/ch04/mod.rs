//! Chapter 4 and its peers.

mod frames;
mod load;
mod relays;
mod sockets;
mod streams;
mod wiretap;

use crate::Test;

pub fn tests() -> Vec<&'static Test> {
    [frames::TESTS, load::TESTS, relays::TESTS, streams::TESTS, sockets::TESTS].into_iter().flatten().collect()
    [frames::TESTS, relays::TESTS, streams::TESTS, sockets::TESTS, wiretap::TESTS].into_iter().flatten().collect()
}
