//! Chapter 7: Unix domain sockets.

mod single_instance;

use netkata_kit::Program;

/// The chapter's programs, then its exercises, each in the order of the lesson.
pub fn programs() -> Vec<Program> {
    vec![
        // Programs:
        // Exercises:
        single_instance::program(),
    ]
}
