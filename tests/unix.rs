//! Unix sockets, by what the kernel does: what the chapter's listing says of them is so.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "unix/listing.rs"]
mod listing;
