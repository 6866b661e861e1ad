//! Fuzz targets, and a driver for them that needs nothing but stable Rust.
//!
//! A target is two functions: one makes an input from a seed, the other panics when something does not hold of it. To add
//! one, write a module with both and put it into [`TARGETS`]; for cargo-fuzz, add the three lines in `libfuzzer/`.

pub mod driver;
pub mod mutate;
pub mod tlv;
pub mod udp_header;

/// What is fuzzed.
pub struct Target {
    /// On the command line.
    pub name: &'static str,
    /// Makes an input.
    pub make: fn(&mut fastrand::Rng) -> Vec<u8>,
    /// Panics when the input shows an error.
    pub check: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "tlv", make: tlv::make, check: tlv::check },
    Target { name: "udp_header", make: udp_header::make, check: udp_header::check },
];
