//! How attempts, steps, iterations and executions fail (semantics C6, C13, C14, C15).

use super::turn::Turn;
use super::{Command, ErrorDetails, FrameId, Phase, Place, RunIx, RunState, TokenId, Via, Wait};
use crate::definition::{OnError, StepKind};
use crate::failure::{Failure, code};
use crate::payload::Payload;
use std::sync::Arc;

/// The third abnormal end of the process during the same step run is the step's failure (semantics C15).
const STRIKES: u32 = 3;
/// A guest may ask to wait this long before its next attempt; a longer wish is cut. A day, in milliseconds.
const LONGEST_RETRY_AFTER_MS: u64 = 86_400_000;

impl Turn<'_> {
    /// The current attempt of a function is to run.
    pub(super) fn run_attempt(&mut self, run: RunIx) {
        let Some(active) = self.run_mut(run) else { return };
        let attempt = active.attempts;
        active.state = RunState::Active { attempt, not_before: None };
        self.commands.push(Command::RunAttempt { run, attempt, not_before: None });
    }

    /// An attempt failed: another one follows after a pause, or the step has failed.
    pub(super) fn attempt_failed(&mut self, run: RunIx, failure: &Failure, chance: u32) {
        let details = failure.details.as_ref().map_or(0, |details| details.as_str().len());
        self.next.result_bytes += (failure.message.len() + failure.code.len() + details) as u64;
        let Some(failed) = self.next.run(run) else { return };
        let Some(step) = self.workflow.step(failed.step) else { return };
        let tries = failed.attempts - failed.attempts_forgiven.min(failed.attempts);
        if !failure.retryable || tries > step.retry.attempts {
            return self.fail_run(run, failure);
        }
        let pause = failure
            .retry_after_ms
            .map_or_else(|| step.retry.pause_ms(tries, chance), |after| after.min(LONGEST_RETRY_AFTER_MS));
        let (attempt, not_before) = (failed.attempts + 1, self.at.plus(pause));
        let is_child = matches!(step.kind, StepKind::Workflow(_));
        if let Some(failed) = self.run_mut(run) {
            failed.attempts = attempt;
        }
        if is_child {
            return self.next_child(run, not_before);
        }
        let not_before = Some(not_before);
        if let Some(failed) = self.run_mut(run) {
            failed.wait = None;
            failed.state = RunState::Active { attempt, not_before };
        }
        self.commands.push(Command::RunAttempt { run, attempt, not_before });
    }

    /// The process ended abnormally during an attempt.
    pub(super) fn lost(&mut self, run: RunIx) {
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

    /// A step failed for good: its handler takes over, or what is around it fails (C6, C14).
    pub(super) fn fail_run(&mut self, run: RunIx, failure: &Failure) {
        let Some(token) = self.close(run, RunState::Failed) else { return };
        if let Some(failed) = self.run_mut(run) {
            failed.failure = Some(failure.clone());
        }
        let Some((frame, error)) = self.error_of(run, failure) else { return };
        if !self.handle((token, run), &error) {
            self.fail_frame(frame, error);
        }
    }

    fn error_of(&self, run: RunIx, failure: &Failure) -> Option<(FrameId, ErrorDetails)> {
        let failed = self.next.run(run)?;
        let step = self.workflow.step_id(failed.step).to_owned();
        Some((failed.frame, ErrorDetails::of(failure, Some(step), Some(failed.attempts))))
    }

    /// Where the step of a failed run has `onError`: the path goes on there.
    fn handle(&mut self, (token, run): (TokenId, RunIx), error: &ErrorDetails) -> bool {
        let workflow = self.workflow;
        let Some(step) = self.next.run(run).and_then(|run| workflow.step(run.step)) else { return false };
        match step.on_error {
            OnError::Fail => false,
            OnError::Continue => {
                self.next.handled.push(Arc::new(error.clone()));
                self.set_result(token, run, Some(Payload::null()));
                self.leave(token, run);
                true
            }
            OnError::Handle(handler) => {
                let input = super::input::failed_input(&self.next, workflow, run);
                let result = error.handler_result(&input, self.payload_limit());
                let error = Arc::new(error.clone());
                self.next.handled.push(Arc::clone(&error));
                self.set_result(token, run, Some(result));
                if let Some(on_it) = self.token_mut(token) {
                    on_it.error = Some(error);
                }
                self.set_off(token, handler, Via::Handler);
                true
            }
        }
    }

    /// Something in a frame failed and nobody there handles it: the failure rises through the loops and branches around it, until one goes
    /// on or handles it, or the execution fails.
    fn fail_frame(&mut self, frame: FrameId, error: ErrorDetails) {
        let (mut at, mut passed) = (frame, Vec::new());
        while let Some((owner, index)) = self.next.frames.get(&at).and_then(|f| Some((f.owner?, f.index))) {
            let Some(run) = self.next.run(owner) else { break };
            let (around, token) = (run.frame, run.token);
            let Some(step) = self.workflow.step(run.step) else { break };
            let goes_on = matches!(&step.kind, StepKind::Loop(rule) if rule.continue_on_error);
            if goes_on {
                self.mark_failed(&passed, &error);
                self.abandon(vec![at]);
                let result = Payload::from_value(&serde_json::json!({"error": error.seen_by_handlers()}));
                return self.iteration_ended(owner, index, result);
            }
            passed.push(owner);
            if step.on_error != OnError::Fail {
                self.mark_failed(&passed, &error);
                self.abandon(self.frames_of(owner));
                self.drop_inside(owner);
                self.handle((token, owner), &error);
                return;
            }
            at = around;
        }
        self.mark_failed(&passed, &error);
        self.fail_execution(error);
    }

    /// Containers through which a failure rose have failed with it.
    fn mark_failed(&mut self, runs: &[RunIx], error: &ErrorDetails) {
        let at = self.at;
        for run in runs {
            if let Some(failed) = self.run_mut(*run) {
                failed.state = RunState::Failed;
                failed.ended_at = Some(at);
                failed.failure = Some(error.failure());
            }
        }
    }

    /// Stops everything in these frames and what is inside of them, and removes them.
    pub(super) fn abandon(&mut self, mut frames: Vec<FrameId>) {
        while let Some(frame) = frames.pop() {
            let inside = self.next.tokens.iter().filter(|(_, token)| token.frame == frame).map(|(id, _)| id);
            let inside: Vec<TokenId> = inside.collect();
            for token in inside {
                frames.extend(self.stop(token));
            }
            self.next.frames.remove(&frame);
        }
    }

    /// Stops a token and the step run that it is in; gives the frames of that run, which are to be abandoned too.
    pub(super) fn stop(&mut self, token: TokenId) -> Vec<FrameId> {
        let Some(removed) = self.remove_token(token) else { return Vec::new() };
        let Place::In(run) = removed.place else { return Vec::new() };
        self.cancel_run(run);
        self.drop_inside(run);
        self.frames_of(run)
    }

    /// The iterations or branches of a run.
    pub(super) fn frames_of(&self, run: RunIx) -> Vec<FrameId> {
        self.next.frames.iter().filter(|(_, frame)| frame.owner == Some(run)).map(|(id, _)| id).collect()
    }

    /// The execution fails; whatever is under way is stopped. All stays where it is, so that it can be tried again.
    pub(super) fn fail_execution(&mut self, error: ErrorDetails) {
        let runs: Vec<RunIx> = self.next.under_way().map(|(run, _)| run).collect();
        runs.into_iter().for_each(|run| self.cancel_run(run));
        self.close_execution(Phase::Failed(error));
    }

    /// Stops a step run, if it is under way.
    pub(super) fn cancel_run(&mut self, run: RunIx) {
        let at = self.at;
        let Some(stopped) = self.run_mut(run) else { return };
        let state = stopped.state;
        match state {
            RunState::Active { .. } => self.commands.push(Command::CancelAttempt { run }),
            RunState::Waiting => {}
            RunState::Completed | RunState::Failed | RunState::Cancelled => return,
        }
        if let Some(stopped) = self.run_mut(run) {
            stopped.state = RunState::Cancelled;
            stopped.ended_at = Some(at);
        }
        if state == RunState::Waiting {
            self.cancel_child(run);
            self.close_wait(run);
        }
    }

    /// The execution that a step run waits for is no longer wanted.
    pub(super) fn cancel_child(&mut self, run: RunIx) {
        if let Some(Wait::Child(child)) = self.next.run(run).and_then(|run| run.wait.as_deref()) {
            self.commands.push(Command::CancelChild { child: child.child });
        }
    }

    /// Whoever shows or wakes this run from outside has to know that it no longer waits.
    pub(super) fn close_wait(&mut self, run: RunIx) {
        match self.next.run(run).and_then(|run| run.wait.as_deref()) {
            Some(Wait::Approval(_)) => self.commands.push(Command::ShowApproval { run }),
            Some(Wait::Event(_)) => self.commands.push(Command::Unsubscribe { run }),
            Some(Wait::Until(_) | Wait::Child(_) | Wait::Callback { .. } | Wait::Iterations(_) | Wait::Branches(_))
            | None => {}
        }
    }

    /// Somebody stopped the execution for good.
    pub(super) fn cancelled(&mut self, by: Option<&str>, reason: Option<&str>) {
        let who = by.map_or_else(String::new, |by| format!(" by {by}"));
        let why = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        let failure = Failure::guest(code::CANCELLED, format!("the execution was cancelled{who}{why}"));
        self.fail_execution(ErrorDetails::of(&failure, None, None));
    }
}
