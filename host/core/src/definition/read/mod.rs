//! Reads the `config` of the step types beyond function and condition.

mod containers;
mod people;
mod waits;

use super::config;
use super::fault::{Findings, segment};
use super::link::Targets;
use super::step::RawStep;
use super::{Span, StepKind};
use serde_json::{Map, Value};
use stepwell_expression::{Expression, Template};

/// A step's `config`, and where its faults go.
struct Reader<'a, 'f> {
    step: &'a RawStep<'a>,
    findings: &'f mut Findings,
}

/// What a step of this type does; `None` if that is at fault.
pub(super) fn kind(step: &RawStep<'_>, targets: &Targets<'_>, findings: &mut Findings) -> Option<StepKind> {
    let mut reader = Reader { step, findings };
    match step.kind {
        "parallel" => reader.parallel(targets).map(StepKind::Parallel),
        "loop" => reader.loop_rule(targets).map(|rule| StepKind::Loop(Box::new(rule))),
        "human" => reader.human(targets).map(|rule| StepKind::Human(Box::new(rule))),
        "agent" => reader.agent().map(StepKind::Agent),
        "wait" => reader.wait().map(StepKind::Wait),
        "event" => reader.event(targets).map(|rule| StepKind::Event(Box::new(rule))),
        "workflow" => reader.child().map(|rule| StepKind::Workflow(Box::new(rule))),
        other => {
            let message = format!("steps of type {other} are not supported by this version");
            reader.findings.fault(step.pointer("type"), "unsupported_step_type", message);
            None
        }
    }
}

impl<'a> Reader<'a, '_> {
    fn pointer(&self, key: &str) -> String {
        self.step.pointer(&format!("config/{}", segment(key)))
    }

    /// A key of `config`; null is as good as missing.
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.step.config?.get(key).filter(|value| !value.is_null())
    }

    fn fault<T>(&mut self, key: &str, code: &'static str, message: impl Into<String>) -> Option<T> {
        let pointer = self.pointer(key);
        self.findings.fault(pointer, code, message);
        None
    }

    fn boolean(&mut self, key: &str) -> bool {
        match self.get(key) {
            None => false,
            Some(Value::Bool(value)) => *value,
            Some(_) => {
                let _: Option<()> = self.fault(key, "wrong_type", format!("`{key}` is true or false"));
                false
            }
        }
    }

    /// A whole number from 1.
    fn count(&mut self, key: &str, most: u32) -> Option<u32> {
        let value = self.get(key)?;
        let number = value.as_f64().filter(|n| n.fract() == 0.0 && (1.0..=f64::from(most)).contains(n));
        match number {
            Some(number) => Some(number as u32),
            None => self.fault(key, "out_of_range", format!("`{key}` is a whole number from 1 to {most}")),
        }
    }

    fn expression(&mut self, pointer: &str, source: &str) -> Option<Expression> {
        config::expression(source, pointer, self.findings)
    }

    fn template(&mut self, key: &str, value: &Value) -> Option<Template> {
        let pointer = self.pointer(key);
        config::template(value, &pointer, self.findings)
    }

    /// A string, which may be a template.
    fn text(&mut self, key: &str) -> Option<Template> {
        match self.get(key)? {
            value @ Value::String(_) => self.template(key, value),
            _ => self.fault(key, "wrong_type", format!("`{key}` is a string")),
        }
    }

    /// Milliseconds, a text such as `"30s"`, or a template that gives one of them.
    fn span(&mut self, key: &str) -> Option<Span> {
        let value = self.get(key)?;
        if value.as_str().is_some_and(|text| text.contains("{{")) {
            return self.template(key, value).map(Span::Template);
        }
        let pointer = self.pointer(key);
        config::duration(value, &pointer, self.findings).map(Span::Fixed)
    }

    /// Keys that have no meaning are mistakes more often than notes.
    fn known(&mut self, known: &[&str]) {
        for key in self.step.config.into_iter().flat_map(Map::keys) {
            if known.contains(&key.as_str()) || config::COMMON.contains(&key.as_str()) {
                continue;
            }
            let near = config::nearest(key, known.iter().copied().chain(config::COMMON));
            if let Some(meant) = near {
                let pointer = self.pointer(key);
                self.findings.warn(pointer, "near_miss", format!("`{key}` has no effect; did you mean `{meant}`?"));
            }
        }
    }
}
