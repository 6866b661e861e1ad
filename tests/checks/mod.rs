//! The checks, chapter by chapter.

mod ch03;
mod ch04;
mod common;

use netkata_kit::Program;

/// Every program and exercise that has checks.
pub fn all() -> Vec<Program> {
    [ch03::programs(), ch04::programs()].concat()
}
