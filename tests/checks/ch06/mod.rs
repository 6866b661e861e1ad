//! Chapter 6: reliability over UDP: TFTP.

mod tftp_upload;
mod uploads;
mod tftp_server;

use netkata_kit::Program;

/// The chapter's programs, then its exercises, each in the order of the lesson.
pub fn programs() -> Vec<Program> {
    vec![
        // Programs:
        // Exercises:
        tftp_upload::program(),
    ]
    vec![tftp_server::program()]
}
