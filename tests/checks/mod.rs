//! The checks, chapter by chapter.

mod ch03;
mod ch04;
mod ch05;
mod ch06;
mod ch07;
mod common;
mod daytime;

use netkata_kit::Program;

/// Every program and exercise that has checks.
pub fn all() -> Vec<Program> {
    [ch03::programs(), ch04::programs(), ch05::programs(), ch06::programs(), ch07::programs()].concat()
}
