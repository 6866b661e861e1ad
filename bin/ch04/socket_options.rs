//! `socket_options`: to be written.

fn main() {}
