//! `wiretap`: to be written.

fn main() {}
