//! Chapter 4: sending TCP data.

mod blast;
mod close_wait;
mod head_client;
mod kv_server;
mod line_framing;
mod number_server;
mod proxy;
mod read_chunks;
mod retry_write;
mod socket_options;
mod tcp_ping;
mod tee_proxy;
mod tlv;
mod tlv_client;
mod tlv_frames;
mod tlv_server;
pub mod wiretap;
mod word_scanner;
mod zero_window;

use netkata_kit::Program;

/// The chapter's programs, then its exercises, each in the order of the lesson.
pub fn programs() -> Vec<Program> {
    vec![
        read_chunks::program(),
        word_scanner::program(),
        tlv_server::program(),
        tlv_client::program(),
        tlv::program(),
        retry_write::program(),
        proxy::program(),
        wiretap::program(),
        blast::program(),
        tcp_ping::program(),
        socket_options::program(),
        zero_window::program(),
        close_wait::program(),
        head_client::program(),
        kv_server::program(),
        line_framing::program(),
        number_server::program(),
        tee_proxy::program(),
    ]
}
