//! How paths and executions end (semantics C6, D9, D10).

use super::scope::{Scope, to_payload};
use super::turn::Turn;
use super::{Command, ErrorDetails, Finished, Frame, FrameId, Phase, RunIx, TokenId};
use crate::definition::StepIx;
use crate::failure::{Failure, code};
use crate::payload::{JSON_DEPTH, Payload};
use serde_json::json;
use std::collections::BTreeMap;
use stepwell_expression::Budget;

/// What the merge of an input and a result may add to them, bytes.
const ENVELOPE_BYTES: u64 = 1 << 10;

impl Turn<'_> {
    /// A path ends. `counted`: the terminal step, if the path counts for the result; not so if it ended quietly or was absorbed.
    pub(super) fn end_path(&mut self, token: TokenId, counted: Option<(StepIx, RunIx)>) {
        let Some(ended) = self.remove_token(token) else { return };
        let result = ended.result.clone().unwrap_or_else(|| self.next.input());
        let in_branch = |frame: &Frame| frame.owner.is_some() && frame.iteration != ended.frame;
        let Some(frame) = self.frame_mut(ended.frame) else { return };
        frame.last_ended = Some(result.clone());
        if let Some((step, run)) = counted {
            frame.finished.push(Finished { step, result, run });
        }
        if in_branch(frame) {
            frame.passed.extend(&ended.passed);
        }
        if frame.tokens == 0 {
            self.emptied.push_back(ended.frame);
        }
    }

    /// No path is left.
    pub(super) fn finish(&mut self) {
        let result = self.next.frames.get(&FrameId::TOP).map_or_else(Payload::null, |top| self.combined(top));
        let result = match &self.workflow.output {
            None => Ok(result),
            Some(output) => {
                let scope = Scope::of_end((&self.next, self.workflow), &result, &self.parsed).reading([output]);
                let value = output.evaluate(&scope, &mut Budget::new());
                value
                    .map(|value| to_payload(&value))
                    .map_err(|error| Failure::guest(code::EXPRESSION_ERROR, format!("`output`: {error}")))
            }
        };
        let limit = self.payload_limit();
        let result = result.and_then(|result| {
            if result.as_str().len() as u64 <= limit {
                return Ok(result);
            }
            let message =
                format!("the result is larger than {limit} bytes (limit `payload_bytes`); choose a part with `output`");
            Err(Failure::guest(code::OUTPUT_LIMIT, message))
        });
        match result {
            Ok(result) => {
                self.next.groups.clear();
                self.close_execution(Phase::Completed(result));
            }
            Err(failure) => self.fail_execution(ErrorDetails::of(&failure, None, None)),
        }
    }

    /// One finished path: its result. Several: a map by terminal step, the last of each. None: the result of the path that ended last.
    pub(super) fn combined(&self, frame: &Frame) -> Payload {
        let paths = &frame.finished;
        match (paths.len(), paths.get(0)) {
            (0, _) | (_, None) => frame.last_ended.clone().unwrap_or_else(Payload::null),
            (1, Some(only)) => only.result.clone(),
            (_, Some(_)) => {
                let by_step: BTreeMap<StepIx, Payload> =
                    paths.iter().map(|path| (path.step, path.result.clone())).collect();
                self.map_by_step(&by_step)
            }
        }
    }

    /// Nothing happens any more.
    pub(super) fn close_execution(&mut self, phase: Phase) {
        self.arrivals.clear();
        self.emptied.clear();
        self.next.paused = None;
        self.next.phase = phase;
        self.next.ended_at = Some(self.at);
        self.commands.push(Command::AnnounceEnd);
    }

    /// An execution whose journal grows past its limit ends (`journal` of the limits page).
    pub(super) fn check_journal_limits(&mut self) {
        let Some(limits) = self.next.started.as_ref().map(|started| started.limits) else { return };
        let what = if self.next.lines >= limits.journal_entries {
            format!("{} entries", limits.journal_entries)
        } else if self.next.result_bytes > limits.journal_bytes {
            format!("{} bytes", limits.journal_bytes)
        } else {
            return;
        };
        let message = format!("the execution's journal is larger than {what} (limit `journal`)");
        self.fail_execution(ErrorDetails::of(&Failure::guest(code::STEP_BUDGET_EXCEEDED, message), None, None));
    }
}

impl ErrorDetails {
    pub(super) fn of(failure: &Failure, step: Option<String>, attempt: Option<u32>) -> Self {
        Self {
            code: failure.code.clone(),
            message: failure.message.clone(),
            step,
            attempt,
            retryable: failure.retryable,
            source: failure.source,
            details: failure.details.clone(),
        }
    }

    /// As the failure of a step run, for the loops and branches that failed with it.
    pub(super) fn failure(&self) -> Failure {
        Failure {
            code: self.code.clone(),
            message: self.message.clone(),
            retryable: self.retryable,
            retry_after_ms: None,
            details: self.details.clone(),
            source: self.source,
        }
    }

    /// `{code, message, step, attempt}`: what expressions and handlers see (C14).
    #[must_use]
    pub fn seen_by_handlers(&self) -> serde_json::Value {
        json!({"code": self.code, "message": self.message, "step": self.step, "attempt": self.attempt})
    }

    /// `{error, input}`: the `result` at a handler. An input that grew larger than the workflow's input and a result together (a handler
    /// whose own failure is handled sees the input of the first inside its own), or too deep for JSON that is read again, is left out.
    pub(super) fn handler_result(&self, input: &Payload, payload_bytes: u64) -> Payload {
        let null = Payload::null();
        let fits = input.as_str().len() as u64 <= payload_bytes.saturating_mul(2).saturating_add(ENVELOPE_BYTES)
            && input.depth() < JSON_DEPTH;
        let input = if fits { input } else { &null };
        Payload::trusted(&format!("{{\"error\":{},\"input\":{}}}", self.seen_by_handlers(), input.as_str()))
    }

    /// The sentence that a poll loop prints (D10).
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.step {
            Some(step) => format!("Step \"{step}\" failed: {}", self.message),
            None => self.message.clone(),
        }
    }
}
