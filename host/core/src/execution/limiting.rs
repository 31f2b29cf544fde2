//! `limit {key, max}`: what a workflow's or a step's key is, and an execution that waits until fewer of its key are under way.

use super::scope::{Parsed, Scope, to_payload};
use super::turn::Turn;
use super::{Command, ErrorDetails, Execution, Place, RunIx, TokenId};
use crate::definition::{Limit, LimitKey, Workflow};
use crate::failure::{Failure, code};
use serde::{Deserialize, Serialize};
use stepwell_expression::{Budget, EvalError};

/// Longest key, bytes: keys of all that wait are in memory.
const KEY_BYTES: usize = 256;

/// The workflow's limit, as it is for one execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limited {
    /// Executions of the same workflow with the same key count together.
    pub key: String,
    /// How many of them may be under way.
    pub max: u32,
    /// Whether it waits until there are fewer. Nothing of it has begun then.
    pub waiting: bool,
}

impl Turn<'_> {
    /// Whether the execution does not begin now: it waits for its place, or its key cannot be told.
    pub(super) fn is_held(&mut self, token: TokenId) -> bool {
        let Some(limit) = &self.workflow.limit else { return false };
        let key = self.evaluate(token, |scope, budget| key_of(limit, scope, budget));
        match key {
            Some(Ok(Ok(key))) => {
                self.next.limited = Some(Limited { key, max: limit.max, waiting: true });
                self.commands.push(Command::AwaitPlace);
            }
            Some(Ok(Err(failure))) => self.fail_execution(ErrorDetails::of(&failure, None, None)),
            Some(Err(error)) => self.fail_execution(ErrorDetails::of(&unclear(&error), None, None)),
            None => return false,
        }
        true
    }

    /// There is a place for it: it begins.
    pub(super) fn admitted(&mut self) {
        let Some(limited) = &mut self.next.limited else { return };
        limited.waiting = false;
        self.commands.push(Command::TakePlace);
        self.set_deadline();
        let bound = self.next.tokens.iter().filter(|(_, token)| matches!(token.place, Place::Bound { .. }));
        let bound: Vec<TokenId> = bound.map(|(id, _)| id).collect();
        self.arrivals.extend(bound);
    }
}

/// The key of the attempts of this step run, and how many of them may be under way; `None` if the step has no limit.
///
/// # Errors
/// The failure of the step: its key cannot be told.
#[must_use]
pub fn step_limit(execution: &Execution, workflow: &Workflow, at: RunIx) -> Option<Result<(String, u32), Failure>> {
    let run = execution.run(at)?;
    let limit = workflow.step(run.step)?.limit.as_ref()?;
    let token = execution.tokens.get(&run.token)?;
    let (mut budget, parsed) = (Budget::new(), Parsed::default());
    let scope = Scope::of_token((execution, workflow), token, &parsed);
    let key = key_of(limit, scope, &mut budget).unwrap_or_else(|error| Err(unclear(&error)));
    Some(key.map(|key| (key, limit.max)))
}

fn key_of(limit: &Limit, scope: Scope<'_>, budget: &mut Budget) -> Result<Result<String, Failure>, EvalError> {
    let value = match &limit.key {
        None => return Ok(Ok(String::new())),
        Some(LimitKey::Expression(expression)) => expression.evaluate(&scope.reading([expression]), budget)?,
        Some(LimitKey::Template(template)) => template.evaluate(&scope.reading(template.expressions()), budget)?,
    };
    let payload = to_payload(&value);
    // A text stands for itself; anything else for its JSON.
    let key = serde_json::from_str::<String>(payload.as_str()).unwrap_or_else(|_| payload.as_str().to_owned());
    if key.len() <= KEY_BYTES {
        return Ok(Ok(key));
    }
    let message = format!("the key of `limit` has {} bytes; at most {KEY_BYTES} are allowed", key.len());
    Ok(Err(Failure::guest(code::EXPRESSION_ERROR, message)))
}

fn unclear(error: &EvalError) -> Failure {
    Failure::guest(code::EXPRESSION_ERROR, format!("the key of `limit`: {error}"))
}
