//! To be written.

use netkata_kit::Program;

pub fn program() -> Program {
    todo!()
}
