//! `tlv_client`: to be written.

use netkata_kit::prelude::*;

pub fn program() -> Program {
    Program::finished(4, "tlv_client")
}
