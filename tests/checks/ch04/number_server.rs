//! `number_server`: to be written.

use netkata_kit::prelude::*;

pub fn program() -> Program {
    Program::exercise(4, "number_server")
}
