//! What a host sees of functions that are written with the SDK: names, inputs, failures, metadata.

// A function owns its input, whether it needs to or not.
#![allow(clippy::needless_pass_by_value)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use stepwell::__private::run;
use stepwell::{Ctx, Error, function, metadata};

#[derive(Deserialize, JsonSchema)]
struct Order {
    lines: Vec<Line>,
}

#[derive(Deserialize, JsonSchema)]
struct Line {
    count: u32,
}

#[derive(Serialize, JsonSchema)]
struct Receipt {
    count: u32,
}

/// Adds up the lines
/// of an order.
#[function]
fn add_up(input: Order) -> Result<Receipt, Error> {
    Ok(Receipt { count: input.lines.iter().map(|line| line.count).sum() })
}

#[function(name = "charge-payment")]
fn charge(ctx: &Ctx, input: Value) -> Result<Value, Error> {
    match ctx.attempt {
        1 => Err(Error::retryable("busy", "try later").retry_after(Duration::from_millis(1500)).details(input)),
        _ => Ok(input),
    }
}

#[function]
fn no_input() -> Result<u8, Error> {
    Ok(1)
}

#[function]
fn only_ctx(ctx: &Ctx) -> Result<String, Error> {
    Ok(ctx.function.clone())
}

#[function]
fn plain_error(input: String) -> Result<u32, std::num::ParseIntError> {
    input.parse()
}

fn call(function: &str, attempt: u32, input: &str) -> Result<String, Error> {
    let mut ctx = Ctx::test().with_attempt(attempt);
    ctx.function = function.into();
    run(&ctx, input)
}

#[test]
fn a_function_is_found_by_its_name() {
    assert_eq!(call("add-up", 1, r#"{"lines":[{"count":2},{"count":3,"more":true}]}"#).unwrap(), r#"{"count":5}"#);
    assert_eq!(call("charge-payment", 2, "[1]").unwrap(), "[1]");
    assert_eq!(call("no-input", 1, r#"{"anything":[]}"#).unwrap(), "1");
    assert_eq!(call("only-ctx", 1, "null").unwrap(), r#""only-ctx""#);
}

#[test]
fn an_unknown_name_is_a_permanent_failure_that_lists_the_known_ones() {
    let error = call("charge", 1, "{}").unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("unknown_function", false));
    assert!(error.message().contains("add-up, charge-payment, no-input"), "{error}");
}

#[test]
fn an_input_that_does_not_fit_names_the_field() {
    let error = call("add-up", 1, r#"{"lines":[{"count":2},{"count":"3"}]}"#).unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("invalid_input", false));
    assert!(error.message().starts_with("input.lines[1].count: invalid type: string \"3\", expected u32"), "{error}");
    assert_eq!(error.details_json(), Some(&json!({ "path": "lines[1].count" })));

    let error = call("add-up", 1, "{}").unwrap_err();
    assert!(error.message().starts_with("input: missing field `lines`"), "{error}");
}

#[test]
fn text_after_the_input_is_refused() {
    assert_eq!(call("add-up", 1, r#"{"lines":[]} {}"#).unwrap_err().code(), "invalid_input");
    assert_eq!(call("no-input", 1, "{").unwrap_err().code(), "invalid_input");
}

#[test]
fn numbers_come_back_as_they_went_in() {
    for number in ["120", "120.0", "0.1", "9007199254740993", "1.0000000000000002", "2.2250738585072014e-308"] {
        assert_eq!(call("charge-payment", 2, number).unwrap(), number);
    }
}

#[test]
fn an_error_says_whether_to_try_again() {
    let error = call("charge-payment", 1, r#"{"a":1}"#).unwrap_err();
    assert_eq!((error.code(), error.message(), error.is_retryable()), ("busy", "try later", true));
    assert_eq!(error.pause(), Some(Duration::from_millis(1500)));
    assert_eq!(error.details_json(), Some(&json!({ "a": 1 })));

    let error = call("plain-error", 1, r#""twelve""#).unwrap_err();
    assert_eq!((error.code(), error.is_retryable(), error.pause()), ("function_error", true, None));
    assert_eq!(error.message(), "invalid digit found in string");
}

#[test]
fn metadata_is_one_json_object_per_line() {
    let text = metadata();
    assert!(text.ends_with('\n'));
    let functions: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> = functions.iter().map(|function| function["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["add-up", "charge-payment", "no-input", "only-ctx", "plain-error", "without-schema"]);
    assert_eq!(functions[0]["description"], "Adds up the lines\nof an order.");
    assert_eq!(functions[0]["inputSchema"]["required"], json!(["lines"]));
    assert_eq!(functions[0]["outputSchema"]["properties"]["count"]["type"], "integer");
    assert_eq!(functions[1].get("description"), None);
    assert_eq!(functions[5], json!({ "name": "without-schema" }));
}

/// A type that has no schema is no obstacle.
#[derive(Deserialize, Serialize)]
struct NoSchema;

#[function]
fn without_schema(input: NoSchema) -> Result<NoSchema, Error> {
    Ok(input)
}
