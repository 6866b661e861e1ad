//! Packets that come again because the grader was slow to answer: a program may send again what is not answered in time, and that
//! time follows the round trip. On a busy machine the grader's thread waits for its turn, and that is a round trip too.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// No program sends again sooner than this, unless it is told to: the floor of its timeout, less a tick of its clock.
const SOONEST: Duration = Duration::from_millis(190);
/// So many packets are remembered: a window of the longest transfer, and its successor.
const REMEMBERED: usize = 256;

/// What came in a conversation, and how fast it was answered.
pub struct Lateness {
    /// When the last packet left.
    sent: Instant,
    /// What came before that packet was answered late.
    late: bool,
    came: VecDeque<Vec<u8>>,
}

impl Default for Lateness {
    fn default() -> Self {
        Self { sent: Instant::now(), late: false, came: VecDeque::new() }
    }
}

impl Lateness {
    /// The grader sends something.
    pub fn sending(&mut self) {
        self.late |= self.sent.elapsed() >= SOONEST;
        self.sent = Instant::now();
    }

    /// A packet came, and was expected. What was sent again before it has come before it.
    pub fn note(&mut self, packet: &[u8]) {
        self.late = false;
        if self.came.len() == REMEMBERED {
            self.came.pop_front();
        }
        self.came.push_back(packet.to_vec());
    }

    /// Whether an unexpected packet is only one that had come before, and comes again because its answer took so long.
    pub fn excuses(&self, packet: &[u8]) -> bool {
        (self.late || self.sent.elapsed() >= SOONEST) && self.came.iter().any(|came| came == packet)
    }
}
