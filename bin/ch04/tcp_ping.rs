//! `tcp_ping`: to be written.

fn main() {}
