//! To be written.

use crate::Test;

pub const TESTS: &[Test] = &[];
