//! `read_chunks`: to be written.

fn main() {}
