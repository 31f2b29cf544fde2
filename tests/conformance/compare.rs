//! What is expected against what was answered.

use crate::case::Answers;
use crate::support::Answer;
use serde_json::{Map, Value};

/// Stands for any value, inside something that is expected.
const ANY: &str = "$any";
/// Stands for a key that must not be there.
const ABSENT: &str = "$absent";

/// Differences of an answer about an execution.
pub fn answer(expected: &Answers, answer: &Answer, execution: &str) -> Vec<String> {
    let mut differences = Vec::new();
    if answer.status != expected.status {
        differences.push(format!("answered {} instead of {}", answer.status, expected.status));
    }
    if let Some(code) = &expected.code {
        part(&Value::from(code.as_str()), answer.body.get("code"), "code", &mut differences);
    }
    let lists = [("errors", &expected.pointers), ("warnings", &expected.warnings)];
    for (key, pointers) in lists {
        let Some(pointers) = pointers else { continue };
        let found = answer.body[key].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut found: Vec<_> = found.iter().map(|each| each["pointer"].as_str().unwrap_or_default()).collect();
        let mut wanted: Vec<_> = pointers.iter().map(String::as_str).collect();
        found.sort_unstable();
        wanted.sort_unstable();
        if found != wanted {
            differences.push(format!("{key}: at {found:?} instead of {wanted:?}"));
        }
    }
    if let Some(body) = &expected.body {
        part(&named(body, execution), Some(&answer.body), "", &mut differences);
    }
    lacks(&expected.lacks, &answer.body, &mut differences);
    differences
}

/// With the execution's id for `{execution}`.
pub fn named(body: &Value, execution: &str) -> Value {
    let text = body.to_string().replace("{execution}", execution);
    serde_json::from_str(&text).expect("an id needs no escapes")
}

/// None of these texts may stand anywhere.
fn lacks(texts: &[String], body: &Value, differences: &mut Vec<String>) {
    let body = body.to_string();
    differences.extend(texts.iter().filter(|text| body.contains(*text)).map(|text| format!("contains {text:?}")));
}

/// Differences of an ended execution: `result` is the whole result, `error` stands in the error's text, `code` is the
/// failure's code, `lacks` are texts that stand nowhere, and every other key is a part of the answer's.
pub fn end(expected: &Map<String, Value>, ended: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    for (key, expected) in expected {
        match key.as_str() {
            "result" if !is_same(expected, ended.get(key).unwrap_or(&Value::Null)) => {
                differences.push(format!("result: {} instead of {expected}", ended["result"]));
            }
            "result" => {}
            "error" => {
                let text = ended["error"].as_str().unwrap_or_default();
                if !expected.as_str().is_some_and(|expected| text.contains(expected)) {
                    differences.push(format!("error: {text:?} does not contain {expected}"));
                }
            }
            "lacks" => {
                let texts = expected.as_array().map(Vec::as_slice).unwrap_or_default();
                let texts: Vec<_> = texts.iter().filter_map(Value::as_str).map(str::to_owned).collect();
                lacks(&texts, ended, &mut differences);
            }
            "code" => part(expected, ended["errorDetails"].get("code"), key, &mut differences),
            _ => part(expected, ended.get(key), key, &mut differences),
        }
    }
    differences
}

/// Whether `actual` has everything that `expected` has.
pub fn is_part(expected: &Value, actual: &Value) -> bool {
    let mut differences = Vec::new();
    part(expected, Some(actual), "", &mut differences);
    differences.is_empty()
}

/// An object is a part of one with more keys, a list of one that is as long and has its elements as parts.
fn part(expected: &Value, actual: Option<&Value>, at: &str, differences: &mut Vec<String>) {
    match (expected, actual) {
        (Value::String(mark), None) if mark == ABSENT => {}
        (Value::String(mark), Some(_)) if mark == ANY => {}
        (Value::Object(expected), Some(Value::Object(actual))) => {
            for (key, expected) in expected {
                part(expected, actual.get(key), &format!("{at}/{key}"), differences);
            }
        }
        (Value::Array(expected), Some(Value::Array(actual))) if expected.len() == actual.len() => {
            for (place, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                part(expected, Some(actual), &format!("{at}/{place}"), differences);
            }
        }
        (expected, Some(actual)) if expected == actual => {}
        (expected, actual) => {
            let actual = actual.map_or_else(|| "nothing".to_owned(), Value::to_string);
            differences.push(format!("{at}: {actual} instead of {expected}"));
        }
    }
}

/// Equal, but for `$any`. Numbers are compared as they are written: 1 is not 1.0 (D14).
fn is_same(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::String(mark), _) if mark == ANY => true,
        (Value::Object(expected), Value::Object(actual)) => {
            expected.len() == actual.len()
                && expected.iter().all(|(key, value)| actual.get(key).is_some_and(|actual| is_same(value, actual)))
        }
        (Value::Array(expected), Value::Array(actual)) => {
            expected.len() == actual.len() && expected.iter().zip(actual).all(|(a, b)| is_same(a, b))
        }
        (expected, actual) => expected == actual,
    }
}
