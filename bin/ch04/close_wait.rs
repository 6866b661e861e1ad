//! `close_wait`: to be written.

fn main() {}
