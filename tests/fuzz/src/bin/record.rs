//! Stored entries, states and outlines: whatever a damaged disk gives is read, or is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stepwell_engine::fuzzing::record;

fuzz_target!(|data: &[u8]| record(data));
