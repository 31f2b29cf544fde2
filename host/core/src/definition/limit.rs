//! `limit {key, max}` of a workflow or a step: how many of the same key are under way at once.

use super::config;
use super::fault::{Findings, segment};
use serde_json::{Map, Value};
use stepwell_expression::{Expression, Template};

/// The most that a limit may allow: a larger one would limit nothing.
const MOST: u64 = 100_000;

/// How many of one key are under way at once; others wait in the order in which they came.
#[derive(Debug, Clone)]
pub struct Limit {
    /// What they are told apart by; `None`: by nothing, the limit holds for all together.
    pub key: Option<LimitKey>,
    /// How many.
    pub max: u32,
}

/// What executions are told apart by.
#[derive(Debug, Clone)]
pub enum LimitKey {
    /// The value of an expression.
    Expression(Expression),
    /// A text with expressions in it.
    Template(Template),
}

/// Reads `limit`, an object or just the number.
pub(super) fn read(object: &Map<String, Value>, path: &str, findings: &mut Findings) -> Option<Limit> {
    let pointer = format!("{path}/limit");
    let limit = match object.get("limit")? {
        Value::Null => return None,
        number @ Value::Number(_) => return max(Some(number), &pointer, findings).map(|max| Limit { key: None, max }),
        Value::Object(limit) => limit,
        Value::Bool(_) | Value::String(_) | Value::Array(_) => {
            findings.fault(pointer, "wrong_type", "`limit` is an object {key, max}, or a number");
            return None;
        }
    };
    for key in limit.keys().filter(|key| !["key", "max"].contains(&key.as_str())) {
        let message = "`limit` has key, max; this key has no effect";
        findings.warn(format!("{pointer}/{}", segment(key)), "no_effect", message);
    }
    let max = max(limit.get("max"), &format!("{pointer}/max"), findings);
    let key = match limit.get("key") {
        None | Some(Value::Null) => None,
        Some(Value::String(source)) => Some(key(source, &format!("{pointer}/key"), findings)?),
        Some(_) => {
            findings.fault(format!("{pointer}/key"), "wrong_type", "`key` is an expression, or a text with {{ }}");
            return None;
        }
    };
    Some(Limit { key, max: max? })
}

fn key(source: &str, pointer: &str, findings: &mut Findings) -> Option<LimitKey> {
    if source.contains("{{") {
        let value = Value::String(source.to_owned());
        return config::template(&value, pointer, findings).map(LimitKey::Template);
    }
    config::expression(source, pointer, findings).map(LimitKey::Expression)
}

fn max(value: Option<&Value>, pointer: &str, findings: &mut Findings) -> Option<u32> {
    let max = value.and_then(Value::as_u64).filter(|max| (1..=MOST).contains(max));
    let max = max.and_then(|max| u32::try_from(max).ok());
    if max.is_none() {
        findings.fault(pointer, "out_of_range", format!("`max` is a whole number from 1 to {MOST}"));
    }
    max
}
