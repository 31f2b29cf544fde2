//! What happened (past tense) and what the core asks for (imperative).

use super::RunIx;
use crate::failure::Failure;
use crate::ids::{Digest, TenantId};
use crate::payload::Payload;
use crate::time::Timestamp;
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
}

impl Entry {
    /// The step run that it is about.
    #[must_use]
    pub fn run(&self) -> Option<RunIx> {
        match self {
            Self::StepSucceeded { run, .. } | Self::StepFailed { run, .. } | Self::AttemptLost { run, .. } => {
                Some(*run)
            }
            Self::Started(_) | Self::DeadlinePassed => None,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Payload>,
    /// Function id as the definition writes it -> what it was then.
    pub pins: BTreeMap<String, Pin>,
    /// The tenant's limits as they were then.
    pub limits: ExecutionLimits,
}

/// What started an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trigger {
    /// `api`, `event`, `schedule` or `webhook`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// A function as an execution calls it, whatever is deployed later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The artifact.
    pub component: Digest,
    /// Which of its functions.
    pub function: String,
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
}

impl Default for ExecutionLimits {
    fn default() -> Self {
        Self { step_runs: 10_000, journal_entries: 50_000, journal_bytes: 50 << 20, payload_bytes: 256 << 10 }
    }
}

/// What the core asks of the world, after the entry is committed. All of these are volatile: [`super::outstanding`] derives them
/// again from the state, so that a restart needs no rows for them.
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
    /// Tell whoever waits for the end.
    AnnounceEnd,
}
