//! What one entry sets in motion: tokens move until each waits for something, or nothing is left.

use super::scope::{Parsed, Scope};
use super::{
    Command, Entry, ErrorDetails, Execution, Frame, FrameId, Phase, Place, Run, RunIx, RunState, Started, Token,
    TokenId, Via,
};
use crate::definition::{Exits, Step, StepIx, StepKind, Workflow};
use crate::failure::{Failure, code};
use crate::graph::RegionIx;
use crate::payload::Payload;
use crate::time::Timestamp;
use std::collections::VecDeque;
use std::sync::Arc;
use stepwell_expression::{Budget, EvalError};

/// Evaluation steps of all expressions that one entry sets off: a tenth of a second, or one where each step scans much text. Conditions in a row
/// without a function between them see the same values again and again; more of them than this is a cycle that would only end at the
/// budget of step runs, hours later.
const WORK_PER_ENTRY: u64 = 100_000;

/// The state while it changes.
pub(super) struct Turn<'a> {
    pub(super) next: Execution,
    pub(super) workflow: &'a Workflow,
    pub(super) at: Timestamp,
    pub(super) commands: Vec<Command>,
    pub(super) parsed: Parsed,
    /// Tokens that are bound for a step, in the order in which they set off.
    pub(super) arrivals: VecDeque<TokenId>,
    /// Iterations and branches whose last path has ended.
    pub(super) emptied: VecDeque<FrameId>,
}

impl<'a> Turn<'a> {
    pub fn new(execution: &Execution, workflow: &'a Workflow, at: Timestamp) -> Self {
        let (next, commands) = (execution.clone(), Vec::new());
        let (arrivals, emptied) = (VecDeque::new(), VecDeque::new());
        Self { next, workflow, at, commands, parsed: Parsed::default(), arrivals, emptied }
    }

    /// An entry that fits the state happened.
    pub fn happened(&mut self, entry: &Entry) {
        match entry {
            Entry::Started(started) => self.start(started),
            Entry::Admitted => self.admitted(),
            Entry::StepSucceeded { run, output, .. } => self.returned(*run, output),
            Entry::StepFailed { run, failure, chance, .. } => self.attempt_failed(*run, failure, *chance),
            Entry::AttemptLost { run, .. } => self.lost(*run),
            Entry::DeadlinePassed => self.deadline_passed(),
            Entry::TimerFired { run } => self.timer_fired(*run),
            Entry::ApprovalAnswered { run, answer } => self.answered(*run, answer),
            Entry::EventReceived { run, event } => self.produced(*run, event),
            Entry::ChildEnded { run, outcome, .. } | Entry::CallbackReceived { run, outcome, .. } => {
                self.reported(*run, outcome);
            }
            Entry::Cancelled { by, reason } => self.cancelled(by.as_deref(), reason.as_deref()),
            Entry::Paused { by } => self.paused(by.clone()),
            Entry::Resumed { .. } => self.resumed(),
            Entry::Retried { .. } => self.retried(),
        }
    }

    /// The execution begins at its first step.
    fn start(&mut self, started: &Started) {
        self.next.started = Some(Arc::new(started.clone()));
        self.next.phase = Phase::Running;
        self.next.started_at = self.at;
        self.next.frames.insert(FrameId::TOP, Arc::new(Frame::default()));
        self.next.counters.frames = 1;
        let token = self.add_token(Token::new(FrameId::TOP, Place::Bound { to: StepIx(0), via: Via::Start }));
        if !self.is_held(token) {
            self.set_deadline();
            self.arrivals.push_back(token);
        }
    }

    pub(super) fn set_deadline(&mut self) {
        self.next.deadline = self.workflow.timeout_ms.map(|ms| self.at.plus(ms));
        self.commands.extend(self.next.deadline.map(|at| Command::WatchDeadline { at }));
    }

    /// The execution's own timeout passed.
    fn deadline_passed(&mut self) {
        let ms = self.workflow.timeout_ms.unwrap_or_default();
        let failure =
            Failure::guest(code::EXECUTION_TIMEOUT, format!("the execution took longer than its timeout of {ms} ms"));
        self.fail_execution(ErrorDetails::of(&failure, None, None));
    }

    /// Lets all tokens move on, and hands out the new state.
    pub fn end(mut self) -> (Execution, Vec<Command>) {
        while self.next.phase == Phase::Running {
            if let Some(token) = self.arrivals.pop_front() {
                self.arrive(token);
            } else if let Some(frame) = self.emptied.pop_front() {
                self.frame_ended(frame);
            } else if !self.settle() {
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
        if self.next.paused.is_some() {
            self.commands.retain(|command| !command.begins_something());
        }
        (self.next, self.commands)
    }

    /// A token comes to the step that it was bound for.
    fn arrive(&mut self, token: TokenId) {
        let Some(on_it) = self.next.tokens.get(&token) else { return };
        let Place::Bound { to, via } = on_it.place else { return };
        let region = self.region(on_it.frame);
        let joins = !self.workflow.graph.joined_by(region, to).is_empty();
        match via {
            Via::Edge(_) | Via::Handler if self.workflow.graph.is_end(region, to) => self.end_here(token),
            Via::Edge(from) if joins => self.arrive_at_join(token, to, from),
            Via::Edge(_) | Via::Handler | Via::Start => self.enter(token, to),
        }
    }

    /// The part of the graph that a frame runs in.
    pub(super) fn region(&self, frame: FrameId) -> RegionIx {
        let owner = self.next.frames.get(&frame).and_then(|frame| self.next.run(frame.owner?));
        owner.and_then(|owner| self.workflow.graph.inside(owner.step)).unwrap_or_default()
    }

    /// A step run begins.
    pub(super) fn enter(&mut self, token: TokenId, at: StepIx) {
        if let Some(run) = self.begin(token, at)
            && !self.keep(run)
        {
            self.activate(token, run);
        }
    }

    /// What a step does when a token comes, or when it is tried again.
    pub(super) fn activate(&mut self, token: TokenId, run: RunIx) {
        let workflow = self.workflow;
        let Some(step) = self.next.run(run).and_then(|run| workflow.step(run.step)) else { return };
        match &step.kind {
            StepKind::Function(_) => self.run_attempt(run),
            StepKind::Condition(condition) => {
                match self.evaluate(token, |scope, budget| condition.evaluate(&scope.reading([condition]), budget)) {
                    Some(Ok(value)) => self.choose((token, run), step, value.truthy()),
                    Some(Err(error)) => self.fail_run(run, &expression_error(&error)),
                    None => self.exhausted(run),
                }
            }
            StepKind::Parallel(rule) if rule.branches.is_empty() => {
                self.close(run, RunState::Completed);
                self.fan_out(token, run, rule.max_concurrency);
            }
            StepKind::Parallel(rule) => self.begin_branches(run, rule),
            StepKind::Loop(rule) => self.begin_loop((token, run), rule),
            StepKind::Human(rule) => self.open_approval((token, run), rule),
            StepKind::Agent(rule) => {
                let message = format!(
                    "the step asks for the agent {:?}, but no model provider is configured on this server",
                    rule.role
                );
                self.fail_run(run, &Failure::guest(code::AGENT_PROVIDER_NOT_CONFIGURED, message));
            }
            StepKind::Wait(rule) => self.begin_wait((token, run), rule),
            StepKind::Event(rule) => self.begin_event((token, run), rule),
            StepKind::Workflow(rule) => self.begin_child((token, run), rule),
        }
    }

    /// What an expression gives at a token's place; `None` if this entry has set off too much work already.
    pub(super) fn evaluate<T>(
        &self,
        token: TokenId,
        what: impl FnOnce(Scope<'_>, &mut Budget) -> Result<T, EvalError>,
    ) -> Option<Result<T, EvalError>> {
        let on_it = self.next.tokens.get(&token).filter(|_| self.has_work_left())?;
        let scope = Scope::of_token((&self.next, self.workflow), on_it, &self.parsed);
        let mut budget = Budget::new();
        let before = budget.steps_left();
        let value = what(scope, &mut budget);
        self.parsed.spend(u64::from(before - budget.steps_left()));
        Some(value)
    }

    /// Whether this entry may set off more work.
    pub(super) fn has_work_left(&self) -> bool {
        self.parsed.work() < WORK_PER_ENTRY
    }

    /// This entry has set off too much work.
    pub(super) fn exhausted(&mut self, run: RunIx) {
        let message = format!(
            "conditions and loops in a row took more than {WORK_PER_ENTRY} evaluation steps without a function between \
             them; is there a cycle that no condition ends?"
        );
        let failure = Failure::guest(code::STEP_BUDGET_EXCEEDED, message);
        let at = self.next.run(run).map(|run| self.workflow.step_id(run.step).to_owned());
        self.fail_execution(ErrorDetails::of(&failure, at, None));
    }

    /// Puts a token into a new run of a step.
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
        let frame = self.next.tokens.get(&token)?.frame;
        let (number, path) = self.number(frame, step);
        let on_it = self.token_mut(token)?;
        on_it.place = Place::In(run);
        let before = std::mem::replace(&mut on_it.passed, vec![run]);
        self.next.runs.push(Arc::new(Run {
            step,
            number,
            path,
            frame,
            token,
            before,
            state: RunState::Active { attempt: 1, not_before: None },
            attempts: 1,
            strikes: 0,
            result: None,
            failure: None,
            wait: None,
            iterations: None,
            truncated: false,
            attempts_forgiven: 0,
            started_at: self.at,
            ended_at: None,
        }));
        Some(run)
    }

    /// The number of the next run of a step in this iteration, from 1, and the iteration's path.
    fn number(&mut self, frame: FrameId, step: StepIx) -> (u32, Arc<[u32]>) {
        let Some((iteration, path)) = self.next.frames.get(&frame).map(|f| (f.iteration, Arc::clone(&f.path))) else {
            return (1, Arc::from([]));
        };
        let again = self.workflow.graph.is_shared(step) || self.repeats(frame);
        let same = |run: &&Arc<Run>| run.step == step && run.path == path;
        let elsewhere = if again { self.next.runs.iter().rev().find(same).map_or(0, |run| run.number) } else { 0 };
        let Some(frame) = self.next.frames.get_mut(&iteration).map(Arc::make_mut) else { return (1, path) };
        let number = frame.numbers.get(&step).copied().unwrap_or(0).max(elsewhere).saturating_add(1);
        frame.numbers.insert(step, number);
        (number, path)
    }

    /// Whether a loop or `parallel` around has run more than once, or may run elsewhere: then iterations with equal paths are not the same.
    fn repeats(&self, frame: FrameId) -> bool {
        let mut at = frame;
        while let Some(owner) = self.next.frames.get(&at).and_then(|frame| self.next.run(frame.owner?)) {
            let around = self.next.frames.get(&owner.frame).map_or(FrameId::TOP, |frame| frame.iteration);
            let counted = self.next.frames.get(&around).and_then(|frame| frame.numbers.get(&owner.step));
            if self.workflow.graph.is_shared(owner.step) || counted.is_some_and(|count| *count > 1) {
                return true;
            }
            at = owner.frame;
        }
        false
    }

    /// A condition was evaluated: transparent, the token keeps its result (D3).
    fn choose(&mut self, (token, run): (TokenId, RunIx), step: &Step, outcome: bool) {
        self.close(run, RunState::Completed);
        if let Some(run) = self.run_mut(run) {
            run.result = Some(Payload::trusted(if outcome { "true" } else { "false" }));
        }
        match (outcome, &step.otherwise) {
            (true, _) => self.go(token, run, &step.next),
            (false, Some(exits)) => self.go(token, run, exits),
            (false, None) => self.end_path(token, None),
        }
    }

    /// A step came to a value (D3).
    pub(super) fn produced(&mut self, run: RunIx, value: &Payload) {
        let Some(token) = self.close(run, RunState::Completed) else { return };
        if let Some(run) = self.run_mut(run) {
            run.result = Some(value.clone());
        }
        self.next.result_bytes += value.as_str().len() as u64;
        self.set_result(token, run, Some(value.clone()));
        self.leave(token, run);
    }

    /// On behind a step that is done.
    pub(super) fn leave(&mut self, token: TokenId, run: RunIx) {
        let workflow = self.workflow;
        let Some(step) = self.next.run(run).and_then(|run| workflow.step(run.step)) else { return };
        let exits = if let StepKind::Loop(rule) = &step.kind { &rule.done } else { &step.next };
        self.go(token, run, exits);
    }

    /// On over these exits: none ends the path, several fork it.
    pub(super) fn go(&mut self, token: TokenId, run: RunIx, exits: &Exits) {
        let Some(from) = self.next.run(run).map(|run| run.step) else { return };
        match (exits.targets.as_slice(), exits.fork) {
            ([], _) => self.end_path(token, Some((from, run))),
            ([target], _) | ([target, ..], None) => self.set_off(token, *target, Via::Edge(from)),
            (targets, Some(fork)) => {
                for (token, target) in self.split(token, fork, targets) {
                    self.set_off(token, target, Via::Edge(from));
                }
            }
        }
    }

    /// A token is bound for a step.
    pub(super) fn set_off(&mut self, token: TokenId, to: StepIx, via: Via) {
        if let Some(on_it) = self.token_mut(token) {
            on_it.place = Place::Bound { to, via };
            self.arrivals.push_back(token);
        }
    }

    /// Ends a step run; gives its token.
    pub(super) fn close(&mut self, run: RunIx, state: RunState) -> Option<TokenId> {
        let at = self.at;
        let closed = self.run_mut(run)?;
        closed.state = state;
        closed.ended_at = Some(at);
        let token = closed.token;
        self.close_wait(run);
        Some(token)
    }

    pub(super) fn set_result(&mut self, token: TokenId, run: RunIx, result: Option<Payload>) {
        if let Some(on_it) = self.token_mut(token) {
            on_it.result = result;
            on_it.passed = vec![run];
        }
    }

    pub(super) fn add_token(&mut self, token: Token) -> TokenId {
        let id = TokenId(self.next.counters.tokens);
        self.next.counters.tokens += 1;
        if let Some(frame) = self.frame_mut(token.frame) {
            frame.tokens += 1;
        }
        self.next.tokens.insert(id, Arc::new(token));
        id
    }

    pub(super) fn remove_token(&mut self, token: TokenId) -> Option<Arc<Token>> {
        let removed = self.next.tokens.remove(&token)?;
        if let Some(frame) = self.frame_mut(removed.frame) {
            frame.tokens = frame.tokens.saturating_sub(1);
        }
        Some(removed)
    }

    pub(super) fn token_mut(&mut self, token: TokenId) -> Option<&mut Token> {
        self.next.tokens.get_mut(&token).map(Arc::make_mut)
    }

    pub(super) fn frame_mut(&mut self, frame: FrameId) -> Option<&mut Frame> {
        self.next.frames.get_mut(&frame).map(Arc::make_mut)
    }

    pub(super) fn run_mut(&mut self, run: RunIx) -> Option<&mut Run> {
        self.next.runs.get_mut(run.at()).map(Arc::make_mut)
    }
}

/// An expression or a template that could not be evaluated.
pub(super) fn expression_error(error: &EvalError) -> Failure {
    Failure::guest(code::EXPRESSION_ERROR, error.to_string())
}
