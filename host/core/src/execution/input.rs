//! What a function is called with (semantics D1, D2, D3).

use super::scope::{Parsed, Scope, to_payload};
use super::{Execution, Pin, Place, Run, RunIx, Token};
use crate::definition::{self, ChildRule, InputRule, StepKind, Workflow};
use crate::failure::{Failure, code};
use crate::payload::Payload;
use crate::secrets::SecretValues;
use indexmap::IndexMap;
use serde_json::value::RawValue;
use stepwell_expression::{Budget, EvalError};

/// Everything about the call of one step run, except its attempt and its time.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What is called.
    pub pin: Pin,
    /// The id that the step calls it by.
    pub function: String,
    /// With what.
    pub input: Payload,
    /// The step's id.
    pub step: String,
    /// Indexes of the iterations around it, outermost first.
    pub iteration: Vec<u32>,
    /// The same for each attempt (section 6).
    pub idempotency_key: String,
    /// Wall time of one attempt, milliseconds.
    pub timeout_ms: u64,
    /// Whether the function gets a callback, over which somebody else completes the step (C22).
    pub completes_later: bool,
}

/// An attempt's time, unless the step says otherwise (C16).
const TIMEOUT_MS: u64 = 30_000;

/// The call that a step run makes. It is computed when the attempt gets its turn, so that waiting runs hold no copies. `secrets` has the
/// values of those that the workflow reads, as far as they are set.
///
/// # Errors
/// A [`Failure`] of the step: an expression or template that cannot be evaluated, or a function that is not pinned.
pub fn call(execution: &Execution, workflow: &Workflow, at: RunIx, secrets: &SecretValues) -> Result<Call, Failure> {
    let (run, token) = place(execution, at).ok_or_else(|| Failure::host("the step run has no place"))?;
    let step = workflow.step(run.step).ok_or_else(|| Failure::host("the step is not in its workflow"))?;
    let StepKind::Function(function) = &step.kind else {
        return Err(Failure::host("the step calls no function"));
    };
    let pin = execution.started.as_ref().and_then(|started| started.pins.get(&function.function)).cloned();
    let pin = pin.ok_or_else(|| {
        Failure::guest(code::MISSING_FUNCTIONS, format!("the function {:?} is not registered", function.function))
    })?;
    if let Some(unknown) = function.secrets().find(|name| secrets.get(name).is_none()) {
        let message = format!("the secret {unknown:?} is not set; set it with PUT /secrets/{unknown}");
        return Err(Failure::guest(code::UNKNOWN_SECRET, message));
    }
    let input = input((execution, workflow), token, function, secrets)
        .map_err(|error| Failure::guest(code::EXPRESSION_ERROR, error.to_string()))?;
    let idempotency_key = execution.idempotency_key(run, &step.id);
    let (iteration, timeout_ms) = (run.path.to_vec(), step.timeout_ms.unwrap_or(TIMEOUT_MS));
    let completes_later = function.completes_later;
    let (step, function) = (step.id.clone(), function.function.clone());
    Ok(Call { pin, function, input, step, iteration, idempotency_key, timeout_ms, completes_later })
}

/// The input of a step that failed, for its handler: null if just that could not be computed.
pub(super) fn failed_input(execution: &Execution, workflow: &Workflow, at: RunIx) -> Payload {
    let Some((run, token)) = place(execution, at) else { return Payload::null() };
    let result = || token.result.clone().unwrap_or_else(|| execution.input());
    match workflow.step(run.step).map(|step| &step.kind) {
        Some(StepKind::Function(function)) => {
            let secrets = SecretValues::hidden(workflow.secrets.keys().map(String::as_str));
            input((execution, workflow), token, function, &secrets).unwrap_or_else(|_| Payload::null())
        }
        Some(StepKind::Workflow(rule)) => {
            child_input(execution, workflow, token, rule).unwrap_or_else(|_| Payload::null())
        }
        Some(
            StepKind::Condition(_)
            | StepKind::Parallel(_)
            | StepKind::Loop(_)
            | StepKind::Human(_)
            | StepKind::Agent(_)
            | StepKind::Wait(_)
            | StepKind::Event(_),
        ) => result(),
        None => Payload::null(),
    }
}

/// What a child is started with (C21, D1).
pub(super) fn child_input(
    execution: &Execution,
    workflow: &Workflow,
    token: &Token,
    rule: &ChildRule,
) -> Result<Payload, EvalError> {
    let (mut budget, parsed) = (Budget::new(), Parsed::default());
    base(Scope::of_token((execution, workflow), token, &parsed), rule.input.as_ref(), token, &mut budget)
}

fn place(execution: &Execution, at: RunIx) -> Option<(&Run, &Token)> {
    let run = execution.run(at)?;
    let token = execution.tokens.get(&run.token)?;
    (token.place == Place::In(at)).then_some((run, token))
}

fn input(
    (execution, workflow): (&Execution, &Workflow),
    token: &Token,
    function: &definition::Call,
    secrets: &SecretValues,
) -> Result<Payload, EvalError> {
    let (mut budget, parsed) = (Budget::new(), Parsed::default());
    let scope = || Scope::of_token((execution, workflow), token, &parsed).with_secrets(secrets);
    let base = base(scope(), function.input.as_ref(), token, &mut budget)?;
    let Some(parameters) = &function.parameters else { return Ok(base) };
    let scope = scope().reading(parameters.expressions());
    let parameters = to_payload(&parameters.evaluate(&scope, &mut budget)?);
    let mut fields = fields_or(&base, "input");
    fields.extend(fields_or(&parameters, "parameters"));
    Ok(joined(&fields))
}

/// `config.input`, or else the merge of D1.
fn base(scope: Scope<'_>, rule: Option<&InputRule>, token: &Token, budget: &mut Budget) -> Result<Payload, EvalError> {
    match rule {
        None => Ok(merged(&scope.execution().input(), token.result.as_ref())),
        Some(InputRule::Expression(expression)) => {
            Ok(to_payload(&expression.evaluate(&scope.reading([expression]), budget)?))
        }
        Some(InputRule::Template(template)) => {
            Ok(to_payload(&template.evaluate(&scope.reading(template.expressions()), budget)?))
        }
    }
}

/// `{...workflow input, ...result}`; the input itself while there is no value yet.
fn merged(input: &Payload, result: Option<&Payload>) -> Payload {
    let Some(result) = result else { return input.clone() };
    let mut fields = fields_or(input, "input");
    fields.extend(fields_or(result, "result"));
    joined(&fields)
}

type Fields<'a> = IndexMap<String, &'a RawValue>;

/// An object's fields, or anything else under this name. Values keep their text.
fn fields_or<'a>(payload: &'a Payload, name: &str) -> Fields<'a> {
    if payload.is_object() {
        return serde_json::from_str(payload.as_str()).unwrap_or_default();
    }
    serde_json::from_str(payload.as_str()).map(|raw| Fields::from([(name.to_owned(), raw)])).unwrap_or_default()
}

fn joined(fields: &Fields<'_>) -> Payload {
    serde_json::to_string(fields).map_or_else(|_| Payload::null(), |text| Payload::trusted(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(text: &str) -> Payload {
        Payload::parse(text).expect(text)
    }

    #[test]
    fn merges_as_d1_says() {
        for (input, result, expected) in [
            (r#"{"a":1.50,"b":2}"#, Some(r#"{"b":3}"#), r#"{"a":1.50,"b":3}"#),
            (r#"{"a":1}"#, Some("[1,2]"), r#"{"a":1,"result":[1,2]}"#),
            (r#"{"a":1}"#, Some("null"), r#"{"a":1,"result":null}"#),
            ("5", Some(r#"{"b":3}"#), r#"{"input":5,"b":3}"#),
            ("[1]", Some("2"), r#"{"input":[1],"result":2}"#),
            ("5", None, "5"),
            (r#"{"a":1}"#, None, r#"{"a":1}"#),
        ] {
            assert_eq!(merged(&payload(input), result.map(payload).as_ref()).as_str(), expected);
        }
    }
}
