//! What a step run waits for, and what runs inside of it.

use super::{Chunks, RunIx};
use crate::ids::ExecutionId;
use crate::payload::{self, Payload};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Why a run is [`super::RunState::Waiting`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// People have to answer (H1-H7).
    Approval(Approval),
    /// A moment has to come (C21).
    Until(Timestamp),
    /// A business event has to come (C21).
    Event(EventWait),
    /// Another execution has to end (C21).
    Child(ChildWait),
    /// Somebody outside has to complete the step (C22).
    Callback {
        /// When it has to have happened.
        expires: Option<Timestamp>,
    },
    /// A loop: its iterations.
    Iterations(Iterations),
    /// A `parallel`: its branches.
    Branches(Branches),
}

impl Wait {
    /// When its time is over.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Approval(approval) => approval.expires,
            Self::Until(at) => Some(*at),
            Self::Event(event) => event.expires,
            Self::Child(child) => child.not_before.or(child.expires),
            Self::Callback { expires } => *expires,
            Self::Iterations(_) | Self::Branches(_) => None,
        }
    }
}

/// A human step that is open, or was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Who may answer, without doubles; `None`: anybody with the scope `approve` (H2).
    pub approvers: Option<Vec<String>>,
    /// How many have to approve.
    pub required: u32,
    /// When it was opened.
    pub opened: Timestamp,
    /// When nobody can answer any more.
    pub expires: Option<Timestamp>,
    /// What whoever answers is shown.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "payload::present")]
    pub shown: Option<Payload>,
    /// The answers so far.
    pub decisions: Vec<Decision>,
    /// Whether its time ran out.
    #[serde(default)]
    pub timed_out: bool,
}

/// One answer (H1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// Who.
    pub by: String,
    /// What.
    pub approved: bool,
    /// Why.
    pub comment: Option<String>,
    /// The filled form.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "payload::present")]
    pub data: Option<Payload>,
    /// When.
    pub at: Timestamp,
}

/// An event step that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventWait {
    /// Types of events, with `*` and `**`.
    pub types: Vec<String>,
    /// Where it must come from.
    pub source: Option<String>,
    /// Events from this moment on count.
    pub since: Timestamp,
    /// When it gives up.
    pub expires: Option<Timestamp>,
}

/// A workflow step that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChildWait {
    /// The child's id; each attempt has a child of its own.
    pub child: ExecutionId,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The child's workflow.
    pub workflow: String,
    /// The pause before it is started again is over then.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
    /// When it is given up and cancelled.
    pub expires: Option<Timestamp>,
}

/// A loop that is under way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Iterations {
    /// What it goes over; `None`: a condition decides.
    pub items: Option<Arc<[Payload]>>,
    /// The results of those that ended, by index.
    #[serde(with = "super::chunks::slots")]
    pub results: Chunks<Option<Payload>>,
    /// How many have begun.
    pub begun: u32,
    /// How many have ended.
    pub ended: u32,
    /// Whether there were more items than were taken (C11).
    pub truncated: bool,
}

/// A `parallel` that is under way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Branches {
    /// The results of those that ended, by index.
    #[serde(with = "super::chunks::slots")]
    pub results: Chunks<Option<Payload>>,
    /// How many have begun.
    pub begun: u32,
    /// How many have ended.
    pub ended: u32,
    /// The last runs of the paths that ended.
    pub passed: Vec<RunIx>,
}
