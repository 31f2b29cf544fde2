//! Templates and conversions between values and JSON.
#![allow(clippy::expect_used, reason = "test support")]

mod common;

use common::scope;
use serde_json::json;
use stepwell_expression::{Budget, EvalErrorKind, JsonError, Template, Value};

fn expand(template: &serde_json::Value) -> String {
    let template = Template::parse(template).expect("a template");
    template.evaluate(&scope(), &mut Budget::new()).expect("a value").to_json().expect("defined")
}

#[test]
fn a_whole_template_keeps_its_type() {
    assert_eq!(expand(&json!("{{ input.order.total }}")), "120");
    assert_eq!(expand(&json!("{{ input.order }}")), r#"{"id":"A-1","total":120,"tags":["new","eu"]}"#);
    assert_eq!(expand(&json!("{{ {a: {b: '}}'}} }}")), r#"{"a":{"b":"}}"}}"#);
}

#[test]
fn a_template_in_a_longer_string_becomes_text() {
    assert_eq!(expand(&json!("Hi {{ input.name }}, {{input.order.total}}!")), r#""Hi Ada, 120!""#);
    assert_eq!(expand(&json!(" {{ input.order.total }}")), r#"" 120""#);
    assert_eq!(
        expand(&json!("[{{ input.missing }}{{ null }}{{ input.list }}{{ {a: 1} }}]")),
        r#""[null[1,2]{\"a\":1}]""#
    );
    assert_eq!(expand(&json!("{{ '{{' }}}}")), r#""{{}}""#);
}

#[test]
fn undefined_in_templates() {
    assert_eq!(expand(&json!("{{ input.missing }}")), "null");
    assert_eq!(expand(&json!({"a": "{{ input.missing }}", "b": 1})), r#"{"b":1}"#);
    assert_eq!(expand(&json!(["{{ input.missing }}", "x"])), r#"[null,"x"]"#);
    let object = Template::parse(&json!({"a": "{{ input.missing }}"})).expect("a template");
    let value = object.evaluate(&scope(), &mut Budget::new()).expect("a value");
    assert!(matches!(value, Value::Object(entries) if entries.is_empty()));
}

#[test]
fn constants_stay_as_they_are() {
    let value = json!({"z": [1, 2.5, true, null, "a }} b"], "a": {}});
    let template = Template::parse(&value).expect("a template");
    assert!(template.is_constant());
    assert_eq!(expand(&value), value.to_string());
    let mixed = Template::parse(&json!({"a": ["{{ x }}", "{{ y }} {{ z }}"], "b": 1})).expect("a template");
    assert!(!mixed.is_constant());
    assert_eq!(
        mixed.expressions().map(|expression| expression.source().to_owned()).collect::<Vec<_>>(),
        ["x", "y", "z"]
    );
}

#[test]
fn every_fault_has_its_pointer_and_place() {
    let errors = Template::parse(&json!({"a/b": ["ok", "x\n{{ 1 + }}"], "c": "{{ input.a"})).expect_err("two faults");
    let found: Vec<_> = errors.iter().map(|error| (error.pointer.as_str(), error.line, error.column)).collect();
    assert_eq!(found, [("/a~1b/1", 2, 8), ("/c", 1, 11)]);
    assert_eq!(errors[0].message, "`}` where a value is expected");
    let many = serde_json::Value::Array(vec![json!("{{"); 1000]);
    assert_eq!(Template::parse(&many).expect_err("faults").len(), 100);
}

#[test]
fn templates_are_bounded() {
    let mut deep = json!("{{ 1 }}");
    for _ in 0..10_000 {
        deep = serde_json::Value::Array(vec![deep]);
    }
    assert_eq!(Template::parse(&deep).expect_err("too deep").len(), 1);
    // serde_json drops nested values recursively.
    while let serde_json::Value::Array(mut items) = deep {
        deep = items.pop().unwrap_or_default();
    }
    let long = json!(format!("{{{{ '{}' }}}}", "a".repeat(5000)));
    let error = &Template::parse(&long).expect_err("too long")[0];
    assert_eq!(error.message, "an expression longer than 4096 bytes");
    let text = json!("{{ 'abc'.repeat(50000) }}");
    let large = Template::parse(&json!([text, text])).expect("a template").evaluate(&scope(), &mut Budget::new());
    assert_eq!(large.expect_err("too large").kind, EvalErrorKind::Budget);
}

#[test]
fn json_is_read_and_written_as_javascript_does() {
    for (text, written) in [
        (
            r#"{"b":1.0,"a":-0.0,"2":1e21,"1":[1e-7,12345678901234567890]}"#,
            r#"{"1":[1e-7,12345678901234567000],"2":1e+21,"b":1,"a":0}"#,
        ),
        (r#""\u00e9\u2028\u001f\/\"\\""#, "\"\u{e9}\u{2028}\\u001f/\\\"\\\\\""),
        (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
    ] {
        let value = Value::from_json_text(text).expect("JSON");
        assert_eq!(value.to_json().expect("defined"), written);
        let parsed: serde_json::Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(Value::from_json(&parsed).expect("shallow"), value);
    }
    assert_eq!(
        Value::object([("a", Value::Undefined), ("b", Value::array(vec![Value::Undefined]))])
            .to_json()
            .expect("defined"),
        r#"{"b":[null]}"#
    );
    assert_eq!(Value::Number(f64::INFINITY).to_json().expect("defined"), "null");
    assert_eq!(Value::Undefined.to_json(), None);
    for text in ["", "{", "1 2", r#""\ud83d""#, "1e999"] {
        assert!(matches!(Value::from_json_text(text), Err(JsonError::Syntax(_))), "{text}");
    }
}

#[test]
fn json_depth_is_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(Value::from_json_text(&nested(128)).expect("128 levels").to_json().expect("defined"), nested(128));
    assert!(matches!(Value::from_json_text(&nested(129)), Err(JsonError::Depth)));
    assert!(matches!(Value::from_json_text(&"[".repeat(1_000_000)), Err(JsonError::Depth)));
}
