#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dlm_server::fuzz::frame(input));
