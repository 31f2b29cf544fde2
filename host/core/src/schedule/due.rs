//! An occurrence as its trigger looks at it: what it starts the workflow with, or why it does not (semantics T3, D6, D8).

use crate::definition::{ScheduleInput, ScheduleTrigger};
use crate::payload::Payload;
use crate::time::Timestamp;
use serde_json::json;
use stepwell_expression::{Budget, Scope, Value};

/// What an occurrence starts a workflow with.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// `config.input`, or `{}`.
    pub input: Payload,
    /// `{type, source, timestamp, data: {scheduledAt}}`.
    pub event: Payload,
}

/// Why an occurrence starts nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quiet {
    /// `condition_false`, `condition_failed` or `expression_error`.
    pub code: &'static str,
    /// For people.
    pub reason: String,
}

/// What the schedule with this id starts at an occurrence. `by_hand`: whatever its condition says.
///
/// # Errors
/// [`Quiet`]: it does not fire.
pub fn due(trigger: &ScheduleTrigger, schedule: &str, at: Timestamp, by_hand: bool) -> Result<Due, Quiet> {
    let moment = at.rfc3339();
    let event = json!({"type": "schedule", "source": schedule, "timestamp": moment, "data": {"scheduledAt": moment}});
    let event = Payload::from_value(&event);
    let mut seen = Seen { event: Value::from_json_text(event.as_str()).unwrap_or(Value::Null), input: None };
    let mut budget = Budget::new();
    let input = match &trigger.input {
        ScheduleInput::Constant(input) => input.clone(),
        ScheduleInput::Template(template) => {
            let value = template.evaluate(&seen, &mut budget).map_err(|error| error.to_string());
            let text = value.and_then(|value| value.to_json().ok_or_else(|| "it is no JSON".to_owned()));
            let payload = text.and_then(|text| Payload::parse(&text).map_err(|error| error.to_string()));
            payload.map_err(|error| quiet("expression_error", "`config.input`", &error))?
        }
    };
    let condition = trigger.condition.as_ref().filter(|_| !by_hand);
    if let Some(condition) = condition {
        seen.input = Some(Value::from_json_text(input.as_str()).unwrap_or(Value::Null));
        match condition.evaluate(&seen, &mut budget) {
            Ok(value) if value.truthy() => {}
            Ok(_) => {
                return Err(Quiet { code: "condition_false", reason: "the trigger's condition is false".to_owned() });
            }
            Err(error) => return Err(quiet("condition_failed", "condition", &error.to_string())),
        }
    }
    Ok(Due { input, event })
}

fn quiet(code: &'static str, what: &str, error: &str) -> Quiet {
    Quiet { code, reason: format!("the trigger's {what} could not be evaluated: {error}") }
}

/// `event`, `input` once it is known, and by their bare names the fields of the input and of the event's data (D5).
struct Seen {
    event: Value,
    input: Option<Value>,
}

impl Scope for Seen {
    fn root(&self, name: &str) -> Option<Value> {
        let field = |of: &Value| match of {
            Value::Object(fields) => fields.get(name).cloned(),
            _ => None,
        };
        match name {
            "event" => Some(self.event.clone()),
            "input" => self.input.clone(),
            _ => self.input.as_ref().and_then(field).or_else(|| field(&self.event.get("data"))),
        }
    }

    fn names(&self) -> Vec<String> {
        let names = ["event", "scheduledAt"].into_iter().chain(self.input.as_ref().map(|_| "input"));
        names.map(str::to_owned).collect()
    }
}
