//! The format of a case, as README.md tells it. An unknown key is a fault of the case.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    /// What it shows, for readers.
    #[serde(default, rename = "about")]
    _about: String,
    /// Id -> JavaScript source, or `{"wasm": <name of a guest>}`.
    #[serde(default)]
    pub functions: BTreeMap<String, Value>,
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// Workflows that are created before `workflow`: children, for instance.
    #[serde(default)]
    pub others: Vec<Value>,
    pub workflow: Value,
    /// What creating `workflow` answers; 201 if missing.
    pub definition: Option<Answers>,
    /// What `POST /workflows/validate` answers.
    pub validate: Option<Answers>,
    #[serde(default)]
    pub runs: Vec<Run>,
    /// Why this case is not played under kills.
    pub calm: Option<String>,
}

impl Case {
    /// Whether kills would show nothing.
    pub fn is_calm(&self) -> bool {
        self.calm.is_some() || self.runs.iter().all(|run| run.expect.is_none())
    }
}

/// One execution, or one event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Run {
    /// What it shows, for readers and messages.
    #[serde(default)]
    pub about: String,
    /// Missing and null are different (D8).
    #[serde(default, deserialize_with = "present")]
    pub input: Option<Value>,
    pub idempotency_key: Option<String>,
    /// The event to publish instead of a trigger by the API.
    pub publish: Option<Value>,
    /// How many executions the event starts.
    pub started: Option<usize>,
    /// What the start answers, if it is refused.
    pub refused: Option<Answers>,
    #[serde(default)]
    pub approvals: Vec<Approval>,
    /// What is done while it runs, in this order.
    #[serde(default)]
    pub moments: Vec<Moment>,
    /// How it ends: a part of the execution's answer, with the keys of compare.rs.
    pub expect: Option<Map<String, Value>>,
}

/// The answers for a human step, given as soon as it waits.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    pub step: String,
    pub answers: Vec<Value>,
}

/// Something that is done to an execution: one of `request`, `publish`, `control`, `answer`, `callback`, `functions`, `put`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    #[serde(default)]
    pub about: String,
    /// The part of the execution's answer that is waited for.
    pub when: Option<Value>,
    pub request: Option<Request>,
    pub publish: Option<Value>,
    /// `cancel`, `pause`, `resume`, `retry` or `rerun`; after a rerun the new execution is followed.
    pub control: Option<String>,
    /// The body of `control`.
    pub body: Option<Value>,
    /// `{step, by, approved, ...}`: an answer to the newest approval of that step.
    pub answer: Option<Value>,
    /// `{step, body}`: completes that step from outside.
    pub callback: Option<Value>,
    /// New versions of functions.
    pub functions: Option<BTreeMap<String, Value>>,
    /// A new revision of the workflow.
    pub put: Option<Value>,
    /// Any 2xx if missing.
    pub answers: Option<Answers>,
    /// `request` is sent again until this is a part of its body.
    pub until: Option<Value>,
}

/// Any request; `{execution}` in the path stands for the execution's id.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    #[serde(default = "get")]
    pub method: String,
    pub path: String,
    #[serde(default)]
    pub body: Option<Value>,
}

/// What an answer must be like.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    pub status: u16,
    pub code: Option<String>,
    /// The pointers of all its `errors`, in any order.
    pub pointers: Option<Vec<String>>,
    /// The pointers of all its `warnings`, in any order.
    pub warnings: Option<Vec<String>>,
    /// A part of the body; `{execution}` stands for the execution's id.
    pub body: Option<Value>,
    /// Texts that stand nowhere in the body.
    #[serde(default)]
    pub lacks: Vec<String>,
}

fn get() -> String {
    "GET".to_owned()
}

/// Null as a value, not as something missing.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}
