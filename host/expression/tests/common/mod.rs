//! A scope for tests, and a table check.
#![allow(dead_code, clippy::expect_used, clippy::panic, reason = "test support, of which each file uses a part")]

use stepwell_expression::{Budget, EvalError, Expression, Scope, Value};

/// A scope over a list of named values.
pub struct Names {
    pub names: Vec<(String, Value)>,
}

impl Scope for Names {
    fn root(&self, name: &str) -> Option<Value> {
        self.names.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn names(&self) -> Vec<String> {
        self.names.iter().map(|(name, _)| name.clone()).collect()
    }
}

/// `input` and `customer`.
pub fn scope() -> Names {
    let input = r#"{"order": {"id": "A-1", "total": 120, "tags": ["new", "eu"]}, "list": [1, 2], "nothing": null,
        "name": "Ada", "rows": [{"id": 2, "ok": true}, {"id": 1, "ok": false}, {"id": 3, "ok": true}]}"#;
    let value = |text| Value::from_json_text(text).expect("JSON");
    Names { names: vec![("input".into(), value(input)), ("customer".into(), value(r#"{"tier": "gold"}"#))] }
}

/// Evaluates in [`scope`].
pub fn evaluate(source: &str) -> Result<Value, EvalError> {
    let expression = Expression::parse(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    expression.evaluate(&scope(), &mut Budget::new())
}

/// The error of an evaluation that must fail.
pub fn error_of(source: &str) -> EvalError {
    evaluate(source).expect_err(source)
}

/// Compares each source's value, as JSON, with what is expected.
pub fn check(table: &[(&str, &str)]) {
    for (source, expected) in table {
        let value = evaluate(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(value.to_json().as_deref().unwrap_or("undefined"), *expected, "{source}");
    }
}
