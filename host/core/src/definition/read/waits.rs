//! `wait`, `event` and `workflow` (semantics C21).

use super::Reader;
use crate::definition::link::Targets;
use crate::definition::{ChildRule, EventRule, OnTimeout, WaitRule, config, is_type_pattern};
use serde_json::Value;

impl Reader<'_, '_> {
    pub fn wait(&mut self) -> Option<WaitRule> {
        self.known(&["duration", "until"]);
        match (self.get("duration"), self.get("until")) {
            (Some(_), None) => self.span("duration").map(WaitRule::For),
            (None, Some(value @ (Value::String(_) | Value::Number(_)))) => {
                self.template("until", value).map(WaitRule::Until)
            }
            (None, Some(_)) => {
                self.fault("until", "wrong_type", "`until` is a moment: RFC 3339 text or milliseconds since 1970")
            }
            (Some(_), Some(_)) => {
                self.fault("until", "ambiguous", "a wait step has either `duration` or `until`, not both")
            }
            (None, None) => self.fault("duration", "missing", "a wait step needs `config.duration` or `config.until`"),
        }
    }

    pub fn event(&mut self, targets: &Targets<'_>) -> Option<EventRule> {
        self.known(&["eventType", "eventTypes", "source", "match", "timeout", "onTimeout", "since"]);
        let given = match (self.get("eventType"), self.get("eventTypes")) {
            (Some(one @ Value::String(_)), None) => vec![one.clone()],
            (None, Some(Value::Array(many))) if !many.is_empty() && many.iter().all(Value::is_string) => many.clone(),
            _ => {
                let message = "an event step needs `config.eventType`, or `config.eventTypes`, a list of types";
                return self.fault("eventType", "missing", message);
            }
        };
        let literal = |value: &Value| value.as_str().is_some_and(|text| text.contains("{{") || is_type_pattern(text));
        if !given.iter().all(literal) {
            let message = "a type of events has dotted segments without white space; `*` stands for one segment, a last `**` for the rest";
            return self.fault("eventType", "out_of_range", message);
        }
        let types = self.template("eventType", &Value::Array(given));
        let source = self.text("source");
        let matches = match self.get("match") {
            None => None,
            Some(Value::String(text)) => {
                let pointer = self.pointer("match");
                self.expression(&pointer, text)
            }
            Some(_) => self.fault("match", "wrong_type", "`match` is an expression string"),
        };
        let timeout = self.span("timeout");
        let on_timeout = targets.on_timeout(self.get("onTimeout"), OnTimeout::Fail, self.findings);
        let since_start = match self.get("since").map(Value::as_str) {
            None => false,
            Some(Some("start")) => true,
            Some(_) => {
                let _: Option<()> = self.fault("since", "out_of_range", "`since` is \"start\", or left out");
                false
            }
        };
        Some(EventRule { types: types?, source, matches, timeout, on_timeout, since_start })
    }

    pub fn child(&mut self) -> Option<ChildRule> {
        self.known(&["workflow", "input", "timeout"]);
        let input = config::input_rule(self.step, self.findings);
        if self.get("workflow").is_none() {
            return self.fault("workflow", "missing", "a workflow step needs `config.workflow`, the id of a workflow");
        }
        Some(ChildRule { workflow: self.text("workflow")?, input })
    }
}
