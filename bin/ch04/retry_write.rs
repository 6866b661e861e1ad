//! `retry_write`: to be written.

fn main() {}
