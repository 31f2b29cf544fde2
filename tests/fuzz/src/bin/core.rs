//! The core: random workflows, to which anything happens in any order. Nothing panics, and the journal gives the state.
#![no_main]

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use stepwell_core::definition::check;
use stepwell_fuzz::{workflows, world};

fuzz_target!(|data: &[u8]| {
    let mut chance = Unstructured::new(data);
    let Ok(definition) = workflows::any(&mut chance) else { return };
    let Ok(checked) = check("fuzz", 1, &definition) else { return };
    world::play(&checked.workflow, &mut chance);
});
