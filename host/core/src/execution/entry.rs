//! What happened (past tense) and what the core asks for (imperative).

use super::RunIx;
use crate::failure::Failure;
use crate::grants::Grants;
use crate::ids::{Digest, ExecutionId, TenantId};
use crate::payload::{self, Payload};
use crate::time::Timestamp;
use crate::trace::TraceParent;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One line of a journal: all that an execution has become follows from its lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// The execution was accepted. Always the first line, and only that.
    Started(Box<Started>),
    /// An attempt returned a result.
    StepSucceeded {
        /// Which step run.
        run: RunIx,
        /// Which attempt, from 1.
        attempt: u32,
        /// The result.
        output: Payload,
        /// What it used.
        #[serde(default)]
        usage: AttemptUsage,
    },
    /// An attempt failed.
    StepFailed {
        /// Which step run.
        run: RunIx,
        /// Which attempt, from 1.
        attempt: u32,
        /// How.
        failure: Failure,
        /// Evenly spread over all of `u32`: the jitter of the pause, if there will be one.
        chance: u32,
        /// What it used.
        #[serde(default)]
        usage: AttemptUsage,
    },
    /// The process ended abnormally while this attempt ran (semantics C15). It runs again, uncounted, unless this was the third time.
    AttemptLost {
        /// Which step run.
        run: RunIx,
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// The execution's own timeout passed (C16).
    DeadlinePassed,
    /// The time of a waiting step run is over: a wait step's moment has come, or nobody answered in time (C21, H4).
    TimerFired {
        /// Which step run.
        run: RunIx,
    },
    /// Somebody answered a human step (H1-H6).
    ApprovalAnswered {
        /// Which step run.
        run: RunIx,
        /// What.
        answer: Answer,
    },
    /// An event that a step waits for came (C21).
    EventReceived {
        /// Which step run.
        run: RunIx,
        /// The whole event.
        event: Payload,
    },
    /// The execution that a workflow step waits for ended, or could not be started.
    ChildEnded {
        /// Which step run.
        run: RunIx,
        /// Which attempt, from 1.
        attempt: u32,
        /// How.
        outcome: Reported,
    },
    /// Somebody outside completed the step (C22).
    CallbackReceived {
        /// Which step run.
        run: RunIx,
        /// Which attempt's callback it was, from 1.
        attempt: u32,
        /// How.
        outcome: Reported,
    },
    /// Somebody stopped the execution for good.
    Cancelled {
        /// Who, or what.
        by: Option<String>,
        /// Why, in their words.
        reason: Option<String>,
    },
    /// Somebody stopped the execution for a while.
    Paused {
        /// Who.
        by: Option<String>,
    },
    /// Somebody let it go on.
    Resumed {
        /// Who.
        by: Option<String>,
    },
    /// So many executions of its key had ended that it may begin (`limit` of its workflow).
    Admitted,
    /// Somebody made a failed execution try its failed steps again.
    Retried {
        /// Who.
        by: Option<String>,
    },
}

/// What somebody outside says came of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reported {
    /// It has this value.
    Succeeded(Payload),
    /// It failed.
    Failed {
        /// How.
        failure: Failure,
        /// Evenly spread over all of `u32`: the jitter of the pause, if there will be one.
        chance: u32,
    },
}

/// An answer to a human step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Who.
    pub by: String,
    /// The groups that they are in, as `group:x` (H2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// What.
    pub approved: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The filled form.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "payload::present")]
    pub data: Option<Payload>,
}

impl Entry {
    /// The step run that it is about.
    #[must_use]
    pub fn run(&self) -> Option<RunIx> {
        match self {
            Self::StepSucceeded { run, .. }
            | Self::StepFailed { run, .. }
            | Self::AttemptLost { run, .. }
            | Self::TimerFired { run }
            | Self::ApprovalAnswered { run, .. }
            | Self::EventReceived { run, .. }
            | Self::ChildEnded { run, .. }
            | Self::CallbackReceived { run, .. } => Some(*run),
            Self::Started(_)
            | Self::DeadlinePassed
            | Self::Cancelled { .. }
            | Self::Paused { .. }
            | Self::Resumed { .. }
            | Self::Admitted
            | Self::Retried { .. } => None,
        }
    }
}

/// What an attempt used, for whoever reads the history.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptUsage {
    /// Fuel.
    pub fuel: u64,
    /// Most memory at one time, bytes.
    pub memory_bytes: u64,
    /// Wall time, microseconds.
    pub elapsed_us: u64,
}

/// All that a start decides. An execution pins it (semantics P4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which workflow.
    pub workflow: String,
    /// Its revision.
    pub revision: u32,
    /// What started it.
    pub trigger: Trigger,
    /// The workflow's input.
    pub input: Payload,
    /// The business event, if one started it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "payload::present")]
    pub event: Option<Payload>,
    /// Function id as the definition writes it -> what it was then.
    pub pins: BTreeMap<String, Pin>,
    /// The tenant's limits as they were then.
    pub limits: ExecutionLimits,
    /// The step that waits for its end, if it is a child (C21).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// How many executions are above it (`child_depth`).
    #[serde(default)]
    pub depth: u32,
    /// How many events that workflows published led to it (`event_hops`).
    #[serde(default)]
    pub hops: u32,
    /// What it takes over from an earlier execution, if it is a rerun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerun: Option<Rerun>,
}

/// The step run that started a child.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parent {
    /// Its execution.
    pub execution: ExecutionId,
    /// Which step run.
    pub run: RunIx,
    /// Which attempt, from 1.
    pub attempt: u32,
}

/// A new execution that goes on from a step of an earlier one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rerun {
    /// Which execution.
    pub of: ExecutionId,
    /// The step that it goes on from; `None`: from the start.
    pub from: Option<String>,
    /// What step runs came to that are not run again, by [`super::run_key`].
    pub kept: BTreeMap<String, Kept>,
}

/// What a step run came to in an earlier execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// It had this value.
    Result(Payload),
    /// It failed, and a handler went on.
    Failure(Failure),
}

/// What started an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trigger {
    /// `api`, `event`, `schedule`, `webhook`, `workflow` (a parent) or `rerun`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The event, or the delivery of a webhook, if one started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// RFC 3339: the occurrence of a schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<String>,
    /// The execution that it is a child or a rerun of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// The trace that it belongs to, if whoever started it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<TraceParent>,
}

impl Trigger {
    /// Started by this event.
    #[must_use]
    pub fn event(id: &str) -> Self {
        Self { kind: "event".to_owned(), event_id: Some(id.to_owned()), ..Self::api(None) }
    }

    /// Started by a schedule for this occurrence; `by`: somebody who asked for it.
    #[must_use]
    pub fn schedule(at: Timestamp, by: Option<String>) -> Self {
        Self { kind: "schedule".to_owned(), scheduled_at: Some(at.rfc3339()), ..Self::api(by) }
    }

    /// Started by this delivery of a webhook; `by`: somebody who replayed it.
    #[must_use]
    pub fn webhook(delivery: &str, by: Option<String>) -> Self {
        Self { kind: "webhook".to_owned(), event_id: Some(delivery.to_owned()), ..Self::api(by) }
    }

    /// Started by the API.
    #[must_use]
    pub fn api(by: Option<String>) -> Self {
        Self { kind: "api".to_owned(), by, event_id: None, scheduled_at: None, execution_id: None, traceparent: None }
    }

    /// The same, as a part of this trace.
    #[must_use]
    pub fn within(self, traceparent: Option<TraceParent>) -> Self {
        Self { traceparent, ..self }
    }
}

/// A function as an execution calls it, whatever is deployed later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The artifact.
    pub component: Digest,
    /// Which of its functions.
    pub function: String,
    /// What this version of it wants; what it gets is decided when it asks.
    #[serde(default, skip_serializing_if = "Grants::is_empty")]
    pub grants: Grants,
    /// Whether it can have no effect outside of its execution: what its component imports says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub effect_free: bool,
}

/// Limits of one execution (`limits.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionLimits {
    /// `step_runs`
    pub step_runs: u32,
    /// `journal`, lines
    pub journal_entries: u32,
    /// `journal`, bytes of results
    pub journal_bytes: u64,
    /// `payload_bytes`
    pub payload_bytes: u64,
    /// `child_depth`
    #[serde(default = "child_depth")]
    pub child_depth: u32,
}

fn child_depth() -> u32 {
    ExecutionLimits::default().child_depth
}

impl Default for ExecutionLimits {
    fn default() -> Self {
        Self {
            step_runs: 10_000,
            journal_entries: 50_000,
            journal_bytes: 50 << 20,
            payload_bytes: 256 << 10,
            child_depth: 16,
        }
    }
}

/// What the core asks of the world. Most of these are volatile: they are carried out after the entry is committed, and
/// [`super::outstanding`] derives them again from the state, so that a restart needs no rows for them. Those marked *durable* are
/// rows of the same commit: nobody could derive them later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Call the step's function.
    RunAttempt {
        /// Which step run.
        run: RunIx,
        /// Which attempt, from 1.
        attempt: u32,
        /// Not before this moment: the pause before a retry.
        not_before: Option<Timestamp>,
    },
    /// Stop the attempt of this step run, if one is under way; its result no longer counts.
    CancelAttempt {
        /// Which step run.
        run: RunIx,
    },
    /// Report [`Entry::DeadlinePassed`] at this moment.
    WatchDeadline {
        /// When.
        at: Timestamp,
    },
    /// Report [`Entry::TimerFired`] at this moment.
    WatchTimer {
        /// Which step run.
        run: RunIx,
        /// When.
        at: Timestamp,
    },
    /// Start the execution that this step run waits for; see [`super::child_start`].
    StartChild {
        /// Which step run.
        run: RunIx,
    },
    /// *Durable.* Cancel the execution that a step run waited for.
    CancelChild {
        /// Which execution.
        child: ExecutionId,
    },
    /// *Durable.* The approval of this step run was opened, answered, decided, or closed; see [`super::approval_view`].
    ShowApproval {
        /// Which step run.
        run: RunIx,
    },
    /// *Durable.* This step run waits for an event from now on.
    Subscribe {
        /// Which step run.
        run: RunIx,
    },
    /// *Durable.* It no longer does.
    Unsubscribe {
        /// Which step run.
        run: RunIx,
    },
    /// *Durable.* It waits until [`Entry::Admitted`] may be reported: fewer executions of its key are under way than may be.
    AwaitPlace,
    /// *Durable.* It is one of those that are under way.
    TakePlace,
    /// Tell whoever waits for the end. *Durable* for a parent.
    AnnounceEnd,
}
