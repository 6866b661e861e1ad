//! Chapter 7 and its peers.

mod creds;
mod datagrams;
mod descriptors;
mod packets;
mod streams;

use crate::Test;

pub fn tests() -> Vec<&'static Test> {
    [streams::TESTS, datagrams::TESTS, packets::TESTS, creds::TESTS, descriptors::TESTS].into_iter().flatten().collect()
}
