//! Definitions: any JSON that the API would read is judged and, if it may be run, drawn.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stepwell_core::definition::check;
use stepwell_core::payload::Payload;
use stepwell_core::picture::{Colour, figure, mermaid, svg, tree};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(payload) = Payload::parse(text) else { return };
    let definition = payload.to_value();
    match check("fuzz", 1, &definition) {
        Ok(checked) => {
            assert!(!checked.workflow.steps.is_empty());
            let figure = figure(&definition);
            let _ = (mermaid(&figure), tree(&figure, Colour::Off), svg(&figure));
        }
        Err(faults) => {
            assert!(!faults.is_empty(), "a refusal says why");
            let there = |pointer: &str| pointer.is_empty() || pointer.starts_with('/');
            assert!(faults.iter().all(|fault| there(&fault.pointer) && !fault.message.is_empty()), "{faults:?}");
        }
    }
});
