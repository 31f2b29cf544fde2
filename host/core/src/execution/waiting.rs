//! Steps that wait for something outside: moments, events, other executions, callbacks (semantics C21, C22).

use super::scope::{Parsed, Scope, to_payload};
use super::turn::{Turn, expression_error};
use super::{
    ChildWait, Command, EventWait, Execution, Kept, Parent, Payload, Place, Reported, RunIx, RunState, TokenId, Via,
    Wait,
};
use crate::definition::{
    ChildRule, EventRule, OnTimeout, Span, StepKind, WaitRule, Workflow, is_type_pattern, type_matches,
};
use crate::failure::{Failure, code};
use crate::ids::ExecutionId;
use crate::time::{LONGEST_MS, Timestamp, parse_duration};
use sha2::{Digest as _, Sha256};
use stepwell_expression::{Budget, EvalError, Template, Value};

/// What a value of a template was wanted for, and what it was instead.
fn unusable(what: &str, value: &Value) -> Failure {
    let mut text = to_payload(value).as_str().to_owned();
    if let Some((cut, _)) = text.char_indices().nth(80) {
        text.truncate(cut);
    }
    Failure::guest(code::EXPRESSION_ERROR, format!("{what}, not {text}"))
}

impl Turn<'_> {
    /// A function returned. If somebody else completes the step, the waiting begins (C22).
    pub(super) fn returned(&mut self, run: RunIx, output: &Payload) {
        let workflow = self.workflow;
        let step = self.next.run(run).and_then(|run| workflow.step(run.step));
        let Some(step) = step else { return };
        if !matches!(&step.kind, StepKind::Function(call) if call.completes_later) {
            return self.produced(run, output);
        }
        let expires = step.timeout_ms.map(|ms| self.at.plus(ms));
        self.wait_for(run, Wait::Callback { expires });
    }

    /// A child ended, or a callback came.
    pub(super) fn reported(&mut self, run: RunIx, outcome: &Reported) {
        match outcome {
            Reported::Succeeded(value) => {
                // A callback may be faster than the function that asked for it.
                if matches!(self.next.run(run).map(|run| run.state), Some(RunState::Active { .. })) {
                    self.commands.push(Command::CancelAttempt { run });
                }
                self.produced(run, value);
            }
            Reported::Failed { failure, chance } => {
                if matches!(self.next.run(run).map(|run| run.state), Some(RunState::Active { .. })) {
                    self.commands.push(Command::CancelAttempt { run });
                }
                self.attempt_failed(run, failure, *chance);
            }
        }
    }

    /// The time of a waiting run is over.
    pub(super) fn timer_fired(&mut self, run: RunIx) {
        let Some(wait) = self.next.run(run).and_then(|run| run.wait.clone()) else { return };
        match wait.as_ref() {
            Wait::Until(_) => {
                if let Some(token) = self.close(run, RunState::Completed) {
                    self.leave(token, run);
                }
            }
            Wait::Approval(_) => self.approval_expired(run),
            Wait::Event(event) => {
                let message = format!("no event of type {} came in time", event.types.join(" or "));
                self.expired(run, &Failure::guest(code::EVENT_TIMEOUT, message));
            }
            Wait::Child(child) if child.not_before.is_some() => self.start_child_now(run, child),
            Wait::Child(_) => {
                self.cancel_child(run);
                let message = "the child execution took longer than the step's timeout; it was cancelled";
                self.attempt_failed(run, &Failure::guest(code::FUNCTION_TIMEOUT, message), u32::MAX);
            }
            Wait::Callback { .. } => {
                let message = "nobody completed the step over its callback within its timeout";
                self.attempt_failed(run, &Failure::guest(code::FUNCTION_TIMEOUT, message), u32::MAX);
            }
            Wait::Iterations(_) | Wait::Branches(_) => {}
        }
    }

    /// Nothing came in time: on to where the step says.
    fn expired(&mut self, run: RunIx, failure: &Failure) {
        let step = self.next.run(run).and_then(|run| self.workflow.step(run.step));
        let Some(StepKind::Event(rule)) = step.map(|step| &step.kind) else { return };
        match rule.on_timeout {
            OnTimeout::Fail => self.fail_run(run, failure),
            OnTimeout::Next => self.produced(run, &Payload::null()),
            OnTimeout::Go(target) => {
                let Some(from) = self.next.run(run).map(|run| run.step) else { return };
                let Some(token) = self.close(run, RunState::Completed) else { return };
                self.set_result(token, run, Some(Payload::null()));
                self.set_off(token, target, Via::Edge(from));
            }
        }
    }

    /// The value of a template; the run has failed if there is none.
    pub(super) fn value_of(&mut self, (token, run): (TokenId, RunIx), template: &Template) -> Option<Value> {
        let value =
            self.evaluate(token, |scope, budget| template.evaluate(&scope.reading(template.expressions()), budget));
        match value {
            Some(Ok(value)) => Some(value),
            Some(Err(error)) => {
                self.fail_run(run, &expression_error(&error));
                None
            }
            None => {
                self.exhausted(run);
                None
            }
        }
    }

    /// The text that a template gives; the run has failed if there is none.
    fn text_of(&mut self, at: (TokenId, RunIx), template: &Template, what: &str) -> Option<String> {
        let value = self.value_of(at, template)?;
        match value.as_str() {
            Some(text) => Some(text.to_owned()),
            None => {
                self.fail_run(at.1, &unusable(what, &value));
                None
            }
        }
    }

    /// The moment at which a span that begins now is over; the run has failed if there is none.
    pub(super) fn end_of(&mut self, at: (TokenId, RunIx), span: &Span) -> Option<Timestamp> {
        let template = match span {
            Span::Fixed(ms) => return Some(self.at.plus(*ms)),
            Span::Template(template) => template,
        };
        let value = self.value_of(at, template)?;
        let ms = match &value {
            Value::Number(ms) if (0.0..=LONGEST_MS as f64).contains(ms) => Some(*ms as u64),
            Value::String(text) => parse_duration(text),
            Value::Undefined | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                None
            }
        };
        if ms.is_none() {
            let what = "a length of time is a number of milliseconds, or a text such as \"30s\"";
            self.fail_run(at.1, &unusable(what, &value));
        }
        ms.map(|ms| self.at.plus(ms))
    }

    /// A wait step begins: transparent, the token keeps its result.
    pub(super) fn begin_wait(&mut self, (token, run): (TokenId, RunIx), rule: &WaitRule) {
        let until = match rule {
            WaitRule::For(span) => self.end_of((token, run), span),
            WaitRule::Until(template) => self.moment_of((token, run), template),
        };
        match until {
            None => {}
            Some(until) if until <= self.at => {
                self.close(run, RunState::Completed);
                self.leave(token, run);
            }
            Some(until) => self.wait_for(run, Wait::Until(until)),
        }
    }

    fn moment_of(&mut self, at: (TokenId, RunIx), template: &Template) -> Option<Timestamp> {
        let value = self.value_of(at, template)?;
        let moment = match &value {
            Value::Number(ms) if (0.0..=9.0e15).contains(ms) => Some(Timestamp(*ms as u64)),
            Value::String(text) => Timestamp::parse_rfc3339(text),
            Value::Undefined | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                None
            }
        };
        if moment.is_none() {
            let what = "a moment is RFC 3339 text such as \"2030-01-31T09:00:00Z\", or milliseconds since 1970";
            self.fail_run(at.1, &unusable(what, &value));
        }
        moment
    }

    /// An event step begins to wait.
    pub(super) fn begin_event(&mut self, at: (TokenId, RunIx), rule: &EventRule) {
        let Some(value) = self.value_of(at, &rule.types) else { return };
        let types: Option<Vec<String>> = match &value {
            Value::Array(list) => {
                list.iter().map(|kind| kind.as_str().filter(|kind| is_type_pattern(kind)).map(str::to_owned)).collect()
            }
            Value::Undefined
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_) => None,
        };
        let Some(types) = types else {
            return self.fail_run(at.1, &unusable("a type of events has dotted segments without white space", &value));
        };
        let source = match &rule.source {
            None => None,
            Some(template) => match self.text_of(at, template, "the source of an event is a text") {
                Some(source) => Some(source),
                None => return,
            },
        };
        let Some(expires) = self.expiry_of(at, rule.timeout.as_ref()) else { return };
        let since = if rule.since_start { self.next.started_at } else { self.at };
        self.wait_for(at.1, Wait::Event(EventWait { types, source, since, expires }));
        self.commands.push(Command::Subscribe { run: at.1 });
    }

    /// When a wait with this time limit is over, if ever; `None`: the run has failed.
    pub(super) fn expiry_of(&mut self, at: (TokenId, RunIx), span: Option<&Span>) -> Option<Option<Timestamp>> {
        match span {
            None => Some(None),
            Some(span) => self.end_of(at, span).map(Some),
        }
    }

    /// A workflow step begins: its child is to start (C21, C23).
    pub(super) fn begin_child(&mut self, at: (TokenId, RunIx), rule: &ChildRule) {
        let limits = self.next.started.as_ref().map(|started| (started.depth, started.limits.child_depth));
        if let Some((depth, most)) = limits.filter(|(depth, most)| depth >= most) {
            let message = format!(
                "this execution is {depth} levels below the first one, the most that is allowed (limit `child_depth`, {most}); \
                 does a workflow start itself?"
            );
            return self.fail_run(at.1, &Failure::guest(code::DEPTH_LIMIT, message));
        }
        let Some(workflow) = self.text_of(at, &rule.workflow, "`workflow` is the id of a workflow") else { return };
        let attempt = self.next.run(at.1).map_or(1, |run| run.attempts);
        let child = self.child_wait(at.1, attempt, workflow);
        self.wait_for(at.1, Wait::Child(child));
        self.commands.push(Command::StartChild { run: at.1 });
    }

    fn child_wait(&self, run: RunIx, attempt: u32, workflow: String) -> ChildWait {
        let step = self.next.run(run).and_then(|run| self.workflow.step(run.step));
        let expires = step.and_then(|step| step.timeout_ms).map(|ms| self.at.plus(ms));
        let child = child_id(self.next.id, (run, attempt), self.at);
        ChildWait { child, attempt, workflow, not_before: None, expires }
    }

    /// The child failed and is started again, as another execution, after a pause.
    pub(super) fn next_child(&mut self, run: RunIx, not_before: Timestamp) {
        let Some(failed) = self.next.run(run) else { return };
        let Some(Wait::Child(last)) = failed.wait.as_deref() else { return };
        let mut child = self.child_wait(run, failed.attempts, last.workflow.clone());
        child.not_before = Some(not_before);
        self.wait_for(run, Wait::Child(child));
    }

    fn start_child_now(&mut self, run: RunIx, child: &ChildWait) {
        let next = self.child_wait(run, child.attempt, child.workflow.clone());
        self.wait_for(run, Wait::Child(next));
        self.commands.push(Command::StartChild { run });
    }

    /// Whether this run came to something in the execution that this one reruns: then it is not run again.
    pub(super) fn keep(&mut self, run: RunIx) -> bool {
        let Some(begun) = self.next.run(run) else { return false };
        let Some(started) = self.next.started.as_ref() else { return false };
        let Some(rerun) = &started.rerun else { return false };
        let key = super::run_key(self.workflow.step_id(begun.step), &begun.path, begun.number);
        match rerun.kept.get(&key).cloned() {
            Some(Kept::Result(value)) => {
                let is_wait = self.workflow.step(begun.step).is_some_and(|step| matches!(step.kind, StepKind::Wait(_)));
                if !is_wait {
                    self.produced(run, &value);
                } else if let Some(token) = self.close(run, RunState::Completed) {
                    self.leave(token, run);
                }
                true
            }
            Some(Kept::Failure(failure)) => {
                self.fail_run(run, &failure);
                true
            }
            None => false,
        }
    }
}

/// The id of a child: the same whenever it is started again (T12), so that a crash starts no second one.
fn child_id(parent: ExecutionId, (run, attempt): (RunIx, u32), at: Timestamp) -> ExecutionId {
    let hash = Sha256::new()
        .chain_update(b"child")
        .chain_update(parent.to_bytes())
        .chain_update(run.0.to_be_bytes())
        .chain_update(attempt.to_be_bytes())
        .finalize();
    let mut random = [0; 10];
    random.iter_mut().zip(hash).for_each(|(byte, hashed)| *byte = hashed);
    ExecutionId::new(at.0, random)
}

/// What [`Command::StartChild`] is to start.
#[derive(Debug, Clone, PartialEq)]
pub struct ChildStart {
    /// The child's id.
    pub child: ExecutionId,
    /// Its workflow.
    pub workflow: String,
    /// Its input (D1).
    pub input: Payload,
    /// Who waits for it.
    pub parent: Parent,
    /// How many executions are above it.
    pub depth: u32,
}

/// The child that a run waits for; `None` if it does not wait for one (any more).
///
/// # Errors
/// The step's failure: its input cannot be evaluated. To be reported as [`super::Entry::ChildEnded`].
pub fn child_start(
    execution: &Execution,
    workflow: &Workflow,
    at: RunIx,
) -> Option<(Parent, Result<ChildStart, Failure>)> {
    let run = execution.run(at).filter(|run| run.state == RunState::Waiting)?;
    let Some(Wait::Child(child)) = run.wait.as_deref() else { return None };
    let token = execution.tokens.get(&run.token)?;
    let Some(StepKind::Workflow(rule)) = workflow.step(run.step).map(|step| &step.kind) else { return None };
    let parent = Parent { execution: execution.id, run: at, attempt: child.attempt };
    let input = super::input::child_input(execution, workflow, token, rule).map_err(|error| expression_error(&error));
    let depth = execution.started.as_ref().map_or(0, |started| started.depth) + 1;
    let start = input.map(|input| ChildStart {
        child: child.child,
        workflow: child.workflow.clone(),
        input,
        parent: parent.clone(),
        depth,
    });
    Some((parent, start))
}

/// Whether an event is the one that a run waits for: its type, its source, and `config.match`, which sees it as `event`.
/// `event` is the whole event `{id, type, source, data, ...}`.
///
/// # Errors
/// `config.match` could not be evaluated: it does not match, and that is to be recorded with the event (D6).
pub fn event_matches(
    execution: &Execution,
    workflow: &Workflow,
    at: RunIx,
    event: &Payload,
) -> Result<bool, EvalError> {
    let Some(run) = execution.run(at).filter(|run| run.state == RunState::Waiting) else { return Ok(false) };
    let (Some(Wait::Event(wait)), Some(token)) = (run.wait.as_deref(), execution.tokens.get(&run.token)) else {
        return Ok(false);
    };
    let value = Value::from_json_text(event.as_str()).unwrap_or(Value::Null);
    let field = |name: &str| value.get(name).as_str().map(str::to_owned);
    let right_type = field("type").is_some_and(|kind| wait.types.iter().any(|pattern| type_matches(pattern, &kind)));
    let right_source = wait.source.as_ref().is_none_or(|source| field("source").as_ref() == Some(source));
    let Some(StepKind::Event(rule)) = workflow.step(run.step).map(|step| &step.kind) else { return Ok(false) };
    if token.place != Place::In(at) || !right_type || !right_source {
        return Ok(false);
    }
    let Some(matches) = &rule.matches else { return Ok(true) };
    let parsed = Parsed::default();
    let scope = Scope::of_token((execution, workflow), token, &parsed).with_event(value).reading([matches]);
    Ok(matches.evaluate(&scope, &mut Budget::new())?.truthy())
}
