//! Uploads: whatever the bytes are, they are refused with a reason or fit for the compiler, within bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stepwell_fuzz::compile::upload;

fuzz_target!(|data: &[u8]| upload(data));
