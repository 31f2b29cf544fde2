//! What a client sees of an execution (http-api.md section 1).

use super::{Entry, ErrorDetails, Execution, Limited, Phase, Run, RunIx, RunState, Wait};
use crate::definition::{StepIx, StepKind, Workflow};
use crate::failure::code;
use crate::payload::Payload;
use crate::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The parts of an execution's answer that its own status and lists share.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outline {
    /// `exec-...`
    pub execution_id: String,
    /// Its workflow.
    pub workflow_id: String,
    /// Its workflow's revision.
    pub revision: u32,
    /// `{type, by?}`
    pub trigger: Value,
    /// `pending`, `running`, `completed`, `failed` (C18).
    pub status: &'static str,
    /// The closed list of C18.
    pub state: &'static str,
    /// RFC 3339.
    pub started_at: String,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// A readable sentence (D10).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// `{code, message, step, attempt, retryable, source, details?}`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_details: Option<ErrorDetails>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View<'a> {
    #[serde(flatten)]
    outline: Outline,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Payload>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    handled_errors: &'a [Arc<ErrorDetails>],
    /// Its workflow's limit: its key, how many of it may be under way, and whether it waits for a place.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'a Limited>,
    steps: indexmap::IndexMap<&'a str, StepView>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct StepView {
    status: &'static str,
    attempts: u32,
    runs: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iterations: Option<u32>,
    /// More items than `maxIterations`: the rest was left out (C11).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    /// The child of a workflow step.
    #[serde(skip_serializing_if = "Option::is_none")]
    child_execution_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
}

/// The whole answer as JSON text. `begun`: whether an attempt has had its turn; `now` tells a pause from a running attempt.
#[must_use]
pub fn view(execution: &Execution, workflow: &Workflow, now: Timestamp, begun: bool) -> String {
    let result = if let Phase::Completed(result) = &execution.phase { Some(result) } else { None };
    let outline = outline(execution, now, begun);
    let view = View {
        outline,
        result,
        handled_errors: &execution.handled,
        limit: execution.limited.as_ref(),
        steps: steps(execution, workflow),
    };
    serde_json::to_string(&view).unwrap_or_else(|_| "{}".to_owned())
}

/// The part that lists show too.
#[must_use]
pub fn outline(execution: &Execution, now: Timestamp, begun: bool) -> Outline {
    let started = execution.started.as_ref();
    let (status, state) = status(execution, now, begun);
    let error = if let Phase::Failed(error) = &execution.phase { Some(error) } else { None };
    Outline {
        execution_id: execution.id.to_string(),
        workflow_id: started.map_or_else(String::new, |s| s.workflow.clone()),
        revision: started.map_or(0, |s| s.revision),
        trigger: started.and_then(|s| serde_json::to_value(&s.trigger).ok()).unwrap_or_default(),
        status,
        state,
        started_at: execution.started_at.rfc3339(),
        ended_at: execution.ended_at.map(Timestamp::rfc3339),
        error: error.map(ErrorDetails::sentence),
        error_details: error.cloned(),
    }
}

fn status(execution: &Execution, now: Timestamp, begun: bool) -> (&'static str, &'static str) {
    match &execution.phase {
        Phase::Completed(_) => ("completed", "completed"),
        Phase::Failed(error) if error.code == code::EXECUTION_TIMEOUT => ("failed", "timed_out"),
        Phase::Failed(error) if error.code == code::CANCELLED => ("failed", "cancelled"),
        Phase::Failed(_) => ("failed", "failed"),
        Phase::Blank => ("pending", "queued"),
        Phase::Running if execution.paused.is_some() => ("running", "paused"),
        Phase::Running if execution.waits_for_place() => ("pending", "queued"),
        Phase::Running if !begun && only_attempts(execution) => ("pending", "queued"),
        Phase::Running => ("running", running_state(execution, now)),
    }
}

/// Whether nothing but a first attempt is awaited: the execution is in the queue.
fn only_attempts(execution: &Execution) -> bool {
    execution.under_way().all(|(_, run)| matches!(run.state, RunState::Active { .. }))
}

/// Something runs; or else a retry is awaited, or else people, somebody's callback, an event, a child, a moment (C18).
fn running_state(execution: &Execution, now: Timestamp) -> &'static str {
    let words = execution.under_way().filter_map(|(_, run)| match (run.state, run.wait.as_deref()) {
        (RunState::Active { not_before: Some(at), .. }, _) if at > now => Some("retrying"),
        (RunState::Active { .. }, _) => Some("running"),
        (RunState::Waiting, Some(Wait::Approval(_))) => Some("waiting_approval"),
        (RunState::Waiting, Some(Wait::Callback { .. })) => Some("waiting_callback"),
        (RunState::Waiting, Some(Wait::Event(_))) => Some("waiting_event"),
        (RunState::Waiting, Some(Wait::Child(_))) => Some("waiting_child"),
        (RunState::Waiting, Some(Wait::Until(_))) => Some("waiting_timer"),
        (RunState::Waiting, Some(Wait::Iterations(_) | Wait::Branches(_)) | None)
        | (RunState::Completed | RunState::Failed | RunState::Cancelled, _) => None,
    });
    let rank = |word: &&str| RUNNING_STATES.iter().position(|known| known == word);
    words.min_by_key(rank).unwrap_or("running")
}

/// The most telling first.
const RUNNING_STATES: [&str; 7] =
    ["running", "retrying", "waiting_approval", "waiting_callback", "waiting_event", "waiting_child", "waiting_timer"];

fn steps<'a>(execution: &Execution, workflow: &'a Workflow) -> indexmap::IndexMap<&'a str, StepView> {
    let mut latest: BTreeMap<StepIx, (&Run, u32)> = BTreeMap::new();
    for run in execution.runs.iter() {
        let count = latest.get(&run.step).map_or(0, |(_, count)| *count);
        latest.insert(run.step, (run, count + 1));
    }
    let never = if execution.is_ended() { "skipped" } else { "pending" };
    let each = (0u32..).map(StepIx).zip(&workflow.steps).map(|(at, step)| {
        let view = latest.get(&at).map_or_else(
            || StepView { status: never, ..StepView::default() },
            |(run, runs)| step_view(run, *runs, matches!(step.kind, StepKind::Condition(_))),
        );
        (step.id.as_str(), view)
    });
    each.collect()
}

fn step_view(run: &Run, runs: u32, is_condition: bool) -> StepView {
    let wait = run.wait.as_deref();
    let status = match (run.state, wait) {
        (RunState::Active { .. }, _) | (RunState::Waiting, Some(Wait::Iterations(_) | Wait::Branches(_)) | None) => {
            "running"
        }
        (RunState::Waiting, Some(_)) => "waiting",
        (RunState::Completed, _) => "completed",
        (RunState::Failed, _) => "failed",
        (RunState::Cancelled, _) => "cancelled",
    };
    let (iterations, truncated) = match wait {
        Some(Wait::Iterations(inside)) => (Some(inside.ended), inside.truncated),
        _ => (run.iterations, run.truncated),
    };
    let child = if let Some(Wait::Child(child)) = wait { Some(child.child.to_string()) } else { None };
    StepView {
        status,
        attempts: run.attempts,
        runs,
        outcome: run.result.as_ref().filter(|_| is_condition).map(|result| result.as_str() == "true"),
        iterations,
        truncated,
        child_execution_id: child,
        started_at: Some(run.started_at.rfc3339()),
        ended_at: run.ended_at.map(Timestamp::rfc3339),
    }
}

/// One line of `GET .../history`: `{seq, at, entry, step?, run?, attempt?, ...}`; `entry` is the kind, its fields stand beside it.
#[must_use]
pub fn history_line(seq: u32, at: Timestamp, entry: &Entry, step_of: impl Fn(RunIx) -> Option<String>) -> Value {
    let mut line = json!({"seq": seq, "at": at.rfc3339()});
    // By way of the text: results may be nested deeper than serde_json follows by itself.
    let entry_value = serde_json::to_string(entry).map_or(Value::Null, |text| Payload::trusted(&text).to_value());
    let (kind, fields) = match entry_value {
        Value::Object(tagged) => tagged.into_iter().next().unwrap_or_default(),
        Value::String(kind) => (kind, Value::Null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => (String::new(), Value::Null),
    };
    line["entry"] = Value::String(kind);
    if let Some(step) = entry.run().and_then(step_of) {
        line["step"] = Value::String(step);
    }
    if let Value::Object(fields) = fields {
        for (key, mut value) in fields.into_iter().filter(|(key, _)| key != "chance") {
            // What a rerun took over stands in the history of the execution that it reran.
            if let Some(rerun) = value.as_object_mut().filter(|_| key == "rerun") {
                rerun.remove("kept");
            }
            line[key.as_str()] = value;
        }
    }
    line
}
