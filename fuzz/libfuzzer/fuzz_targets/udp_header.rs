//! UDP datagrams in IP packets, by coverage.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::udp_header::check(octets));
