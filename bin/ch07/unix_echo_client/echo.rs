//! What has been sent and has to come back, octet for octet.

use netkata::{hexdump, human};
use std::collections::VecDeque;
use std::time::Instant;

/// So many octets are quoted in an error.
const QUOTE: usize = 16;

/// The greetings on their way.
pub struct Echo<'a> {
    greeting: &'a [u8],
    /// Octets that came back so far, of all greetings.
    came: usize,
    /// By when each greeting on its way must be back, the oldest first.
    due: VecDeque<Instant>,
}

impl<'a> Echo<'a> {
    /// Nothing has been sent yet.
    pub fn of(greeting: &'a [u8]) -> Self {
        Self { greeting, came: 0, due: VecDeque::new() }
    }

    /// A greeting leaves now: the server owes it until then.
    pub fn owe(&mut self, by: Instant) {
        self.due.push_back(by);
    }

    /// How many greetings are on their way.
    pub fn waiting(&self) -> usize {
        self.due.len()
    }

    /// By when the oldest of them must be back.
    pub fn next_due(&self) -> Option<Instant> {
        self.due.front().copied()
    }

    /// Octets that came back so far.
    pub fn came(&self) -> usize {
        self.came
    }

    /// Octets that are on their way.
    pub fn missing(&self) -> usize {
        self.due.len() * self.greeting.len() - self.came % self.greeting.len()
    }

    // [compare]
    /// Compares what a read brought with what is due, and returns how many replies became whole by it. Where a read ends says
    /// nothing about replies: a stream has no boundaries, so the octets are counted.
    pub fn compare(&mut self, came: &[u8]) -> Result<usize, String> {
        let mut whole = 0;
        for (i, octet) in came.iter().enumerate() {
            if self.due_octets().first() != Some(octet) {
                return Err(self.difference(&came[i..]));
            }
            self.came += 1;
            if self.came.is_multiple_of(self.greeting.len()) {
                self.due.pop_front();
                whole += 1;
            }
        }
        Ok(whole)
    }
    // [/compare]

    /// The rest of the reply that is coming; none when no greeting is on its way.
    fn due_octets(&self) -> &[u8] {
        if self.due.is_empty() { &[] } else { &self.greeting[self.came % self.greeting.len()..] }
    }

    fn difference(&self, came: &[u8]) -> String {
        let (at, came) = (self.came, hexdump::text(came, QUOTE));
        match self.due_octets() {
            [] => format!("expected no more than {}, then got \"{came}\"", human::count(at, "octet")),
            due => format!("expected \"{}\" at offset {at}, got \"{came}\"", hexdump::text(due, QUOTE)),
        }
    }
}
