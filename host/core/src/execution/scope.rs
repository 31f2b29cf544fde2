//! The names that an expression sees (semantics D5, D6).

use super::{ErrorDetails, Execution, Frame, FrameId, Place, Run, RunIx, RunState, Token, Wait};
use crate::definition::{StepIx, Workflow};
use crate::payload::Payload;
use crate::secrets::SecretValues;
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
    /// The iteration or branch that it is in.
    frame: FrameId,
    /// At a loop's condition: the round that would begin.
    round: Option<(RunIx, u32)>,
    /// Instead of the event that started the execution.
    event: Option<Value>,
    passed: Passed<'a>,
    /// The steps that are read; `None`: any.
    steps_read: Option<BTreeSet<String>>,
    parsed: &'a Parsed,
    steps: OnceCell<Value>,
    /// For the call of a function only.
    secrets: Option<&'a SecretValues>,
    secrets_seen: OnceCell<Value>,
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
            Place::At { .. } | Place::Bound { .. } | Place::Held { .. } => None,
        };
        let passed = Passed::Behind(own.map_or(&token.passed, |run| &run.before));
        Self { frame: token.frame, passed, ..Self::new(execution, workflow, (result, error), parsed) }
    }

    fn new(
        execution: &'a Execution,
        workflow: &'a Workflow,
        (result, error): (Option<&'a Payload>, Option<&'a ErrorDetails>),
        parsed: &'a Parsed,
    ) -> Self {
        Self {
            execution,
            workflow,
            result,
            error,
            frame: FrameId::TOP,
            round: None,
            event: None,
            passed: Passed::Everything,
            steps_read: None,
            parsed,
            steps: OnceCell::new(),
            secrets: None,
            secrets_seen: OnceCell::new(),
        }
    }

    /// For `output`: all paths.
    pub fn of_end(
        (execution, workflow): (&'a Execution, &'a Workflow),
        result: &'a Payload,
        parsed: &'a Parsed,
    ) -> Self {
        Self::new(execution, workflow, (Some(result), None), parsed)
    }

    /// For a loop's condition: the round that would begin, and the result of the one before (C12).
    pub fn at_round(mut self, run: RunIx, index: u32, last: Option<&'a Payload>) -> Self {
        self.round = Some((run, index));
        self.result = last.or(self.result);
        self
    }

    /// For `config.match` of an event step: the event that came.
    pub fn with_event(mut self, event: Value) -> Self {
        self.event = Some(event);
        self
    }

    /// For the call of a function: these secrets.
    pub fn with_secrets(mut self, secrets: &'a SecretValues) -> Self {
        self.secrets = Some(secrets);
        self
    }

    /// Only what these expressions read of `steps` needs to be looked up.
    pub fn reading<'e>(mut self, expressions: impl IntoIterator<Item = &'e Expression>) -> Self {
        self.steps_read = steps_read(expressions);
        self
    }

    /// The execution that it looks at.
    pub fn execution(&self) -> &'a Execution {
        self.execution
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
        if let Some(event) = &self.event {
            return Some(event.clone());
        }
        Some(self.payload(self.execution.started.as_ref()?.event.as_ref()?))
    }

    fn workflow(&self) -> Value {
        Self::json(&json!({"id": self.workflow.id, "name": self.workflow.name, "revision": self.workflow.revision}))
    }

    fn execution_value(&self) -> Value {
        let started_at = self.execution.started_at.rfc3339();
        Self::json(&json!({"id": self.execution.id.to_string(), "startedAt": started_at}))
    }

    fn trigger(&self) -> Value {
        let trigger = self.execution.started.as_ref().map(|started| &started.trigger);
        Self::json(&serde_json::to_value(trigger).unwrap_or_default())
    }

    /// The iterations that it is in, innermost first; branches are none.
    fn iterations(&self) -> Vec<&'a Frame> {
        let (mut found, mut at) = (Vec::new(), self.frame);
        while let Some((frame, owner)) = self.execution.frames.get(&at).and_then(|f| Some((f.as_ref(), f.owner?))) {
            if frame.iteration == at {
                found.push(frame);
            }
            let Some(run) = self.execution.run(owner) else { break };
            at = run.frame;
        }
        found
    }

    /// `item`, `index` or `loop` of the innermost iteration (C9).
    fn loop_variable(&self, name: &str) -> Option<Value> {
        let around = self.iterations();
        if let Some((run, index)) = self.round {
            return match name {
                "index" => Some(Value::Number(f64::from(index))),
                "loop" => Some(self.loop_object((run, index, None), &around)),
                _ => None,
            };
        }
        let (innermost, outer) = around.split_first()?;
        match name {
            "item" => Some(innermost.item.as_ref().map_or(Value::Undefined, |item| self.payload(item))),
            "index" => Some(Value::Number(f64::from(innermost.index))),
            "loop" => Some(self.loop_object((innermost.owner?, innermost.index, innermost.item.as_ref()), outer)),
            _ => None,
        }
    }

    /// `{item, index, count, first, last, results, parent}`; built from the outermost loop inwards.
    fn loop_object(&self, innermost: (RunIx, u32, Option<&Payload>), outer: &[&Frame]) -> Value {
        let mut parent = Value::Undefined;
        let outer = outer.iter().rev().filter_map(|frame| Some((frame.owner?, frame.index, frame.item.as_ref())));
        for (run, index, item) in outer.chain(std::iter::once(innermost)) {
            let iterations = match self.execution.run(run).and_then(|run| run.wait.as_deref()) {
                Some(Wait::Iterations(iterations)) => Some(iterations),
                _ => None,
            };
            let count = iterations.and_then(|i| i.items.as_ref()).map(|items| items.len());
            let results: Vec<Value> = iterations.map_or_else(Vec::new, |i| {
                let ended = i
                    .results
                    .iter()
                    .take(i.begun as usize)
                    .map(|r| r.as_ref().map_or(Value::Null, |r| self.payload(r)));
                let mut ended: Vec<Value> = ended.collect();
                // An iteration that runs alone sees those before it.
                ended.truncate(if i.begun == i.ended + 1 { index as usize } else { ended.len() });
                ended
            });
            self.parsed.spend(results.len() as u64 / RUNS_PER_STEP);
            let entries = [
                ("item", item.map_or(Value::Undefined, |item| self.payload(item))),
                ("index", Value::Number(f64::from(index))),
                ("count", count.map_or(Value::Undefined, |count| Value::Number(count as f64))),
                ("first", Value::Bool(index == 0)),
                ("last", count.map_or(Value::Undefined, |count| Value::Bool(index as usize + 1 == count))),
                ("results", Value::array(results)),
                ("parent", parent),
            ];
            parent = Value::object(entries.into_iter().filter(|(_, value)| !value.is_undefined()));
        }
        parent
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
            RunState::Active { .. } | RunState::Waiting => "running",
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
            "execution" => return Some(self.execution_value()),
            "metadata" => return Some(self.payload(&self.workflow.metadata)),
            "secrets" => {
                let secrets = self.secrets?;
                let seen = || Value::object(secrets.iter().map(|(name, value)| (name, Value::from(value))));
                return Some(self.secrets_seen.get_or_init(seen).clone());
            }
            "error" => {
                if let Some(error) = self.error {
                    return Some(Self::json(&error.seen_by_handlers()));
                }
            }
            "item" | "index" | "loop" => {
                if let Some(value) = self.loop_variable(name) {
                    return Some(value);
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
        let in_loop = ["item", "index", "loop"].into_iter().filter(|name| self.loop_variable(name).is_some());
        names.extend(in_loop.map(str::to_owned));
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
