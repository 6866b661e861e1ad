//! `line_framing`: to be written.

use netkata_kit::prelude::*;

pub fn program() -> Program {
    Program::exercise(4, "line_framing")
}
