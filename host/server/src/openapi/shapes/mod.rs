//! The shapes of bodies and answers, as the document shows them (http-api.md section 1). Most answers are written by the core and the engine,
//! which know nothing of HTTP: these types only describe them, and the tests hold every answer to them.
#![allow(dead_code, reason = "they describe what others write")]

mod execution;
mod function;
mod grants;
mod schedule;
mod store;
mod tenant;
mod usage;
mod workflow;

pub use execution::*;
pub use function::*;
pub use grants::*;
pub use schedule::*;
pub use store::*;
pub use tenant::*;
pub use usage::*;
pub use workflow::*;

use serde_json::Value;
use utoipa::ToSchema;

/// Any error (RFC 9457, and beside it what the client reads).
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Problem {
    /// `urn:stepwell:error:<code>`
    #[schema(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The status.
    pub status: u16,
    /// As `message`.
    pub detail: String,
    /// The path that was asked for.
    pub instance: String,
    /// Stable: programs may compare it.
    pub code: String,
    /// What happened and what to do.
    #[schema(min_length = 1)]
    pub message: String,
    /// As `status`.
    pub status_code: u16,
    /// The fields at fault.
    pub errors: Vec<FieldProblem>,
    /// Of a function's failure: whether another attempt may end otherwise.
    #[schema(required = false)]
    pub retryable: Option<bool>,
    /// Of a function's failure: what it says beside.
    #[schema(required = false)]
    pub details: Option<Value>,
    /// Of a function's failure: whose fault it is, `guest` or `host`.
    #[schema(required = false)]
    pub source: Option<String>,
    /// For the server's log.
    pub request_id: String,
}

/// One field at fault.
#[derive(ToSchema)]
pub struct FieldProblem {
    /// `steps[0].id`
    pub field: String,
    /// JSON pointer into the body.
    pub pointer: String,
    /// Stable.
    pub code: String,
    /// What to change.
    pub message: String,
    /// Of a script: the line, from 1.
    #[schema(required = false)]
    pub line: Option<u32>,
    /// Of a script: the column, from 1.
    #[schema(required = false)]
    pub column: Option<u32>,
}

/// An empty object.
#[derive(ToSchema)]
pub struct Empty {}

/// A part of a list.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Part<T: ToSchema> {
    /// In the list's order.
    pub items: Vec<T>,
    /// Send it as `cursor` to get the next part; null: this was the last.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

/// A business event.
#[derive(ToSchema)]
pub struct Event {
    /// Unique in its tenant.
    pub id: String,
    /// Dotted segments, such as `order.created`.
    #[schema(rename = "type")]
    pub kind: String,
    /// RFC 3339.
    pub timestamp: String,
    /// Where it comes from.
    pub source: String,
    /// What it says.
    pub data: Value,
    /// What it is about.
    #[schema(required = false)]
    pub resources: Option<Value>,
    /// Beside it.
    #[schema(required = false)]
    pub metadata: Option<Value>,
}

/// An event, and what came of it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct EventSeen {
    /// The event itself.
    #[schema(inline)]
    #[serde(flatten)]
    pub event: Event,
    /// The executions that it started.
    pub started: Vec<Value>,
    /// The workflows whose triggers matched its type, and why they were not started.
    pub not_started: Vec<Value>,
    /// The waiting steps that got it.
    pub delivered: Vec<Value>,
    /// Those that did not, and why.
    pub not_delivered: Vec<Value>,
    /// Whether all of this is final.
    pub settled: bool,
}

/// A human step that asks, or asked.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Approval {
    /// `appr-…`
    pub id: String,
    /// Its execution.
    pub execution_id: String,
    /// Its workflow.
    pub workflow_id: String,
    /// For readers.
    pub workflow_name: String,
    /// Its step.
    pub step: String,
    /// For readers.
    pub step_name: String,
    /// `pending`, `approved`, `rejected`, `expired`, `cancelled`.
    pub status: String,
    /// Who may answer; null: any key with the scope `approve`.
    #[schema(required = true)]
    pub approvers: Option<Vec<String>>,
    /// How many approvals are needed.
    pub required_approvals: u32,
    /// The answers so far.
    pub decisions: Vec<Decision>,
    /// JSON Schema of `data`.
    #[schema(required = false)]
    pub form: Option<Value>,
    /// What the step shows to those whom it asks.
    #[schema(required = false)]
    pub details: Option<Value>,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    #[schema(required = false)]
    pub expires_at: Option<String>,
}

/// One answer.
#[derive(ToSchema)]
pub struct Decision {
    /// Who.
    pub by: String,
    /// What.
    pub approved: bool,
    /// Why, in their words.
    #[schema(required = false)]
    pub comment: Option<String>,
    /// RFC 3339.
    pub at: String,
}

/// A signed link.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ApprovalLink {
    /// Who answers with it.
    pub approver: String,
    /// Where they go. It is a secret.
    pub url: String,
    /// RFC 3339.
    pub expires_at: String,
}

/// What may be told of a secret.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub updated_at: String,
    /// Counts the values, from 1.
    pub version: u32,
}

/// The server's own state.
#[derive(ToSchema)]
pub struct Health {
    /// `ok`; of `/readyz`: `ready`, `disk_low` (nothing new is taken), `disk_full` (what is under way may end)
    pub status: String,
}

/// Somebody who thinks: a model with a role.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Agent {
    /// Unique in its tenant.
    pub id: String,
    /// For readers.
    pub name: String,
    /// Counts the changes, from 1.
    pub version: u32,
    /// What its author may want to change.
    pub warnings: Vec<Warning>,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub updated_at: String,
}

/// What an author writes of an agent. Unknown fields are kept.
#[derive(ToSchema)]
pub struct NewAgent {
    /// Left out: a slug of the name.
    #[schema(required = false, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
    pub id: Option<String>,
    /// For readers.
    #[schema(required = false)]
    pub name: Option<String>,
    /// What steps ask for it by.
    #[schema(required = false)]
    pub role: Option<String>,
    /// What it is told.
    #[schema(required = false)]
    pub instructions: Option<String>,
    /// Function ids.
    #[schema(required = false)]
    pub tools: Option<Vec<String>>,
}

/// One request to a webhook, and what became of it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Delivery {
    /// Where it is found.
    pub id: String,
    /// The workflow of the webhook.
    pub workflow_id: String,
    /// Its place in `triggers`.
    pub trigger: Value,
    /// The request's.
    pub method: String,
    /// The request's.
    pub path: String,
    /// RFC 3339.
    pub received_at: String,
    /// What became of it.
    pub status: String,
    /// What the signature came to.
    #[schema(required = true)]
    pub signature: Option<Value>,
    /// Who signs like that.
    #[schema(required = true)]
    pub scheme: Option<String>,
    /// What tells a redelivery.
    #[schema(required = true)]
    pub delivery_key: Option<String>,
    /// What it started.
    #[schema(required = true)]
    pub execution_id: Option<String>,
    /// Why it started nothing.
    #[schema(required = true)]
    pub code: Option<String>,
    /// The same in words.
    #[schema(required = true)]
    pub reason: Option<String>,
    /// Of its body.
    pub bytes: u64,
}

/// What a webhook's sender gets.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Delivered {
    /// What it started, if it started something.
    #[schema(required = true)]
    pub execution_id: Option<String>,
    /// For the log of deliveries.
    pub delivery_id: String,
}

/// One event, or the events of a batch.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum Published {
    /// One.
    One(Box<Event>),
    /// A batch.
    Several(Vec<Event>),
}
