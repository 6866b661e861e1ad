//! `blast`: to be written.

fn main() {}
