//! Chapter 6: reliability over UDP: TFTP.

mod sha512_256sum;
mod tftp_client;
mod tftp_server;
mod tftp_upload;
mod uploads;

use netkata_kit::Program;

/// The chapter's programs, then its exercises, each in the order of the lesson.
pub fn programs() -> Vec<Program> {
    vec![
        // Programs:
        tftp_server::program(),
        tftp_client::program(),
        sha512_256sum::program(),
        // Exercises:
        tftp_upload::program(),
    ]
}
