//! `zero_window`: to be written.

fn main() {}
