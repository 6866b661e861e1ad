//! The checks, chapter by chapter.

mod ch03;

use netkata_kit::Program;

/// Every program and exercise that has checks.
pub fn all() -> Vec<Program> {
    ch03::programs()
}
