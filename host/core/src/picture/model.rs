//! What there is to draw, without any place on paper: the JSON form of a picture, and what every drawing is made from.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A workflow to look at, or an execution of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Figure {
    /// Which workflow.
    pub workflow: About,
    /// Which execution, and how far it is; `None`: the definition alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<Story>,
    /// The steps in the order of the definition; the first is the start.
    pub steps: Vec<Shape>,
    /// What may follow what.
    pub edges: Vec<Edge>,
}

/// The workflow of a picture.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Which revision is drawn.
    pub revision: u64,
}

/// The execution of a picture.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Story {
    /// Its id.
    pub id: String,
    /// `pending`, `running`, `completed`, `failed` (C18).
    pub status: String,
    /// The closed list of C18.
    pub state: String,
    /// RFC 3339.
    pub started_at: String,
    /// How long it took, or has been under way; milliseconds.
    pub duration_ms: u64,
    /// A readable sentence (D10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Story {
    /// The status of a step that looks the same.
    pub(super) fn step_status(&self) -> Status {
        match (self.status.as_str(), self.state.as_str()) {
            ("completed", _) => Status::Completed,
            ("failed", "cancelled") => Status::Cancelled,
            ("failed", _) => Status::Failed,
            ("running", "running" | "retrying") => Status::Running,
            ("running", _) => Status::Waiting,
            _ => Status::Pending,
        }
    }
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shape {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its type as the definition writes it.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it does in a few words: the function, the condition, what a loop goes over.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The loop or parallel step in whose body it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// How far it is; `None` in the picture of a definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// How far a step of an execution is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Its latest run's status.
    pub status: Status,
    /// Attempts of its latest run.
    pub attempts: u64,
    /// How often it ran.
    pub runs: u64,
    /// Iterations of a loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iterations: Option<u64>,
    /// What a condition gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<bool>,
    /// How long the latest run took, or has been under way; milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The status of a step (http-api.md section 1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It may still start.
    #[default]
    Pending,
    /// It runs.
    Running,
    /// It waits for somebody or something.
    Waiting,
    /// It ended well.
    Completed,
    /// It failed.
    Failed,
    /// It never started, and never will.
    Skipped,
    /// It was stopped.
    Cancelled,
}

impl Status {
    /// As the API writes it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }

    /// One character of plain text: colour alone tells too few people.
    #[must_use]
    pub fn mark(self) -> char {
        match self {
            Self::Pending => '·',
            Self::Running => '▶',
            Self::Waiting => '◷',
            Self::Completed => '✓',
            Self::Failed => '✗',
            Self::Skipped => '–',
            Self::Cancelled => '⊘',
        }
    }
}

/// A way from one step to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Edge {
    /// The id of the step that it leaves.
    pub from: String,
    /// The id of the step that it leads to.
    pub to: String,
    /// When it is taken.
    pub kind: EdgeKind,
    /// What stands beside it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// It ends the iteration or the branch in which it begins (C7, C8); where it leads to happens once, after the last.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ends_round: bool,
}

/// When an edge is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EdgeKind {
    /// `next`.
    Next,
    /// `config.else`: the condition is false.
    Else,
    /// `config.onError`: after the last attempt has failed.
    OnError,
    /// `config.onTimeout`: nobody answered in time.
    OnTimeout,
    /// `next` of a loop: each iteration begins there.
    Body,
    /// `config.done`: after the last iteration.
    Done,
    /// `config.branches`: a branch begins there.
    Branch,
}

impl EdgeKind {
    /// Whether it begins the body of a loop or a branch.
    #[must_use]
    pub fn enters(self) -> bool {
        matches!(self, Self::Body | Self::Branch)
    }
}

/// Where the steps of a figure are in its lists. Names that lead nowhere are left out: a figure may come from elsewhere.
pub(super) struct Places {
    /// The ends of each edge that has two: `(edge, from, to)`.
    pub edges: Vec<(usize, usize, usize)>,
    /// For each step, the step in whose body it is.
    pub within: Vec<Option<usize>>,
}

impl Places {
    pub fn of(figure: &Figure) -> Self {
        let by_id: HashMap<&str, usize> =
            figure.steps.iter().enumerate().map(|(at, step)| (step.id.as_str(), at)).collect();
        let place = |id: &String| by_id.get(id.as_str()).copied();
        let ends = |(at, edge): (usize, &Edge)| Some((at, place(&edge.from)?, place(&edge.to)?));
        let edges = figure.edges.iter().enumerate().filter_map(ends).collect();
        let within = figure.steps.iter().map(|step| step.within.as_ref().and_then(place)).collect();
        Self { edges, within: without_rings(within) }
    }
}

/// A step cannot be inside itself; whoever says so is not believed.
fn without_rings(mut within: Vec<Option<usize>>) -> Vec<Option<usize>> {
    // 0: not looked at, 1: on the way up that is being looked at, 2: leads to the top.
    let mut seen = vec![0u8; within.len()];
    for start in 0..within.len() {
        let (mut at, mut way) = (start, Vec::new());
        while seen[at] == 0 {
            seen[at] = 1;
            way.push(at);
            match within[at] {
                Some(outer) if seen[outer] == 1 => within[at] = None,
                Some(outer) => at = outer,
                None => {}
            }
        }
        way.into_iter().for_each(|at| seen[at] = 2);
    }
    within
}
