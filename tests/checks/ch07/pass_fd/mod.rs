//! `pass_fd`: a TCP connection that changes hands. The grader is the client, and the taker of the giver, or the giver of the
//! taker.

mod give;
mod take;
mod together;

use netkata_kit::Program;

pub fn program() -> Program {
    together::checks(take::checks(give::checks(Program::finished(7, "pass_fd"))))
}

/// Who hands over, and who is told: the two lines that both sides must agree on.
const QUESTION: &[u8] = b"your ship?\n";
const TAKEN: &[u8] = b"taken\n";
/// The longest line, with its end.
const LINE: usize = 256;

const ONE_SOCKET: &str =
    "unix(7), SCM_RIGHTS: the receiver gets a descriptor of its own for the same open socket, as after dup(2)";
