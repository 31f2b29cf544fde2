//! One step of a tenant's JSON, before its targets are resolved.

use super::config;
use super::fault::Findings;
use super::link::Targets;
use super::read;
use super::{Call, StepKind};
use crate::ids::NAME_BYTES;
use serde_json::{Map, Value};
use stepwell_expression::Expression;

/// The step types of the language (seed and semantics C21).
const TYPES: [&str; 9] = ["function", "condition", "parallel", "loop", "human", "agent", "wait", "event", "workflow"];

/// What could be read of a step without looking at other steps.
pub(super) struct RawStep<'a> {
    /// Its place in the list.
    pub at: usize,
    pub id: &'a str,
    pub name: Option<&'a str>,
    pub kind: &'a str,
    pub next: Option<&'a Value>,
    pub config: Option<&'a Map<String, Value>>,
    object: &'a Map<String, Value>,
}

/// Reads a step; faults that make it useless give `None`.
pub(super) fn read<'a>(at: usize, value: &'a Value, findings: &mut Findings) -> Option<RawStep<'a>> {
    let path = format!("/steps/{at}");
    let Some(object) = value.as_object() else {
        findings.fault(path, "wrong_type", "a step is a JSON object with `id` and `type`");
        return None;
    };
    let id = id(object, &path, findings);
    let kind = kind(object, &path, findings);
    let name = match object.get("name") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name.as_str()),
        Some(_) => {
            findings.fault(format!("{path}/name"), "wrong_type", "`name` is a string");
            None
        }
    };
    let config = match object.get("config") {
        None | Some(Value::Null) => None,
        Some(Value::Object(config)) => Some(config),
        Some(_) => {
            findings.fault(format!("{path}/config"), "wrong_type", "`config` is an object");
            None
        }
    };
    Some(RawStep { at, id: id?, name, kind: kind?, next: object.get("next"), config, object })
}

fn id<'a>(object: &'a Map<String, Value>, path: &str, findings: &mut Findings) -> Option<&'a str> {
    let pointer = format!("{path}/id");
    match object.get("id") {
        Some(Value::String(id)) if is_step_id(id) => Some(id),
        Some(Value::String(_)) => {
            let message =
                format!("a step id has 1 to {NAME_BYTES} bytes, without white space, `/` or control characters");
            findings.fault(pointer, "invalid_id", message);
            None
        }
        Some(_) => {
            findings.fault(pointer, "wrong_type", "`id` is a string");
            None
        }
        None => {
            findings.fault(pointer, "missing", "a step needs an `id`");
            None
        }
    }
}

/// Step ids stand in idempotency keys, between slashes.
fn is_step_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= NAME_BYTES && !id.chars().any(|c| c.is_whitespace() || c.is_control() || c == '/')
}

fn kind<'a>(object: &'a Map<String, Value>, path: &str, findings: &mut Findings) -> Option<&'a str> {
    let pointer = format!("{path}/type");
    match object.get("type") {
        Some(Value::String(kind)) if TYPES.contains(&kind.as_str()) => Some(kind),
        Some(_) => {
            findings.fault(pointer, "unknown_type", format!("`type` is one of {}", TYPES.join(", ")));
            None
        }
        None => {
            findings.fault(pointer, "missing", format!("a step needs a `type`: one of {}", TYPES.join(", ")));
            None
        }
    }
}

impl<'a> RawStep<'a> {
    pub fn is_condition(&self) -> bool {
        self.kind == "condition"
    }

    pub fn pointer(&self, field: &str) -> String {
        format!("/steps/{}/{field}", self.at)
    }

    /// What the step does; `None` if that is at fault.
    pub fn kind(&self, targets: &Targets<'_>, findings: &mut Findings) -> Option<StepKind> {
        match self.kind {
            "function" => self.call(findings).map(StepKind::Function),
            "condition" => self.condition(findings).map(StepKind::Condition),
            _ => read::kind(self, targets, findings),
        }
    }

    /// The step's `condition`; null is as good as missing.
    pub fn condition_value(&self) -> Option<&'a Value> {
        self.object.get("condition").filter(|value| !value.is_null())
    }

    fn call(&self, findings: &mut Findings) -> Option<Call> {
        let function = self.function(findings);
        let input = config::input_rule(self, findings);
        let parameters = config::parameters(self, findings);
        let completes_later = match self.config.and_then(|config| config.get("async")) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(value)) => *value,
            Some(_) => {
                findings.fault(self.pointer("config/async"), "wrong_type", "`async` is true or false");
                false
            }
        };
        Some(Call { function: function?.to_owned(), input, parameters, completes_later })
    }

    fn function(&self, findings: &mut Findings) -> Option<&'a str> {
        let pointer = self.pointer("function");
        let id = match self.object.get("function") {
            Some(Value::String(id)) => Some(id.as_str()),
            // D12: an object stands for its id.
            Some(Value::Object(function)) => match function.get("id").and_then(Value::as_str) {
                Some(id) => Some(id),
                None => {
                    findings.fault(pointer, "missing", "a `function` object needs an `id`");
                    return None;
                }
            },
            Some(_) => {
                findings.fault(pointer, "wrong_type", "`function` is a function id");
                return None;
            }
            None => None,
        };
        match id {
            None => findings.fault(pointer, "missing", "a function step needs `function`, the id of what it calls"),
            Some(id) if crate::ids::is_valid_name(id) => return Some(id),
            Some(_) => {
                let message = format!(
                    "a function id has letters, digits, `-`, `_` and `.`, starts with a letter or digit, and has at most {NAME_BYTES} bytes"
                );
                findings.fault(pointer, "invalid_id", message);
            }
        }
        None
    }

    fn condition(&self, findings: &mut Findings) -> Option<Expression> {
        let pointer = self.pointer("condition");
        match self.object.get("condition") {
            Some(Value::String(source)) => config::expression(source, &pointer, findings),
            Some(_) => {
                findings.fault(pointer, "wrong_type", "`condition` is an expression string");
                None
            }
            None => {
                findings.fault(pointer, "missing", "a condition step needs `condition`, an expression");
                None
            }
        }
    }
}
