//! `tlv_server`: to be written.

fn main() {}
