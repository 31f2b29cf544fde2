//! What starts a workflow (semantics T1-T3): a list in its definition, read kind by kind.

mod event;
mod schedule;
mod webhook;

pub use event::{EventTrigger, is_type_pattern, type_matches};
pub use schedule::{Catchup, Overlap, ScheduleInput, ScheduleTrigger};
pub use webhook::{Algorithm, Encoding, HmacRule, Scheme, WebhookTrigger, is_webhook_path};

use super::fault::Findings;
use serde_json::{Map, Value};
use stepwell_expression::Expression;

/// Most triggers of a workflow: each event is compared with each.
const TRIGGERS: usize = 100;

/// The triggers of a workflow, by kind, each in the order of the definition. Those of type `manual` need nothing.
#[derive(Debug, Clone, Default)]
pub struct Triggers {
    /// The events that start it (T2).
    pub events: Vec<EventTrigger>,
    /// The times at which it starts (T6).
    pub schedules: Vec<ScheduleTrigger>,
    /// The requests that start it (T8).
    pub webhooks: Vec<WebhookTrigger>,
}

/// Reads `triggers`.
pub(super) fn read(object: &Map<String, Value>, findings: &mut Findings) -> Triggers {
    let mut triggers = Triggers::default();
    for (at, trigger) in list(object, findings).iter().enumerate() {
        match trigger.get("type").and_then(Value::as_str) {
            Some("manual") => {}
            Some("event") => triggers.events.extend(event::read(at, trigger, findings)),
            Some("schedule") => {
                let read = schedule::read(at, trigger, &triggers.schedules, findings);
                triggers.schedules.extend(read);
            }
            Some("webhook") => {
                let read = webhook::read(at, trigger, &triggers.webhooks, findings);
                triggers.webhooks.extend(read);
            }
            Some(_) | None => {
                let message = "a trigger's `type` is schedule, event, webhook or manual";
                findings.fault(format!("/triggers/{at}/type"), "unknown_type", message);
            }
        }
    }
    triggers
}

fn list<'a>(object: &'a Map<String, Value>, findings: &mut Findings) -> &'a [Value] {
    match object.get("triggers") {
        None | Some(Value::Null) => &[],
        Some(Value::Array(list)) if list.len() > TRIGGERS => {
            let message = format!("{} triggers; a workflow has at most {TRIGGERS} (limit `definition`)", list.len());
            findings.fault("/triggers", "too_many", message);
            &[]
        }
        Some(Value::Array(list)) => list,
        Some(_) => {
            findings.fault("/triggers", "wrong_type", "`triggers` is a list");
            &[]
        }
    }
}

/// A trigger's `config`; `missing` says what it must hold.
fn config<'a>(at: usize, trigger: &'a Value, missing: &str, findings: &mut Findings) -> Option<&'a Map<String, Value>> {
    let pointer = format!("/triggers/{at}/config");
    match trigger.get("config") {
        Some(Value::Object(config)) => return Some(config),
        None | Some(Value::Null) => findings.fault(pointer, "missing", missing),
        Some(_) => findings.fault(pointer, "wrong_type", "`config` is an object"),
    }
    None
}

/// A trigger's `condition` (T3).
fn condition(at: usize, trigger: &Value, findings: &mut Findings) -> Option<Expression> {
    let pointer = format!("/triggers/{at}/condition");
    match trigger.get("condition") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => super::config::expression(text, &pointer, findings),
        Some(_) => {
            findings.fault(pointer, "wrong_type", "`condition` is an expression string");
            None
        }
    }
}
