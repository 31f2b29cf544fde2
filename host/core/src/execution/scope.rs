//! The names that an expression sees (semantics D5, D6).

use super::{ErrorDetails, Execution, Run, RunIx, RunState, Token};
use crate::definition::{StepIx, Workflow};
use crate::payload::Payload;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use stepwell_expression::{Expression, Value};

/// What a path sees.
pub(super) struct Scope<'a> {
    execution: &'a Execution,
    workflow: &'a Workflow,
    /// `None`: no value yet, the input stands for it.
    result: Option<&'a Payload>,
    error: Option<&'a ErrorDetails>,
    /// The last runs of the path.
    passed: &'a [RunIx],
    /// The steps that are read; `None`: any.
    steps_read: Option<BTreeSet<String>>,
}

/// The roots that are always known, for messages.
const ROOTS: [&str; 8] = ["input", "result", "event", "steps", "trigger", "workflow", "execution", "metadata"];

/// More fields than this in a message help nobody.
const NAMES_SHOWN: usize = 20;

/// The own property of an object; unlike `get`, it tells a missing one from an undefined one.
fn own(value: &Value, name: &str) -> Option<Value> {
    if let Value::Object(object) = value { object.get(name).cloned() } else { None }
}

/// The JSON text of what an expression gave; `undefined` as a whole value is null (D14).
pub(super) fn to_payload(value: &Value) -> Payload {
    value.to_json().map_or_else(Payload::null, |text| Payload::trusted(&text))
}

impl<'a> Scope<'a> {
    /// For a step that this token is at.
    pub fn of_token(execution: &'a Execution, workflow: &'a Workflow, token: &'a Token) -> Self {
        let (result, error) = (token.result.as_ref(), token.error.as_deref());
        Self { execution, workflow, result, error, passed: &token.passed, steps_read: None }
    }

    /// For `output`: all paths.
    pub fn of_end(execution: &'a Execution, workflow: &'a Workflow, result: &'a Payload) -> Self {
        Self { execution, workflow, result: Some(result), error: None, passed: &[], steps_read: None }
    }

    /// Only what this expression reads of `steps` needs to be looked up.
    pub fn reading(mut self, expression: &Expression) -> Self {
        self.steps_read = stepwell_expression_steps(expression);
        self
    }

    fn payload(payload: &Payload) -> Value {
        Value::from_json_text(payload.as_str()).unwrap_or(Value::Null)
    }

    fn json(value: &serde_json::Value) -> Value {
        Value::from_json(value).unwrap_or(Value::Null)
    }

    fn input(&self) -> Value {
        self.execution.started.as_ref().map_or(Value::Null, |started| Self::payload(&started.input))
    }

    fn result(&self) -> Value {
        self.result.map_or_else(|| self.input(), Self::payload)
    }

    fn event(&self) -> Option<Value> {
        Some(Self::payload(self.execution.started.as_ref()?.event.as_ref()?))
    }

    fn workflow(&self) -> Value {
        Self::json(&json!({"id": self.workflow.id, "name": self.workflow.name, "revision": self.workflow.revision}))
    }

    fn execution(&self) -> Value {
        let started_at = self.execution.started_at.rfc3339();
        Self::json(&json!({"id": self.execution.id.to_string(), "startedAt": started_at}))
    }

    fn trigger(&self) -> Value {
        let trigger = self.execution.started.as_ref().map(|started| &started.trigger);
        Self::json(&serde_json::to_value(trigger).unwrap_or_default())
    }

    /// The latest run of each step that this path has passed.
    fn latest(&self) -> BTreeMap<StepIx, RunIx> {
        let mut latest = BTreeMap::new();
        let mut seen = vec![false; self.execution.runs.len()];
        let everything: Vec<RunIx>;
        let mut stack = if self.passed.is_empty() {
            everything = (0u32..).map(RunIx).take(seen.len()).collect();
            everything
        } else {
            self.passed.to_vec()
        };
        while let Some(at) = stack.pop() {
            let Some(run) = self.execution.run(at) else { continue };
            if std::mem::replace(&mut seen[at.at()], true) {
                continue;
            }
            let newest = latest.entry(run.step).or_insert(at);
            *newest = (*newest).max(at);
            stack.extend(&run.before);
        }
        latest
    }

    fn steps(&self) -> Value {
        let latest = self.latest();
        let wanted = |id: &str| self.steps_read.as_ref().is_none_or(|read| read.contains(id));
        let steps = (0u32..).map(StepIx).zip(&self.workflow.steps).filter(|(_, step)| wanted(&step.id));
        Value::object(steps.map(|(at, step)| {
            let run = latest.get(&at).and_then(|run| self.execution.run(*run));
            (step.id.as_str(), run.map_or_else(pending, |run| seen_step(run, &step.id)))
        }))
    }
}

/// The steps that an expression names, if it names them all.
fn stepwell_expression_steps(expression: &Expression) -> Option<BTreeSet<String>> {
    let mut read = BTreeSet::new();
    for (root, property) in expression.reads() {
        if root == "steps" {
            read.insert(property?.to_owned());
        }
    }
    Some(read)
}

fn pending() -> Value {
    Value::object([("status", Value::from("pending"))])
}

/// `{status, result, error, attempts}`
fn seen_step(run: &Run, id: &str) -> Value {
    let status = match run.state {
        RunState::Active { .. } => "running",
        RunState::Completed => "completed",
        RunState::Failed => "failed",
        RunState::Cancelled => "cancelled",
    };
    let error = run.failure.as_ref().map(|failure| {
        let error = ErrorDetails::of(failure, Some(id.to_owned()), Some(run.attempts));
        Scope::json(&error.seen_by_handlers())
    });
    Value::object(
        [
            Some(("status", Value::from(status))),
            run.result.as_ref().map(|result| ("result", Scope::payload(result))),
            error.map(|error| ("error", error)),
            Some(("attempts", Value::Number(f64::from(run.attempts)))),
        ]
        .into_iter()
        .flatten(),
    )
}

impl stepwell_expression::Scope for Scope<'_> {
    fn root(&self, name: &str) -> Option<Value> {
        match name {
            "input" => return Some(self.input()),
            "result" => return Some(self.result()),
            "event" => return Some(self.event().unwrap_or(Value::Undefined)),
            "steps" => return Some(self.steps()),
            "trigger" => return Some(self.trigger()),
            "workflow" => return Some(self.workflow()),
            "execution" => return Some(self.execution()),
            "metadata" => return Some(Self::payload(&self.workflow.metadata)),
            "error" => {
                if let Some(error) = self.error {
                    return Some(Self::json(&error.seen_by_handlers()));
                }
            }
            _ => {}
        }
        // A bare name: fields of `result`, of `input`, of `event.data`.
        let event_data = || self.event().map(|event| event.get("data"));
        [Some(self.result()), Some(self.input()), event_data()]
            .into_iter()
            .flatten()
            .find_map(|value| own(&value, name))
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = ROOTS.iter().map(|name| (*name).to_owned()).collect();
        names.extend(self.error.map(|_| "error".to_owned()));
        for value in [self.result(), self.input()] {
            let Value::Object(object) = value else { continue };
            let fresh = object
                .iter()
                .map(|(name, _)| name)
                .filter(|name| !names.iter().any(|known| **known == ***name))
                .take(NAMES_SHOWN);
            let fresh: Vec<String> = fresh.map(|name| name.to_string()).collect();
            names.extend(fresh);
        }
        names
    }
}
