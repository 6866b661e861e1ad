//! `word_scanner`: to be written.

fn main() {}
