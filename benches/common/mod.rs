//! What the benches share: starting servers, loading them in interleaved rounds, medians and ratios.
// Each bench uses a part of it.
#![allow(dead_code)]

pub(crate) mod load;
pub(crate) mod memory;
pub(crate) mod peers;
pub(crate) mod pin;
pub(crate) mod report;
pub(crate) mod served;
pub(crate) mod settings;
