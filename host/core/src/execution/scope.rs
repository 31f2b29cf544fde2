//! The names that an expression sees (semantics D5, D6).

use super::{ErrorDetails, Execution, Place, Run, RunIx, RunState, Token};
use crate::definition::{StepIx, Workflow};
use crate::payload::Payload;
use serde_json::json;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use stepwell_expression::{Expression, Value};

/// What a path sees.
pub(super) struct Scope<'a> {
    execution: &'a Execution,
    workflow: &'a Workflow,
    /// `None`: no value yet, the input stands for it.
    result: Option<&'a Payload>,
    error: Option<&'a ErrorDetails>,
    passed: Passed<'a>,
    /// The steps that are read; `None`: any.
    steps_read: Option<BTreeSet<String>>,
    parsed: &'a Parsed,
    steps: OnceCell<Value>,
}

/// Which runs a path has passed.
#[derive(Clone, Copy)]
enum Passed<'a> {
    /// These, and all before them.
    Behind(&'a [RunIx]),
    /// All that there were.
    Everything,
}

/// Payloads that were parsed while one entry was applied: conditions in a row mostly read the same ones. It also counts the work, since the
/// evaluation's budget knows nothing of the parsing.
#[derive(Default)]
pub(super) struct Parsed {
    values: RefCell<VecDeque<(Payload, Value)>>,
    work: Cell<u64>,
}

/// Parsed payloads that are kept at one time.
const PARSED: usize = 16;
/// So much text is parsed in the time of one evaluation step.
const BYTES_PER_STEP: u64 = 256;

impl Parsed {
    fn value(&self, payload: &Payload) -> Value {
        if let Some((_, value)) = self.values.borrow().iter().find(|(known, _)| known.is_same(payload)) {
            return value.clone();
        }
        self.spend(1 + payload.as_str().len() as u64 / BYTES_PER_STEP);
        let value = Value::from_json_text(payload.as_str()).unwrap_or(Value::Null);
        let mut values = self.values.borrow_mut();
        if values.len() == PARSED {
            values.pop_front();
        }
        values.push_back((payload.clone(), value.clone()));
        value
    }

    /// Counts evaluation steps.
    pub fn spend(&self, steps: u64) {
        self.work.set(self.work.get().saturating_add(steps));
    }

    /// Evaluation steps so far, parsing included.
    pub fn work(&self) -> u64 {
        self.work.get()
    }
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
    /// For a step that this token is at. The step's own run under way is not passed yet.
    pub fn of_token(
        (execution, workflow): (&'a Execution, &'a Workflow),
        token: &'a Token,
        parsed: &'a Parsed,
    ) -> Self {
        let (result, error) = (token.result.as_ref(), token.error.as_deref());
        let own = match token.place {
            Place::In(run) => execution.run(run),
            Place::At { .. } | Place::Moving => None,
        };
        let passed = Passed::Behind(own.map_or(&token.passed, |run| &run.before));
        Self { execution, workflow, result, error, passed, steps_read: None, parsed, steps: OnceCell::new() }
    }

    /// For `output`: all paths.
    pub fn of_end(
        (execution, workflow): (&'a Execution, &'a Workflow),
        result: &'a Payload,
        parsed: &'a Parsed,
    ) -> Self {
        let (result, error, passed) = (Some(result), None, Passed::Everything);
        Self { execution, workflow, result, error, passed, steps_read: None, parsed, steps: OnceCell::new() }
    }

    /// Only what these expressions read of `steps` needs to be looked up.
    pub fn reading<'e>(mut self, expressions: impl IntoIterator<Item = &'e Expression>) -> Self {
        self.steps_read = steps_read(expressions);
        self
    }

    fn payload(&self, payload: &Payload) -> Value {
        self.parsed.value(payload)
    }

    fn json(value: &serde_json::Value) -> Value {
        Value::from_json(value).unwrap_or(Value::Null)
    }

    fn input(&self) -> Value {
        self.execution.started.as_ref().map_or(Value::Null, |started| self.payload(&started.input))
    }

    fn result(&self) -> Value {
        self.result.map_or_else(|| self.input(), |result| self.payload(result))
    }

    fn event(&self) -> Option<Value> {
        Some(self.payload(self.execution.started.as_ref()?.event.as_ref()?))
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

    /// The latest run of each wanted step that this path has passed. Later runs have higher numbers than those before them: taken from
    /// the highest down, the first of a step is its latest, and what has all it wants stops.
    fn latest(&self, wanted: &[StepIx]) -> BTreeMap<StepIx, RunIx> {
        let runs = &self.execution.runs;
        let mut latest = BTreeMap::new();
        let mut heap: BinaryHeap<RunIx> = match self.passed {
            Passed::Behind(last) => last.iter().copied().collect(),
            Passed::Everything => (0u32..).map(RunIx).take(runs.len()).collect(),
        };
        let (mut looked_at, mut last) = (0u64, None);
        while latest.len() < wanted.len()
            && let Some(at) = heap.pop()
        {
            let Some(run) = self.execution.run(at).filter(|_| last != Some(at)) else { continue };
            looked_at += 1;
            last = Some(at);
            if wanted.binary_search(&run.step).is_ok() {
                latest.entry(run.step).or_insert(at);
            }
            if matches!(self.passed, Passed::Behind(_)) {
                heap.extend(&run.before);
            }
        }
        self.parsed.spend(looked_at / RUNS_PER_STEP);
        latest
    }

    fn steps(&self) -> Value {
        let mut wanted: Vec<StepIx> = match &self.steps_read {
            Some(read) => read.iter().filter_map(|id| self.workflow.find(id)).collect(),
            None => (0u32..).map(StepIx).take(self.workflow.steps.len()).collect(),
        };
        wanted.sort_unstable();
        let latest = self.latest(&wanted);
        Value::object(wanted.iter().map(|step| {
            let (id, run) = (self.workflow.step_id(*step), latest.get(step).and_then(|at| self.execution.run(*at)));
            (id, run.map_or_else(pending, |run| self.seen_step(run, id)))
        }))
    }

    /// `{status, result, error, attempts}`
    fn seen_step(&self, run: &Run, id: &str) -> Value {
        let status = match run.state {
            RunState::Active { .. } => "running",
            RunState::Completed => "completed",
            RunState::Failed => "failed",
            RunState::Cancelled => "cancelled",
        };
        let error = run.failure.as_ref().map(|failure| {
            let error = ErrorDetails::of(failure, Some(id.to_owned()), Some(run.attempts));
            Self::json(&error.seen_by_handlers())
        });
        Value::object(
            [
                Some(("status", Value::from(status))),
                run.result.as_ref().map(|result| ("result", self.payload(result))),
                error.map(|error| ("error", error)),
                Some(("attempts", Value::Number(f64::from(run.attempts)))),
            ]
            .into_iter()
            .flatten(),
        )
    }
}

/// So many runs are looked at in the time of one evaluation step.
const RUNS_PER_STEP: u64 = 8;

/// The steps that expressions name, if they name them all.
fn steps_read<'e>(expressions: impl IntoIterator<Item = &'e Expression>) -> Option<BTreeSet<String>> {
    let mut read = BTreeSet::new();
    for (root, property) in expressions.into_iter().flat_map(Expression::reads) {
        if root == "steps" {
            read.insert(property?.to_owned());
        }
    }
    Some(read)
}

fn pending() -> Value {
    Value::object([("status", Value::from("pending"))])
}

impl stepwell_expression::Scope for Scope<'_> {
    fn root(&self, name: &str) -> Option<Value> {
        match name {
            "input" => return Some(self.input()),
            "result" => return Some(self.result()),
            "event" => return Some(self.event().unwrap_or(Value::Undefined)),
            "steps" => return Some(self.steps.get_or_init(|| self.steps()).clone()),
            "trigger" => return Some(self.trigger()),
            "workflow" => return Some(self.workflow()),
            "execution" => return Some(self.execution()),
            "metadata" => return Some(self.payload(&self.workflow.metadata)),
            "error" => {
                if let Some(error) = self.error {
                    return Some(Self::json(&error.seen_by_handlers()));
                }
            }
            _ => {}
        }
        // A bare name: fields of `result`, of `input`, of `event.data`.
        let event_data = || self.event().map(|event| event.get("data"));
        own(&self.result(), name)
            .or_else(|| own(&self.input(), name))
            .or_else(|| event_data().and_then(|data| own(&data, name)))
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
