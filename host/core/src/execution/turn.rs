//! What one entry sets in motion: tokens move until each waits for something, or nothing is left.

use super::scope::{Parsed, Scope};
use super::{Command, Entry, ErrorDetails, Execution, Phase, Place, Run, RunIx, RunState, Started, Token, TokenId};
use crate::definition::{Exits, OnError, Step, StepIx, StepKind, Workflow};
use crate::failure::{Failure, code};
use crate::payload::Payload;
use crate::time::Timestamp;
use std::collections::VecDeque;
use std::sync::Arc;
use stepwell_expression::{Budget, EvalError, Expression};

/// The third abnormal end of the process during the same step run is the step's failure (semantics C15).
const STRIKES: u32 = 3;
/// A guest may ask to wait this long before its next attempt; a longer wish is cut. A day, in milliseconds.
const LONGEST_RETRY_AFTER_MS: u64 = 86_400_000;
/// Evaluation steps of all conditions that one entry sets off: a tenth of a second, or one where each step scans much text. Conditions in a row without a function between them see
/// the same values again and again; more of them than this is a cycle that would only end at the budget of step runs, hours later.
const WORK_PER_ENTRY: u64 = 100_000;

/// The state while it changes.
pub(super) struct Turn<'a> {
    pub(super) next: Execution,
    pub(super) workflow: &'a Workflow,
    pub(super) at: Timestamp,
    pub(super) commands: Vec<Command>,
    pub(super) parsed: Parsed,
    arrivals: VecDeque<Arrival>,
}

/// A token on its way to a step.
struct Arrival {
    token: TokenId,
    step: StepIx,
    via: Via,
}

/// How it gets there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    /// The execution begins.
    Start,
    /// Over `next` or `else` of this step.
    Edge(StepIx),
    /// Over `onError`: never gathered by a join (C14).
    Handler,
}

impl<'a> Turn<'a> {
    pub fn new(execution: &Execution, workflow: &'a Workflow, at: Timestamp) -> Self {
        let (next, commands, arrivals) = (execution.clone(), Vec::new(), VecDeque::new());
        Self { next, workflow, at, commands, parsed: Parsed::default(), arrivals }
    }

    /// The execution begins at its first step.
    pub fn start(&mut self, started: &Started) {
        self.next.started = Some(Arc::new(started.clone()));
        self.next.phase = Phase::Running;
        self.next.started_at = self.at;
        self.next.deadline = self.workflow.timeout_ms.map(|ms| self.at.plus(ms));
        self.commands.extend(self.next.deadline.map(|at| Command::WatchDeadline { at }));
        let token = self.add_token(Token::new());
        self.arrivals.push_back(Arrival { token, step: StepIx(0), via: Via::Start });
    }

    /// The attempt that is under way reported.
    pub fn reported(&mut self, run: RunIx, entry: &Entry) {
        match entry {
            Entry::StepSucceeded { output, .. } => self.succeeded(run, output),
            Entry::StepFailed { failure, chance, .. } => self.failed(run, failure, *chance),
            Entry::AttemptLost { .. } => self.lost(run),
            Entry::Started(_) | Entry::DeadlinePassed => {}
        }
    }

    /// The execution's own timeout passed.
    pub fn deadline_passed(&mut self) {
        let ms = self.workflow.timeout_ms.unwrap_or_default();
        let failure =
            Failure::guest(code::EXECUTION_TIMEOUT, format!("the execution took longer than its timeout of {ms} ms"));
        self.fail_execution(ErrorDetails::of(&failure, None, None));
    }

    /// Lets all tokens move on, and hands out the new state.
    pub fn end(mut self) -> (Execution, Vec<Command>) {
        loop {
            while let Some(arrival) = self.arrivals.pop_front() {
                if self.next.phase != Phase::Running {
                    self.arrivals.clear();
                    break;
                }
                self.arrive(&arrival);
            }
            if self.next.phase != Phase::Running || !self.settle_joins() {
                break;
            }
        }
        self.next.lines += 1;
        if self.next.phase == Phase::Running {
            if self.next.tokens.is_empty() {
                self.finish();
            } else {
                self.check_journal_limits();
            }
        }
        (self.next, self.commands)
    }

    fn succeeded(&mut self, run: RunIx, output: &Payload) {
        let Some(token) = self.close(run, RunState::Completed, |closed| closed.result = Some(output.clone())) else {
            return;
        };
        self.next.result_bytes += output.as_str().len() as u64;
        self.set_result(token, run, Some(output.clone()));
        self.leave(token, run);
    }

    fn failed(&mut self, run: RunIx, failure: &Failure, chance: u32) {
        let details = failure.details.as_ref().map_or(0, |details| details.as_str().len());
        self.next.result_bytes += (failure.message.len() + failure.code.len() + details) as u64;
        let Some(active) = self.next.run(run) else { return };
        let (RunState::Active { attempt, .. }, Some(step)) = (active.state, self.workflow.step(active.step)) else {
            return;
        };
        if failure.retryable && attempt <= step.retry.attempts {
            let pause = failure
                .retry_after_ms
                .map_or_else(|| step.retry.pause_ms(attempt, chance), |after| after.min(LONGEST_RETRY_AFTER_MS));
            let not_before = Some(self.at.plus(pause));
            if let Some(active) = self.run_mut(run) {
                active.state = RunState::Active { attempt: attempt + 1, not_before };
                active.attempts = attempt + 1;
            }
            self.commands.push(Command::RunAttempt { run, attempt: attempt + 1, not_before });
        } else {
            self.fail_run(run, failure);
        }
    }

    fn lost(&mut self, run: RunIx) {
        let Some(active) = self.run_mut(run) else { return };
        active.strikes += 1;
        let RunState::Active { attempt, .. } = active.state else { return };
        if active.strikes < STRIKES {
            self.commands.push(Command::RunAttempt { run, attempt, not_before: None });
            return;
        }
        let message = format!("the server's process ended {STRIKES} times while this step ran; it is not tried again");
        self.fail_run(run, &Failure::host(message));
    }

    fn arrive(&mut self, arrival: &Arrival) {
        if let Via::Edge(from) = arrival.via
            && !self.workflow.graph.joined_by(arrival.step).is_empty()
        {
            return self.arrive_at_join(arrival.token, arrival.step, from);
        }
        self.enter(arrival.token, arrival.step);
    }

    /// A step run begins.
    pub(super) fn enter(&mut self, token: TokenId, at: StepIx) {
        let workflow = self.workflow;
        let Some(step) = workflow.step(at) else { return };
        let Some(run) = self.begin(token, at) else { return };
        match &step.kind {
            StepKind::Function(_) => {
                self.commands.push(Command::RunAttempt { run, attempt: 1, not_before: None });
            }
            StepKind::Condition(condition) => match self.evaluate(token, condition) {
                Some(Ok(value)) => self.choose((token, run), step, value),
                Some(Err(error)) => self.fail_run(run, &Failure::guest(code::EXPRESSION_ERROR, error.to_string())),
                None => self.exhausted(at),
            },
        }
    }

    /// A condition's outcome; `None` if this entry has set off too much work already.
    fn evaluate(&self, token: TokenId, condition: &Expression) -> Option<Result<bool, EvalError>> {
        let on_it = self.next.tokens.get(&token).filter(|_| self.parsed.work() < WORK_PER_ENTRY)?;
        let scope = Scope::of_token((&self.next, self.workflow), on_it, &self.parsed).reading([condition]);
        let mut budget = Budget::new();
        let before = budget.steps_left();
        let value = condition.evaluate(&scope, &mut budget);
        self.parsed.spend(u64::from(before - budget.steps_left()));
        Some(value.map(|value| value.truthy()))
    }

    fn exhausted(&mut self, at: StepIx) {
        let message = format!(
            "conditions in a row took more than {WORK_PER_ENTRY} evaluation steps without a function between them; \
             is there a cycle that no condition ends?"
        );
        let failure = Failure::guest(code::STEP_BUDGET_EXCEEDED, message);
        let at = Some(self.workflow.step_id(at).to_owned());
        self.fail_execution(ErrorDetails::of(&failure, at, None));
    }

    pub(super) fn begin(&mut self, token: TokenId, step: StepIx) -> Option<RunIx> {
        let budget = self.next.started.as_ref().map_or(0, |started| started.limits.step_runs);
        let count = u32::try_from(self.next.runs.len()).unwrap_or(u32::MAX);
        if count >= budget {
            let message = format!("the execution needs more than {budget} step runs (limit `step_runs`)");
            let failure = Failure::guest(code::STEP_BUDGET_EXCEEDED, message);
            let at = Some(self.workflow.step_id(step).to_owned());
            self.fail_execution(ErrorDetails::of(&failure, at, None));
            return None;
        }
        let run = RunIx(count);
        let number = self.number(step);
        let on_it = self.token_mut(token)?;
        on_it.place = Place::In(run);
        let before = std::mem::replace(&mut on_it.passed, vec![run]);
        self.next.runs.push(Arc::new(Run {
            step,
            number,
            token,
            before,
            state: RunState::Active { attempt: 1, not_before: None },
            attempts: 1,
            strikes: 0,
            result: None,
            failure: None,
            started_at: self.at,
            ended_at: None,
        }));
        Some(run)
    }

    /// The number of the next run of a step, from 1. In a cycle the last one is near the end.
    fn number(&self, step: StepIx) -> u32 {
        self.next.runs.iter().rev().find(|run| run.step == step).map_or(1, |run| run.number.saturating_add(1))
    }

    /// A condition was evaluated: transparent, the token keeps its result (D3).
    fn choose(&mut self, (token, run): (TokenId, RunIx), step: &Step, outcome: bool) {
        let boolean = Payload::trusted(if outcome { "true" } else { "false" });
        self.close(run, RunState::Completed, |closed| closed.result = Some(boolean));
        match (outcome, &step.otherwise) {
            (true, _) => self.leave(token, run),
            (false, Some(exits)) => self.go(token, run, exits),
            (false, None) => self.end_path(token, None),
        }
    }

    fn leave(&mut self, token: TokenId, run: RunIx) {
        let workflow = self.workflow;
        let step = self.next.run(run).and_then(|run| workflow.step(run.step));
        if let Some(step) = step {
            self.go(token, run, &step.next);
        }
    }

    /// On over these exits: none ends the path, several fork it.
    fn go(&mut self, token: TokenId, run: RunIx, exits: &Exits) {
        let Some(from) = self.next.run(run).map(|run| run.step) else { return };
        let via = Via::Edge(from);
        match (exits.targets.as_slice(), exits.fork) {
            ([], _) => self.end_path(token, Some((from, run))),
            ([target], _) | ([target, ..], None) => {
                self.move_on(token);
                self.arrivals.push_back(Arrival { token, step: *target, via });
            }
            (targets, Some(fork)) => {
                for (token, target) in self.split(token, fork, targets) {
                    self.arrivals.push_back(Arrival { token, step: target, via });
                }
            }
        }
    }

    /// A step failed for good: its handler takes over, or the execution fails (C6, C14).
    pub(super) fn fail_run(&mut self, run: RunIx, failure: &Failure) {
        let workflow = self.workflow;
        let Some(token) = self.close(run, RunState::Failed, |closed| closed.failure = Some(failure.clone())) else {
            return;
        };
        let Some(failed) = self.next.run(run) else { return };
        let Some(step) = workflow.step(failed.step) else { return };
        let error = ErrorDetails::of(failure, Some(step.id.clone()), Some(failed.attempts));
        match step.on_error {
            OnError::Fail => self.fail_execution(error),
            OnError::Continue => {
                self.next.handled.push(Arc::new(error));
                self.set_result(token, run, Some(Payload::null()));
                self.leave(token, run);
            }
            OnError::Handle(handler) => {
                let input = super::input::failed_input(&self.next, workflow, run);
                let result = error.handler_result(&input, self.payload_limit());
                let error = Arc::new(error);
                self.next.handled.push(Arc::clone(&error));
                self.set_result(token, run, Some(result));
                self.move_on(token);
                if let Some(on_it) = self.token_mut(token) {
                    on_it.error = Some(error);
                }
                self.arrivals.push_back(Arrival { token, step: handler, via: Via::Handler });
            }
        }
    }

    /// Ends a step run; gives its token.
    fn close(&mut self, run: RunIx, state: RunState, also: impl FnOnce(&mut Run)) -> Option<TokenId> {
        let at = self.at;
        let closed = self.run_mut(run)?;
        closed.state = state;
        closed.ended_at = Some(at);
        also(closed);
        Some(closed.token)
    }

    fn set_result(&mut self, token: TokenId, run: RunIx, result: Option<Payload>) {
        if let Some(on_it) = self.token_mut(token) {
            on_it.result = result;
            on_it.passed = vec![run];
        }
    }

    fn move_on(&mut self, token: TokenId) {
        if let Some(on_it) = self.token_mut(token) {
            on_it.place = Place::Moving;
        }
    }

    pub(super) fn add_token(&mut self, token: Token) -> TokenId {
        let id = TokenId(self.next.counters.tokens);
        self.next.counters.tokens += 1;
        self.next.tokens.insert(id, Arc::new(token));
        id
    }

    pub(super) fn token_mut(&mut self, token: TokenId) -> Option<&mut Token> {
        self.next.tokens.get_mut(&token).map(Arc::make_mut)
    }

    pub(super) fn run_mut(&mut self, run: RunIx) -> Option<&mut Run> {
        self.next.runs.get_mut(run.at()).map(Arc::make_mut)
    }
}
