//! What went wrong in a check, before it is made into a message.

use std::fmt;

/// The result of a step of a dialogue.
pub type Outcome<T = ()> = Result<T, Failure>;

/// An expectation that was not met.
#[derive(Debug, Clone, Default)]
pub struct Failure {
    /// What was expected, in words or as octets.
    pub expected: Expected,
    /// What came instead, in words. For octets, see [`Expected::Octets`].
    pub got: String,
    /// The rule's source: an RFC section or a man page, and what it says.
    pub why: Option<String>,
    /// The subject reached a step of an exercise that is still to be written: its number and sentence.
    pub todo: Option<(usize, String)>,
    /// No failure at all: this machine has not what the check needs.
    pub lacking: Option<String>,
}

/// What an expectation waited for.
#[derive(Debug, Clone)]
pub enum Expected {
    /// Something that is not octets: a close, a silence, an exit status.
    Words(String),
    /// These octets; `at` is the offset of the first wrong or missing one.
    Octets {
        /// All that was expected.
        expected: Vec<u8>,
        /// All that came.
        got: Vec<u8>,
        /// Where they first differ.
        at: usize,
    },
}

impl Default for Expected {
    fn default() -> Self {
        Expected::Words(String::new())
    }
}

impl Failure {
    /// A failure in words.
    pub fn new(expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self { expected: Expected::Words(expected.into()), got: got.into(), ..Self::default() }
    }

    /// Octets that differ; `got` says in words how the stream stands (closed, silent, more to come).
    pub fn octets(expected: &[u8], got: &[u8], state: impl Into<String>) -> Self {
        let at = expected.iter().zip(got).take_while(|(a, b)| a == b).count();
        Self {
            expected: Expected::Octets { expected: expected.into(), got: got.into(), at },
            got: state.into(),
            ..Self::default()
        }
    }
}

impl Failure {
    /// Ends a check that cannot be run here, and says what this machine lacks: `needs a second group`.
    pub fn skipped(why: impl Into<String>) -> Self {
        let why = why.into();
        Self { lacking: Some(why.clone()), ..Self::new("a machine that has it", why) }
    }

    /// What was expected, when it is in words; nothing when it is octets.
    pub fn expected_words(&self) -> &str {
        match &self.expected {
            Expected::Words(words) => words,
            Expected::Octets { .. } => "",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.expected {
            Expected::Words(words) => write!(f, "expected {words}, got {}", self.got),
            Expected::Octets { at, .. } => write!(f, "octet {at} differs, {}", self.got),
        }
    }
}

/// Names the source of the rule that an expectation tests.
pub trait Because {
    /// `c.expect(b"ahoy").because("RFC 862: …")?`
    fn because(self, why: &str) -> Self;
}

impl<T> Because for Outcome<T> {
    fn because(self, why: &str) -> Self {
        self.map_err(|mut failure| {
            failure.why.get_or_insert_with(|| why.into());
            failure
        })
    }
}
