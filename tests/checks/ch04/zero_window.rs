//! `zero_window`: to be written.

use netkata_kit::prelude::*;

pub fn program() -> Program {
    Program::finished(4, "zero_window")
}
