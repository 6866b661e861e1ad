//! Fuzz targets, and a driver for them that needs nothing but stable Rust.
//!
//! A target is two functions: one makes an input from a seed, the other panics when something does not hold of it. To add
//! one, write a module with both and put it into [`TARGETS`]; for cargo-fuzz, add the three lines in `libfuzzer/`.

pub mod driver;
pub mod mutate;
pub mod tftp;
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
    Target { name: "tftp", make: tftp::make, check: tftp::check },
    Target { name: "tftp_rrq", make: tftp::make_rrq, check: tftp::check },
    Target { name: "tftp_wrq", make: tftp::make_wrq, check: tftp::check },
    Target { name: "tftp_data", make: tftp::make_data, check: tftp::check },
    Target { name: "tftp_ack", make: tftp::make_ack, check: tftp::check },
    Target { name: "tftp_error", make: tftp::make_error, check: tftp::check },
    Target { name: "tftp_oack", make: tftp::make_oack, check: tftp::check },
    Target { name: "udp_header", make: udp_header::make, check: udp_header::check },
];
