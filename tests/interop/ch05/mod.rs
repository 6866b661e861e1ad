//! Chapter 5 and its peers.

mod echo;
mod links;
mod small;

use crate::Test;

pub fn tests() -> Vec<&'static Test> {
    [echo::TESTS, links::TESTS, small::TESTS].into_iter().flatten().collect()
}
