//! Chapter 6: reliability over UDP: TFTP.

mod sha512_256sum;
mod tftp_client;

use netkata_kit::Program;

/// The chapter's programs, then its exercises, each in the order of the lesson.
pub fn programs() -> Vec<Program> {
    vec![tftp_client::program(), sha512_256sum::program()]
}
