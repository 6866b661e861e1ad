//! `tee_proxy`: to be written.

use netkata_kit::prelude::*;

pub fn program() -> Program {
    Program::exercise(4, "tee_proxy")
}
