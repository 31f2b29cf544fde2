//! Conditions: a scope on the first line, then the source. Parsing and evaluating end, within the budget, and always the same way.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stepwell_expression::limits::{EVALUATION_STEPS, SOURCE_BYTES};
use stepwell_expression::{Budget, Expression};
use stepwell_fuzz::scope;

fuzz_target!(|data: &[u8]| {
    let Some((names, source)) = scope::split(data) else { return };
    let Ok(expression) = Expression::parse(source) else { return };
    assert!(source.len() <= SOURCE_BYTES && source.contains(expression.source()));
    assert!(expression.reads().all(|(root, _)| expression.roots().any(|known| known == root)));
    let evaluate = || {
        let mut budget = Budget::new();
        let value = expression.evaluate(&names, &mut budget);
        assert!(budget.steps_left() <= EVALUATION_STEPS);
        value.map(|value| value.to_json()).map_err(|error| error.to_string())
    };
    assert_eq!(evaluate(), evaluate());
    // What it says of itself is an expression again, with the same meaning.
    let again = Expression::parse(expression.source()).expect("its own source");
    let value = again.evaluate(&names, &mut Budget::new()).map(|value| value.to_json());
    assert_eq!(value.is_ok(), evaluate().is_ok());
});
