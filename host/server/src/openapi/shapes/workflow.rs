//! Definitions.

use serde_json::Value;
use utoipa::ToSchema;

/// What an author writes. Unknown fields are kept.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Definition {
    /// Left out: a slug of the name.
    #[schema(required = false, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
    pub id: Option<String>,
    /// Left out: the id with capitals.
    #[schema(required = false)]
    pub name: Option<String>,
    /// For readers.
    #[schema(required = false)]
    pub description: Option<String>,
    /// The first is the start.
    #[schema(min_items = 1, max_items = 2000)]
    pub steps: Vec<Step>,
    /// What starts it, beside the API.
    #[schema(required = false)]
    pub triggers: Option<Vec<Trigger>>,
    /// JSON Schema of the input.
    #[schema(required = false)]
    pub input_schema: Option<Value>,
    /// An expression that fixes the shape of the result.
    #[schema(required = false)]
    pub output: Option<String>,
    /// In scope of expressions.
    #[schema(required = false)]
    pub metadata: Option<Value>,
    /// Time limit of the whole execution: milliseconds, or `"30s"`.
    #[schema(required = false)]
    pub timeout: Option<Value>,
    /// Whether new executions may start.
    #[schema(required = false)]
    pub enabled: Option<bool>,
}

/// A place in a workflow.
#[derive(ToSchema)]
pub struct Step {
    /// Unique in its workflow.
    #[schema(min_length = 1, max_length = 128)]
    pub id: String,
    /// For readers.
    #[schema(required = false)]
    pub name: Option<String>,
    /// What it does.
    #[schema(rename = "type")]
    pub kind: StepType,
    /// Of a function step: the function's id, or an object with it.
    #[schema(required = false)]
    pub function: Option<Value>,
    /// An expression.
    #[schema(required = false)]
    pub condition: Option<String>,
    /// A step id, or several: a fork.
    #[schema(required = false)]
    pub next: Option<Value>,
    /// By type; see the README.
    #[schema(required = false)]
    pub config: Option<Value>,
}

/// What a step does.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum StepType {
    /// Calls a function.
    Function,
    /// Asks an expression.
    Condition,
    /// Forks, or runs branches and waits for all.
    Parallel,
    /// Runs its body for each item, or while a condition holds.
    Loop,
    /// Asks people.
    Human,
    /// Asks a model.
    Agent,
    /// Waits for a time.
    Wait,
    /// Waits for an event.
    Event,
    /// Runs another workflow.
    Workflow,
}

/// A rule that starts executions.
#[derive(ToSchema)]
pub struct Trigger {
    /// `schedule`, `event`, `webhook` or `manual`.
    #[schema(rename = "type")]
    pub kind: String,
    /// By type.
    #[schema(required = false)]
    pub config: Option<Value>,
    /// Sees `event` and `input`.
    #[schema(required = false)]
    pub condition: Option<String>,
}

/// A definition, and what the server knows of it. Secrets in it read `***`.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Workflow {
    /// Unique in its tenant.
    pub id: String,
    /// For readers.
    pub name: String,
    /// As it was given.
    pub steps: Vec<Step>,
    /// As they were given.
    #[schema(required = false)]
    pub triggers: Option<Vec<Trigger>>,
    /// Counts the edits, from 1.
    pub revision: u32,
    /// What its author may want to change.
    pub warnings: Vec<Warning>,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub updated_at: String,
}

/// Something that is probably not what its author meant.
#[derive(ToSchema)]
pub struct Warning {
    /// JSON pointer into the definition.
    pub pointer: String,
    /// Stable.
    pub code: String,
    /// What the author may want to change.
    pub message: String,
}

/// What is to be said of a definition.
#[derive(ToSchema)]
pub struct Validated {
    /// Whether it would be accepted.
    pub valid: bool,
    /// All that is wrong with it.
    pub errors: Vec<super::FieldProblem>,
    /// What its author may want to change.
    pub warnings: Vec<Warning>,
    /// The steps that gather tokens, and the forks that each one joins.
    pub joins: Vec<Value>,
    /// The loops and their bodies.
    pub loops: Vec<Value>,
    /// The parallel steps with branches.
    pub parallels: Vec<Value>,
    /// Steps that nothing leads to.
    pub unreachable: Vec<String>,
    /// Whether something was left out, because it names too much.
    pub truncated: bool,
}

/// One line of a workflow's history.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Revision {
    /// The workflow's.
    pub id: String,
    /// For readers.
    pub name: String,
    /// From 1.
    pub revision: u32,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub updated_at: String,
}
