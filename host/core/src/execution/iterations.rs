//! Loops (semantics C8-C13).

use super::frames::Opening;
use super::scope::to_payload;
use super::turn::{Turn, expression_error};
use super::{Iterations, RunIx, RunState, TokenId, Wait};
use crate::definition::{LoopRule, LoopSource, Step};
use crate::failure::{Failure, code};
use crate::payload::Payload;
use serde_json::value::RawValue;
use std::sync::Arc;
use stepwell_expression::Value;

/// What a loop's round without a body costs: as much as an evaluation step.
const ROUND: u64 = 1;

/// Whether another round begins.
enum Round {
    Begins,
    Over,
    Fails(Failure),
    /// This entry has set off too much work.
    Exhausted,
}

impl Turn<'_> {
    /// A loop begins: its items are fixed (C10, C11).
    pub(super) fn begin_loop(&mut self, (token, run): (TokenId, RunIx), rule: &LoopRule) {
        let value = match &rule.source {
            LoopSource::While(_) => None,
            LoopSource::Items(items) => {
                Some(self.evaluate(token, |scope, budget| items.evaluate(&scope.reading([items]), budget)))
            }
            LoopSource::Literal(items) => {
                Some(self.evaluate(token, |scope, budget| items.evaluate(&scope.reading(items.expressions()), budget)))
            }
        };
        let mut iterations = Iterations::default();
        match value {
            None => {}
            Some(None) => return self.exhausted(run),
            Some(Some(Err(error))) => return self.fail_run(run, &expression_error(&error)),
            Some(Some(Ok(value))) => match self.items(&value, rule) {
                Ok((items, truncated)) => {
                    iterations.results = items.iter().map(|_| None).collect();
                    iterations.items = Some(items);
                    iterations.truncated = truncated;
                }
                Err(failure) => return self.fail_run(run, &failure),
            },
        }
        self.wait_for(run, Wait::Iterations(iterations));
        self.fill(run);
    }

    fn items(&self, value: &Value, rule: &LoopRule) -> Result<(Arc<[Payload]>, bool), Failure> {
        let most = rule.max_iterations as usize;
        let mut items: Vec<Payload> = match value {
            Value::Array(array) => array.iter().map(to_payload).collect(),
            Value::Object(object) => object
                .iter()
                .map(|(key, value)| {
                    to_payload(&Value::object([("key", Value::from(&**key)), ("value", value.clone())]))
                })
                .collect(),
            Value::Undefined | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                let message =
                    format!("`items` gave {}; a loop goes over a list, or the entries of an object", kind_of(value));
                return Err(Failure::guest(code::EXPRESSION_ERROR, message));
            }
        };
        self.parsed.spend(items.len() as u64 / 8);
        let truncated = items.len() > most;
        if truncated && !rule.truncate {
            let message = format!(
                "{} items, but `maxIterations` is {most}; raise it, or take the first ones with `overflow: \"truncate\"`",
                items.len()
            );
            return Err(Failure::guest(code::MAX_ITERATIONS_EXCEEDED, message));
        }
        items.truncate(most);
        Ok((items.into(), truncated))
    }

    /// As many iterations begin as may be under way at once.
    pub(super) fn fill_loop(&mut self, run: RunIx, step: &Step, rule: &LoopRule) {
        while self.is_waiting(run) {
            let Some((begun, ended)) = self.iterations(run).map(|i| (i.begun, i.ended)) else { return };
            if begun - ended >= rule.concurrency {
                return;
            }
            match self.next_round(run, rule) {
                Round::Begins => self.begin_round(run, step, begun),
                Round::Over if begun == ended => return self.finish_loop(run),
                Round::Over => return,
                Round::Fails(failure) => return self.fail_run(run, &failure),
                Round::Exhausted => return self.exhausted(run),
            }
        }
    }

    fn next_round(&mut self, run: RunIx, rule: &LoopRule) -> Round {
        self.parsed.spend(ROUND);
        let Some(iterations) = self.iterations(run) else { return Round::Over };
        let LoopSource::While(condition) = &rule.source else {
            let count = iterations.items.as_ref().map_or(0, |items| items.len());
            return match (iterations.begun as usize) < count {
                true if self.has_work_left() => Round::Begins,
                true => Round::Exhausted,
                false => Round::Over,
            };
        };
        let (begun, last) = (iterations.begun, self.last_round(iterations));
        let Some(token) = self.next.run(run).map(|run| run.token) else { return Round::Over };
        let value = self.evaluate(token, |scope, budget| {
            let scope = scope.at_round(run, begun, last.as_ref()).reading([condition]);
            condition.evaluate(&scope, budget)
        });
        match value {
            None => Round::Exhausted,
            Some(Err(error)) => Round::Fails(expression_error(&error)),
            Some(Ok(value)) if !value.truthy() => Round::Over,
            Some(Ok(_)) if begun < rule.max_iterations => Round::Begins,
            Some(Ok(_)) => {
                let message = format!(
                    "the loop's condition still holds after {begun} rounds, the most that `maxIterations` allows"
                );
                Round::Fails(Failure::guest(code::MAX_ITERATIONS_EXCEEDED, message))
            }
        }
    }

    /// The result of the round before; `None` before the first one.
    fn last_round(&self, iterations: &Iterations) -> Option<Payload> {
        let last = (iterations.begun as usize).checked_sub(1)?;
        iterations.results.get(last).cloned().flatten()
    }

    fn begin_round(&mut self, run: RunIx, step: &Step, index: u32) {
        let Some(iterations) = self.iterations(run) else { return };
        let item =
            iterations.items.as_ref().map(|items| items.get(index as usize).cloned().unwrap_or_else(Payload::null));
        let incoming = || {
            let token = self.next.run(run).and_then(|run| self.next.tokens.get(&run.token))?;
            token.result.clone()
        };
        let result = item.clone().or_else(|| self.last_round(iterations)).or_else(incoming);
        if let Some(iterations) = self.iterations_mut(run) {
            iterations.begun += 1;
            if iterations.items.is_none() {
                iterations.results.push(None);
            }
        }
        if step.next.targets.is_empty() {
            let result = result.unwrap_or_else(|| self.next.input());
            return self.keep_round(run, index, result);
        }
        self.open_frame(Opening { owner: run, index, iterates: true, item, result }, &step.next);
    }

    /// An iteration came to its result, or to its error; the next one may begin.
    pub(super) fn iteration_ended(&mut self, run: RunIx, index: u32, result: Payload) {
        self.keep_round(run, index, result);
        self.fill(run);
    }

    fn keep_round(&mut self, run: RunIx, index: u32, result: Payload) {
        let Some(iterations) = self.iterations_mut(run) else { return };
        iterations.ended += 1;
        if let Some(slot) = iterations.results.get_mut(index as usize) {
            *slot = Some(result);
        }
    }

    /// All iterations have ended: the list of their results is the loop's.
    fn finish_loop(&mut self, run: RunIx) {
        let Some(iterations) = self.iterations(run) else { return };
        let list = list(iterations);
        let failure = self.too_large(&list, "the results of the iterations are");
        self.drop_inside(run);
        if let Some(failure) = failure {
            return self.fail_run(run, &failure);
        }
        let Some(token) = self.close(run, RunState::Completed) else { return };
        if let Some(run) = self.run_mut(run) {
            run.result = Some(list.clone());
        }
        self.set_result(token, run, Some(list));
        self.leave(token, run);
    }

    fn iterations(&self, run: RunIx) -> Option<&Iterations> {
        match self.next.run(run)?.wait.as_deref() {
            Some(Wait::Iterations(iterations)) => Some(iterations),
            Some(
                Wait::Approval(_)
                | Wait::Until(_)
                | Wait::Event(_)
                | Wait::Child(_)
                | Wait::Callback { .. }
                | Wait::Branches(_),
            )
            | None => None,
        }
    }

    fn iterations_mut(&mut self, run: RunIx) -> Option<&mut Iterations> {
        match self.run_mut(run)?.wait.as_mut().map(Arc::make_mut) {
            Some(Wait::Iterations(iterations)) => Some(iterations),
            Some(
                Wait::Approval(_)
                | Wait::Until(_)
                | Wait::Event(_)
                | Wait::Child(_)
                | Wait::Callback { .. }
                | Wait::Branches(_),
            )
            | None => None,
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Undefined => "nothing",
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The results in the order of the items; each value keeps its text.
pub(super) fn list(iterations: &Iterations) -> Payload {
    let null = || serde_json::from_str::<Box<RawValue>>("null").ok();
    let each = iterations.results.iter().take(iterations.begun as usize).filter_map(|result| match result {
        Some(result) => serde_json::from_str::<Box<RawValue>>(result.as_str()).ok(),
        None => null(),
    });
    let each: Vec<Box<RawValue>> = each.collect();
    serde_json::to_string(&each).map_or_else(|_| Payload::null(), |text| Payload::trusted(&text))
}
