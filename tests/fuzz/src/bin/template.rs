//! Templates: a scope on the first line, then a JSON value whose strings may hold expressions.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stepwell_core::payload::Payload;
use stepwell_expression::{Budget, Template, Value};
use stepwell_fuzz::scope;

fuzz_target!(|data: &[u8]| {
    let Some((names, text)) = scope::split(data) else { return };
    let Ok(payload) = Payload::parse(text) else { return };
    let template = match Template::parse(&payload.to_value()) {
        Ok(template) => template,
        Err(errors) => return assert!(!errors.is_empty()),
    };
    let Ok(value) = template.evaluate(&names, &mut Budget::new()) else { return };
    assert!(!matches!(value, Value::Undefined), "a whole value is never undefined");
    // What comes out is JSON that goes in again.
    let json = value.to_json().expect("JSON");
    Payload::parse(&json).expect("a payload");
    assert_eq!(template.is_constant(), template.expressions().next().is_none());
});
