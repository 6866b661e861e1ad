//! Chapter 6 and its peers.

mod checksum;
mod clients;
mod files;
mod loss;
mod public_folder;
mod servers;
mod uploads;

use crate::Test;

pub fn tests() -> Vec<&'static Test> {
    [clients::TESTS, servers::TESTS, uploads::TESTS, loss::TESTS, checksum::TESTS].into_iter().flatten().collect()
}
