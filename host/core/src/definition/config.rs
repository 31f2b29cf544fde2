//! A step's `config`: the reserved keys, and what is left as parameters (semantics C15, C16, C20, D2).

use super::fault::{Findings, segment};
use super::limit::Limit;
use super::step::RawStep;
use super::{Backoff, InputRule, JoinPolicy, RetryPolicy, secret};
use crate::time::{LONGEST_MS, parse_duration};
use serde_json::{Map, Value};
use stepwell_expression::{Expression, Template};

/// Reserved in a function step's `config`; all others are parameters (C20).
const RESERVED: [&str; 11] =
    ["input", "onError", "retries", "retry", "timeout", "join", "cancelRest", "else", "description", "limit", "async"];

/// Reserved in the `config` of every type of step.
pub(super) const COMMON: [&str; 9] =
    ["onError", "retries", "retry", "timeout", "join", "cancelRest", "else", "description", "limit"];

/// Most attempts after the first: more would hide an outage from whoever could mend it.
const RETRIES: u64 = 100;
/// The reserved keys that every step type has.
pub(super) struct StepConfig {
    pub retry: RetryPolicy,
    pub timeout_ms: Option<u64>,
    pub limit: Option<Limit>,
    pub join: JoinPolicy,
    pub cancel_rest: bool,
}

impl StepConfig {
    pub fn read(step: &RawStep<'_>, findings: &mut Findings) -> Self {
        let empty = Map::new();
        let config = step.config.unwrap_or(&empty);
        let path = step.pointer("config");
        let limit = super::limit::read(config, &path, findings);
        if limit.is_some() && !matches!(step.kind, "function" | "agent") {
            let message = "only a function step takes `limit`; the workflow has one, too";
            findings.warn(format!("{path}/limit"), "no_effect", message);
        }
        Self {
            limit,
            retry: retry(config, &path, findings),
            timeout_ms: attempt_timeout(step, config, &path, findings),
            join: join(config.get("join"), &format!("{path}/join"), findings),
            cancel_rest: cancel_rest(config, &path, findings),
        }
    }
}

/// Only attempts have a time limit of this form; a person's answer and an event have their own.
fn attempt_timeout(
    step: &RawStep<'_>,
    config: &Map<String, Value>,
    path: &str,
    findings: &mut Findings,
) -> Option<u64> {
    if !matches!(step.kind, "function" | "agent" | "workflow") {
        return None;
    }
    let timeout = config.get("timeout").and_then(|v| duration(v, &format!("{path}/timeout"), findings));
    if timeout == Some(0) {
        findings.fault(format!("{path}/timeout"), "out_of_range", "`timeout` is more than 0");
    }
    timeout
}

fn cancel_rest(config: &Map<String, Value>, path: &str, findings: &mut Findings) -> bool {
    match config.get("cancelRest") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(value)) => *value,
        Some(_) => {
            findings.fault(format!("{path}/cancelRest"), "wrong_type", "`cancelRest` is true or false");
            false
        }
    }
}

fn retry(config: &Map<String, Value>, path: &str, findings: &mut Findings) -> RetryPolicy {
    let mut policy = RetryPolicy::NONE;
    if let Some(value) = config.get("retries").filter(|v| !v.is_null()) {
        policy.attempts = count(value, &format!("{path}/retries"), RETRIES, findings);
    }
    let pointer = format!("{path}/retry");
    let retry = match config.get("retry") {
        None | Some(Value::Null) => return policy,
        Some(Value::Object(retry)) => retry,
        Some(_) => {
            findings.fault(pointer, "wrong_type", "`retry` is an object {attempts, backoff, delay, maxDelay}");
            return policy;
        }
    };
    if let Some(value) = retry.get("attempts") {
        policy.attempts = count(value, &format!("{pointer}/attempts"), RETRIES, findings);
    }
    if let Some(value) = retry.get("backoff") {
        match value.as_str() {
            Some("exponential") => policy.backoff = Backoff::Exponential,
            Some("linear") => policy.backoff = Backoff::Linear,
            Some("constant") => policy.backoff = Backoff::Constant,
            Some(_) | None => {
                let message = "`backoff` is exponential, linear or constant";
                findings.fault(format!("{pointer}/backoff"), "out_of_range", message);
            }
        }
    }
    for (key, field) in [("delay", &mut policy.delay_ms), ("maxDelay", &mut policy.max_delay_ms)] {
        if let Some(ms) = retry.get(key).and_then(|v| duration(v, &format!("{pointer}/{key}"), findings)) {
            *field = ms;
        }
    }
    let known = ["attempts", "backoff", "delay", "maxDelay"];
    for key in retry.keys().filter(|key| !known.contains(&key.as_str())) {
        let message = format!("`retry` has {}; this key has no effect", known.join(", "));
        findings.warn(format!("{pointer}/{}", segment(key)), "no_effect", message);
    }
    policy
}

fn join(value: Option<&Value>, pointer: &str, findings: &mut Findings) -> JoinPolicy {
    match value {
        None | Some(Value::Null) => JoinPolicy::All,
        Some(Value::String(word)) if word == "all" => JoinPolicy::All,
        Some(Value::String(word)) if word == "any" => JoinPolicy::Count(1),
        Some(Value::Object(object)) if object.get("count").and_then(Value::as_u64).is_some_and(|n| n > 0) => {
            JoinPolicy::Count(count(&object["count"], &format!("{pointer}/count"), u64::from(u32::MAX), findings))
        }
        Some(_) => {
            findings.fault(pointer, "out_of_range", "`join` is \"all\", \"any\" or {\"count\": n} with n of 1 or more");
            JoinPolicy::All
        }
    }
}

fn count(value: &Value, pointer: &str, most: u64, findings: &mut Findings) -> u32 {
    let number = value.as_u64().or_else(|| value.as_f64().filter(|f| f.fract() == 0.0 && *f >= 0.0).map(|f| f as u64));
    match number.filter(|n| *n <= most).and_then(|n| u32::try_from(n).ok()) {
        Some(number) => number,
        None => {
            findings.fault(pointer, "out_of_range", format!("a whole number from 0 to {most}"));
            0
        }
    }
}

/// Milliseconds as a number, or a text such as `"30s"`.
pub(super) fn duration(value: &Value, pointer: &str, findings: &mut Findings) -> Option<u64> {
    let ms = match value {
        Value::Null => return None,
        Value::Number(number) => {
            number.as_f64().filter(|ms| (0.0..=LONGEST_MS as f64).contains(ms)).map(|ms| ms as u64)
        }
        Value::String(text) => parse_duration(text),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    if ms.is_none() {
        let message = "milliseconds as a number, or a text such as \"500ms\", \"30s\", \"5m\", \"24h\" or \"7d\"";
        findings.fault(pointer, "out_of_range", message);
    }
    ms
}

/// `config.input`: an expression string or an object with templates (D1).
pub(super) fn input_rule(step: &RawStep<'_>, findings: &mut Findings) -> Option<InputRule> {
    let pointer = step.pointer("config/input");
    match step.config?.get("input")? {
        Value::Null => None,
        Value::String(source) => {
            let expression = parsed(source, &pointer, findings)?;
            see_secrets([&expression], &pointer, step, findings);
            Some(InputRule::Expression(expression))
        }
        value @ Value::Object(_) => {
            let template = parsed_template(value, &pointer, findings)?;
            see_secrets(template.expressions(), &pointer, step, findings);
            Some(InputRule::Template(template))
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            findings.fault(
                pointer,
                "wrong_type",
                "`input` is an object with {{ }} templates, or one expression string",
            );
            None
        }
    }
}

/// All other keys of a function step's `config` (D2).
pub(super) fn parameters(step: &RawStep<'_>, findings: &mut Findings) -> Option<Template> {
    let mut rest = Map::new();
    for (key, value) in step.config? {
        if RESERVED.contains(&key.as_str()) {
            continue;
        }
        if let Some(meant) = near_miss(key) {
            let message = format!("`{key}` is passed to the function as a parameter; did you mean `{meant}`?");
            findings.warn(step.pointer(&format!("config/{}", segment(key))), "near_miss", message);
        }
        rest.insert(key.clone(), value.clone());
    }
    if rest.is_empty() {
        return None;
    }
    let pointer = step.pointer("config");
    let template = parsed_template(&Value::Object(rest), &pointer, findings)?;
    see_secrets(template.expressions(), &pointer, step, findings);
    Some(template)
}

/// Only functions get secrets: what other steps compute becomes part of the journal.
fn see_secrets<'e>(
    expressions: impl IntoIterator<Item = &'e Expression>,
    pointer: &str,
    step: &RawStep<'_>,
    findings: &mut Findings,
) {
    if step.kind == "function" {
        secret::read(expressions, pointer, findings);
    } else {
        secret::refuse(expressions, pointer, findings);
    }
}

/// An expression that reads no secrets.
pub(super) fn expression(source: &str, pointer: &str, findings: &mut Findings) -> Option<Expression> {
    let expression = parsed(source, pointer, findings)?;
    secret::refuse([&expression], pointer, findings);
    Some(expression)
}

/// A template that reads no secrets.
pub(super) fn template(value: &Value, pointer: &str, findings: &mut Findings) -> Option<Template> {
    let template = parsed_template(value, pointer, findings)?;
    secret::refuse(template.expressions(), pointer, findings);
    Some(template)
}

fn parsed(source: &str, pointer: &str, findings: &mut Findings) -> Option<Expression> {
    Expression::parse(source).map_err(|error| findings.fault(pointer, "invalid_expression", error.to_string())).ok()
}

fn parsed_template(value: &Value, pointer: &str, findings: &mut Findings) -> Option<Template> {
    Template::parse(value)
        .map_err(|errors| {
            for error in errors {
                findings.fault(format!("{pointer}{}", error.pointer), "invalid_expression", error.to_string());
            }
        })
        .ok()
}

fn near_miss(key: &str) -> Option<&'static str> {
    nearest(key, RESERVED)
}

/// The key that this one looks like: at most two letters changed, added, left out or swapped.
pub(super) fn nearest<'k>(key: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let far = |known: &str| if known.len() < 6 { 1 } else { 2 };
    known
        .into_iter()
        .find(|known| key.eq_ignore_ascii_case(known) || strsim::damerau_levenshtein(key, known) <= far(known))
}
