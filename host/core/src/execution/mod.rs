//! One run of a workflow: its state, and the one function that changes it.
//!
//! A token marks how far a path has come. A fork opens a group, in which all tokens that descend from it are, until one is left.
//! Each visit of a token to a step is a step run; runs know the runs before them, so that what a path has passed can be looked up.

mod apply;
mod chunks;
mod control;
mod effects;
mod entry;
mod failing;
mod frames;
mod input;
mod iterations;
mod joining;
mod limiting;
mod outcome;
mod people;
mod rerun;
mod scope;
mod shelf;
mod turn;
mod view;
mod waiting;
mod waits;

#[cfg(test)]
pub(crate) mod tests;

pub use apply::{Applied, Illegal, Stale, apply, outstanding, replay};
pub use chunks::Chunks;
pub use effects::{is_effect_free, may_be_held, may_start_held};
pub use entry::{
    Answer, AttemptUsage, Command, Entry, ExecutionLimits, Kept, Parent, Pin, Reported, Rerun, Started, Trigger,
};
pub use input::{Call, call};
pub use limiting::{Limited, step_limit};
pub use people::{ApprovalStatus, approval_status, approval_view, cannot_answer};
pub use rerun::{NotReached, kept_for};
pub use shelf::Shelf;
pub use view::{Outline, history_line, outline, view};
pub use waiting::{ChildStart, child_start, event_matches};
pub use waits::{Approval, Branches, ChildWait, Decision, EventWait, Iterations, Wait};

use crate::definition::StepIx;
use crate::failure::{Failure, Source};
use crate::graph::ForkIx;
use crate::ids::ExecutionId;
use crate::payload::{self, Payload};
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
    fn new(frame: FrameId, place: Place) -> Self {
        let (groups, passed, late_for) = (Vec::new(), Vec::new(), Vec::new());
        Self { place, frame, result: None, error: None, groups, passed, late_for }
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

/// Number of a frame; never used twice. The first is the execution itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FrameId(pub u32);

impl FrameId {
    /// The execution itself, outside of all loops and branches.
    pub const TOP: Self = Self(0);
}

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
    pub runs: Chunks<Arc<Run>>,
    /// The live paths.
    pub tokens: Shelf<TokenId, Arc<Token>>,
    /// The open groups and the fork that each is a run of.
    pub groups: BTreeMap<GroupId, Group>,
    /// The iterations and branches under way, and the execution itself as the first.
    #[serde(default)]
    pub frames: Shelf<FrameId, Arc<Frame>>,
    /// How many tokens, groups and frames there have been.
    pub counters: Counters,
    /// Failures that a handler took over (C14).
    pub handled: Vec<Arc<ErrorDetails>>,
    /// Who paused it, while it is paused.
    #[serde(default)]
    pub paused: Option<Pause>,
    /// Its workflow's limit, if it has one: its key, and whether it waits for a place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited: Option<Limited>,
}

/// Somebody stopped the execution for a while: what runs goes on to its end, nothing new begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pause {
    /// Who.
    pub by: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// An iteration of a loop, a branch of a `parallel`, or the execution itself: the paths in it come to one result.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// The run of the loop or `parallel`; `None`: the execution itself.
    pub owner: Option<RunIx>,
    /// Which iteration or branch, from 0.
    pub index: u32,
    /// Indexes of the iterations around and of itself, outermost first.
    pub path: Arc<[u32]>,
    /// The nearest frame, itself included, that is an iteration or the execution: runs of a step are counted there.
    pub iteration: FrameId,
    /// How many frames are around it.
    pub depth: u32,
    /// Of an iteration over items: its item.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "payload::present")]
    pub item: Option<Payload>,
    /// How many tokens are in it.
    pub tokens: u32,
    /// Paths that ended and count for the result.
    pub finished: Chunks<Finished>,
    /// The result of the path that ended last, counted or not (D9).
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "payload::present")]
    pub last_ended: Option<Payload>,
    /// The last runs of the paths that ended, in a branch: the path behind a `parallel` has passed them.
    pub passed: Vec<RunIx>,
    /// How often each step has run in this iteration.
    pub numbers: Shelf<StepIx, u32>,
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
    #[serde(default)]
    frames: u32,
}

/// A live path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Where it is.
    pub place: Place,
    /// The iteration or branch that it is in.
    #[serde(default)]
    pub frame: FrameId,
    /// The latest value on this path; `None`: no value yet, the workflow input stands for it (D3).
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "payload::present")]
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
    /// On its way to a step. Between two entries only in an execution that failed meanwhile.
    Bound {
        /// Which step.
        to: StepIx,
        /// How it gets there.
        via: Via,
    },
    /// A branch that waits until fewer others are under way (C7).
    Held {
        /// Its first step.
        to: StepIx,
        /// The `parallel` step.
        from: StepIx,
        /// The branches.
        group: GroupId,
    },
}

/// How a token gets to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// The execution begins.
    Start,
    /// From this step.
    Edge(StepIx),
    /// Over `onError`: never gathered by a join (C14).
    Handler,
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
    /// How many runs of this step there have been in this iteration, this one included.
    pub number: u32,
    /// Indexes of the iterations around it, outermost first.
    #[serde(default = "no_iterations")]
    pub path: Arc<[u32]>,
    /// The iteration or branch that it is in.
    #[serde(default)]
    pub frame: FrameId,
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
    /// The value of a step that produces one; the boolean of a condition.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "payload::present")]
    pub result: Option<Payload>,
    /// The failure that ended it.
    pub failure: Option<Failure>,
    /// What it waits for, or has inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Arc<Wait>>,
    /// Of a loop that is over: how many iterations ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iterations: Option<u32>,
    /// Of a loop: whether it left items out (C11).
    #[serde(default)]
    pub truncated: bool,
    /// Attempts before the last `retry` of the execution: they no longer count against `retries`.
    #[serde(default)]
    pub attempts_forgiven: u32,
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
    /// It waits for something, or what is inside of it is under way; [`Run::wait`] says what.
    Waiting,
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
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "payload::present")]
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
            runs: Chunks::default(),
            tokens: Shelf::default(),
            groups: BTreeMap::new(),
            frames: Shelf::default(),
            counters: Counters::default(),
            handled: Vec::new(),
            paused: None,
            limited: None,
        }
    }

    /// Whether nothing can happen any more.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Completed(_) | Phase::Failed(_))
    }

    /// Whether it has not begun because of its workflow's limit.
    #[must_use]
    pub fn waits_for_place(&self) -> bool {
        self.limited.as_ref().is_some_and(|limited| limited.waiting)
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
        format!("{}/{}", self.id, run_key(step_id, &run.path, run.number))
    }

    /// Whether it waits for something outside that may take long: people, timers, events, children, callbacks, or whoever paused it.
    /// Nothing is lost if such an execution leaves the memory.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let waits = |token: &Arc<Token>| match token.place {
            Place::In(run) => self.run(run).is_some_and(|run| run.state == RunState::Waiting),
            Place::At { .. } | Place::Held { .. } => true,
            Place::Bound { .. } => false,
        };
        self.phase == Phase::Running
            && (self.paused.is_some() || self.waits_for_place() || self.tokens.values().all(waits))
    }

    /// The next moment at which something happens by itself: a timer, a timeout, the deadline, a retry after its pause.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        if self.phase != Phase::Running {
            return None;
        }
        let timers = self.under_way().filter_map(|(_, run)| match run.state {
            RunState::Active { not_before, .. } => not_before,
            RunState::Waiting => run.wait.as_ref().and_then(|wait| wait.due()),
            RunState::Completed | RunState::Failed | RunState::Cancelled => None,
        });
        timers.chain(self.deadline).min()
    }

    /// The step runs that tokens are in.
    pub fn under_way(&self) -> impl Iterator<Item = (RunIx, &Run)> {
        self.tokens.values().filter_map(|token| match token.place {
            Place::In(run) => Some((run, self.run(run)?)),
            Place::At { .. } | Place::Bound { .. } | Place::Held { .. } => None,
        })
    }
}

/// `{step}/{iteration path, or "-"}/{run}`: names a step run within its execution (semantics section 6).
#[must_use]
pub fn run_key(step_id: &str, path: &[u32], number: u32) -> String {
    let path = path.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
    format!("{step_id}/{}/{number}", if path.is_empty() { "-" } else { &path })
}

fn no_iterations() -> Arc<[u32]> {
    Arc::from([])
}
