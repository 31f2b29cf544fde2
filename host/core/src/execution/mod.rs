//! One run of a workflow: its state, and the one function that changes it.
//!
//! A token marks how far a path has come. A fork opens a group, in which all tokens that descend from it are, until one is left.
//! Each visit of a token to a step is a step run; runs know the runs before them, so that what a path has passed can be looked up.

mod apply;
mod entry;
mod input;
mod joining;
mod outcome;
mod scope;
mod turn;
mod view;

#[cfg(test)]
mod tests;

pub use apply::{Applied, Illegal, Stale, apply, outstanding, replay};
pub use entry::{AttemptUsage, Command, Entry, ExecutionLimits, Pin, Started, Trigger};
pub use input::{Call, call};
pub use view::{Outline, history_line, outline, view};

use crate::definition::StepIx;
use crate::failure::{Failure, Source};
use crate::graph::ForkIx;
use crate::ids::ExecutionId;
use crate::payload::Payload;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Position of a step run in its execution, in the order of their starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunIx(pub u32);

impl RunIx {
    /// As an index.
    #[must_use]
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

impl Token {
    /// A token with nothing behind it.
    fn new() -> Self {
        let (groups, passed, late_for) = (Vec::new(), Vec::new(), Vec::new());
        Self { place: Place::Moving, result: None, error: None, groups, passed, late_for }
    }
}

/// Number of a token; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenId(pub u32);

/// Number of a group; an inner group has a higher one than those around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupId(pub u32);

/// The state of an execution: what follows from its journal, and nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// Its id.
    pub id: ExecutionId,
    /// What the start decided; `None` before.
    pub started: Option<Arc<Started>>,
    /// How far it is.
    pub phase: Phase,
    /// Lines in the journal: the number of the next one.
    pub lines: u32,
    /// Bytes of results and failures in the journal.
    pub result_bytes: u64,
    /// When it was accepted.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When it must have ended.
    pub deadline: Option<Timestamp>,
    /// All step runs, in the order of their starts.
    pub runs: Vec<Arc<Run>>,
    /// The live paths.
    pub tokens: BTreeMap<TokenId, Arc<Token>>,
    /// The open groups and the fork that each is a run of.
    pub groups: BTreeMap<GroupId, Group>,
    /// How many tokens and groups there have been.
    pub counters: Counters,
    /// Paths that ended and count for the result.
    pub finished: Vec<Finished>,
    /// The result of the path that ended last, counted or not (D9).
    pub last_ended: Option<Payload>,
    /// Failures that a handler took over (C14).
    pub handled: Vec<Arc<ErrorDetails>>,
}

/// How far an execution is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Not accepted yet.
    Blank,
    /// Under way.
    Running,
    /// Ended well, with this result.
    Completed(Payload),
    /// Ended badly.
    Failed(ErrorDetails),
}

/// Sources of numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    tokens: u32,
    groups: u32,
    arrivals: u32,
}

/// A live path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Where it is.
    pub place: Place,
    /// The latest value on this path; `None`: no value yet, the workflow input stands for it (D3).
    pub result: Option<Payload>,
    /// On a handler's path: the failure.
    pub error: Option<Arc<ErrorDetails>>,
    /// The groups that it is in, outermost first.
    pub groups: Vec<GroupId>,
    /// The last runs that it has passed: one, or behind a join all that it gathered.
    pub passed: Vec<RunIx>,
    /// Joins that fired early while it was under way: they absorb it (C5). Kept here and not with the group, because a branch may arrive
    /// long after the others have ended and the group with them.
    pub late_for: Vec<StepIx>,
}

/// Where a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In this step run.
    In(RunIx),
    /// Waiting at a join.
    At {
        /// The join.
        join: StepIx,
        /// The group that it gathers.
        group: GroupId,
        /// The step that it came from.
        from: StepIx,
        /// Its place in the order of arrivals.
        arrival: u32,
    },
    /// On its way; never between two entries.
    Moving,
}

/// A run of a fork.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Which fork.
    pub fork: ForkIx,
}

/// One visit to a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Which step.
    pub step: StepIx,
    /// How many runs of this step there have been, this one included.
    pub number: u32,
    /// Whose visit.
    pub token: TokenId,
    /// The runs before it on its path.
    pub before: Vec<RunIx>,
    /// How far it is.
    pub state: RunState,
    /// Attempts that ended or are under way.
    pub attempts: u32,
    /// How often the process ended abnormally during it (C15).
    pub strikes: u32,
    /// The value of a function; the boolean of a condition.
    pub result: Option<Payload>,
    /// The failure that ended it.
    pub failure: Option<Failure>,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// How far a step run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// An attempt is under way, or waits for its turn or its time.
    Active {
        /// Which one, from 1.
        attempt: u32,
        /// The end of a pause before it.
        not_before: Option<Timestamp>,
    },
    /// It has a value.
    Completed,
    /// It failed for good.
    Failed,
    /// It was stopped.
    Cancelled,
}

/// A path that ended and counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// Its last step.
    pub step: StepIx,
    /// Its result.
    pub result: Payload,
    /// Its last run.
    pub run: RunIx,
}

/// `errorDetails` of an execution, an element of `handledErrors`, and `error` in a handler's scope (D10, C14).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetails {
    /// Stable code.
    pub code: String,
    /// What happened.
    pub message: String,
    /// Where, if in a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Which attempt was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Whether the failure was marked as worth another attempt.
    pub retryable: bool,
    /// Whose fault it is.
    pub source: Source,
    /// The guest's own details.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Payload>,
}

impl Execution {
    /// Before anything happened.
    #[must_use]
    pub fn blank(id: ExecutionId) -> Self {
        Self {
            id,
            started: None,
            phase: Phase::Blank,
            lines: 0,
            result_bytes: 0,
            started_at: Timestamp(0),
            ended_at: None,
            deadline: None,
            runs: Vec::new(),
            tokens: BTreeMap::new(),
            groups: BTreeMap::new(),
            counters: Counters::default(),
            finished: Vec::new(),
            last_ended: None,
            handled: Vec::new(),
        }
    }

    /// Whether nothing can happen any more.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Completed(_) | Phase::Failed(_))
    }

    /// A step run.
    #[must_use]
    pub fn run(&self, at: RunIx) -> Option<&Run> {
        self.runs.get(at.at()).map(Arc::as_ref)
    }

    /// The workflow's input; null before the start.
    #[must_use]
    pub fn input(&self) -> Payload {
        self.started.as_ref().map_or_else(Payload::null, |started| started.input.clone())
    }

    /// The idempotency key of a step run: the same for each of its attempts (semantics section 6).
    #[must_use]
    pub fn idempotency_key(&self, run: &Run, step_id: &str) -> String {
        format!("{}/{step_id}/-/{}", self.id, run.number)
    }
}
