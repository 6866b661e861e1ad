//! `head_client`: to be written.

fn main() {}
