//! `tlv`: to be written.

fn main() {}
