//! Runs.

use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The id of an execution.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Started {
    /// `exec-…`
    pub execution_id: String,
}

/// What `POST /workflows/trigger` answers: with `?wait=` the whole execution.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum Triggered {
    /// With `?wait=`.
    Seen(Box<Execution>),
    /// Without.
    Started(Started),
}

/// One run of a workflow.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Execution {
    /// What lists show, too.
    #[serde(flatten)]
    pub outline: Listed,
    /// Of a completed execution.
    #[schema(required = false)]
    pub result: Option<Value>,
    /// Failures that a handler dealt with.
    #[schema(required = false)]
    pub handled_errors: Option<Vec<ErrorDetails>>,
    /// Of a workflow with a `limit`.
    #[schema(required = false)]
    pub limit: Option<LimitState>,
    /// By step id.
    pub steps: BTreeMap<String, StepState>,
}

/// The limit that an execution is under.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct LimitState {
    /// Executions of the workflow with the same key count together.
    pub key: String,
    /// How many of them may be under way.
    pub max: u32,
    /// Whether it waits until there are fewer.
    pub waiting: bool,
}

/// A part of a list of executions.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ListedExecutions {
    /// The newest first.
    pub items: Vec<Listed>,
    /// Send it as `cursor` to get the next part; null: this was the last.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
    /// The ids of those that are left out because what is stored of them is damaged.
    #[schema(required = false)]
    pub damaged: Option<Vec<String>>,
}

/// An execution in a list.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Listed {
    /// `exec-…`
    pub execution_id: String,
    /// Its workflow.
    pub workflow_id: String,
    /// The revision that it runs.
    pub revision: u32,
    /// What started it.
    pub trigger: StartedBy,
    /// Where it is, in four words.
    pub status: ExecutionStatus,
    /// Where it is, in detail: `queued`, `running`, `retrying`, `waiting_approval`, `waiting_timer`, `waiting_event`, `waiting_callback`,
    /// `waiting_child`, `paused`, `completed`, `failed`, `cancelled`, `timed_out`.
    pub state: String,
    /// RFC 3339.
    pub started_at: String,
    /// RFC 3339.
    #[schema(required = false)]
    pub ended_at: Option<String>,
    /// A readable sentence.
    #[schema(required = false)]
    pub error: Option<String>,
    /// The same for programs.
    #[schema(required = false)]
    pub error_details: Option<ErrorDetails>,
}

/// Where an execution is.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum ExecutionStatus {
    /// It is in the queue.
    Pending,
    /// It is under way, or waits.
    Running,
    /// It has a result.
    Completed,
    /// It has an error.
    Failed,
}

/// What started an execution.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct StartedBy {
    /// `api`, `event`, `schedule`, `webhook`, `workflow` or `rerun`.
    #[schema(rename = "type")]
    pub kind: String,
    /// Who, if somebody did.
    #[schema(required = false)]
    pub by: Option<String>,
    /// The event.
    #[schema(required = false)]
    pub event_id: Option<String>,
    /// The occurrence of a schedule, RFC 3339.
    #[schema(required = false)]
    pub scheduled_at: Option<String>,
    /// The execution that it is a child or a rerun of.
    #[schema(required = false)]
    pub execution_id: Option<String>,
    /// The trace that it belongs to (W3C Trace Context).
    #[schema(required = false)]
    pub traceparent: Option<String>,
}

/// Why a step or an execution failed.
#[derive(ToSchema)]
pub struct ErrorDetails {
    /// Stable.
    pub code: String,
    /// What happened.
    pub message: String,
    /// Where.
    #[schema(required = false)]
    pub step: Option<String>,
    /// Which attempt was the last.
    #[schema(required = false)]
    pub attempt: Option<u32>,
    /// Whether another attempt might have ended otherwise.
    pub retryable: bool,
    /// `guest` or `host`.
    pub source: String,
    /// What the function says beside.
    #[schema(required = false)]
    pub details: Option<Value>,
}

/// Where a step is: its latest run.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct StepState {
    /// `pending`, `running`, `waiting`, `completed`, `failed`, `skipped`, `cancelled`.
    pub status: String,
    /// Of the latest run.
    pub attempts: u32,
    /// How often it ran.
    pub runs: u32,
    /// Of a condition.
    #[schema(required = false)]
    pub outcome: Option<bool>,
    /// Of a loop.
    #[schema(required = false)]
    pub iterations: Option<u32>,
    /// Of a loop: whether items were left out.
    #[schema(required = false)]
    pub truncated: Option<bool>,
    /// Of a workflow step.
    #[schema(required = false)]
    pub child_execution_id: Option<String>,
    /// RFC 3339.
    #[schema(required = false)]
    pub started_at: Option<String>,
    /// RFC 3339.
    #[schema(required = false)]
    pub ended_at: Option<String>,
}

/// A line of what functions logged.
#[derive(ToSchema)]
pub struct LogLine {
    /// RFC 3339.
    pub at: String,
    /// The step.
    pub step: String,
    /// Which run of it.
    pub run: u32,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// How serious.
    pub level: String,
    /// What.
    pub message: String,
    /// Beside it.
    pub fields: Value,
}
