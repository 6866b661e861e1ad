//! `proxy`: to be written.

fn main() {}
