//! Chapter 6 and its peers.

mod checksum;
mod clients;
mod servers;

use crate::Test;

pub fn tests() -> Vec<&'static Test> {
    [clients::TESTS, servers::TESTS, checksum::TESTS].into_iter().flatten().collect()
}
