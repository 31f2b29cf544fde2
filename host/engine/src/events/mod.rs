//! Business events: kept, listed, and what follows from them (semantics section 4, C21, H7).
//!
//! An event is durable with the list of the triggers that it fired before anything follows from it ([`publish`]); then the executions are
//! started under ids derived from (event, workflow) ([`starts`]) and the steps that wait for it are told ([`deliver`]). A marker says that
//! this is not done yet, so that a restart goes on with it ([`settle`]) and starts nothing twice (T12).

mod approvals;
mod deliver;
mod ends;
mod forgetting;
mod keys;
mod list;
mod matching;
mod own;
mod publish;
mod settle;
mod starts;

pub use list::{EventPart, EventQuery};
pub use publish::{NewEvent, Publication};

pub(crate) use deliver::effect_row;
pub(crate) use forgetting::came_of;
pub(crate) use keys::candidate_key;
pub(crate) use own::OwnEvent;
pub(crate) use publish::Origin;

use crate::Error;
use crate::engine::Engine;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stepwell_core::payload::Payload;
use stepwell_core::time::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Events whose consequences are under way at one time. Each is in memory until its executions are started; who publishes more waits.
const AT_ONCE: usize = 64;
/// Who publishes waits for a turn at most so long, milliseconds.
const TURN_MS: u64 = 10_000;

/// An event as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Published {
    /// Version of this form.
    v: u32,
    /// Its id.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// Where it comes from.
    pub source: String,
    /// When it came in. Never the same millisecond as anything that follows from it: see [`settle`].
    pub received: Timestamp,
    /// How many events that workflows published led to it (`event_hops`).
    pub hops: u32,
    /// All of it, as everybody sees it: `{id, type, timestamp, source, data, ...}`.
    pub event: Payload,
}

/// What an event met when it was published.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Matches {
    /// Workflows that it starts, each with the place of the trigger that fired.
    pub fired: Vec<(String, usize)>,
    /// Triggers that wanted this type, and do not fire.
    pub quiet: Vec<NotStarted>,
}

impl Matches {
    fn is_empty(&self) -> bool {
        self.fired.is_empty() && self.quiet.is_empty()
    }
}

/// Why an event did not start a workflow.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NotStarted {
    workflow_id: String,
    /// Its place in `triggers`.
    trigger: usize,
    /// Stable code: an error's, `condition_false` or `condition_failed`.
    code: String,
    /// For people.
    reason: String,
}

/// An execution that an event started.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Begun {
    workflow_id: String,
    execution_id: String,
}

/// What came of a part of the list.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outcomes {
    started: Vec<Begun>,
    not_started: Vec<NotStarted>,
}

/// A step that an event was for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Effect {
    /// Whose step.
    pub execution_id: String,
    /// Which.
    pub step: String,
    /// Why it does not get the event: its `match` failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What is under way.
pub(crate) struct Events {
    turns: Arc<Semaphore>,
    /// Counts the events whose consequences are done.
    settled: watch::Sender<u64>,
    waited_for: ends::WaitedFor,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            settled: watch::Sender::new(0),
            waited_for: ends::WaitedFor::default(),
        }
    }
}

/// The right to publish one event; it ends with the event's consequences.
pub(crate) type EventTurn = Arc<OwnedSemaphorePermit>;

impl Engine {
    async fn event_turn(&self) -> Result<EventTurn, Error> {
        let clock = &self.inner.ports.clock;
        let busy = || Error::Unavailable("too many events are being published".to_owned());
        tokio::select! {
            turn = Arc::clone(&self.inner.events.turns).acquire_owned() => turn.map(Arc::new).map_err(|_| busy()),
            () = clock.sleep_until(clock.now().plus(TURN_MS)) => Err(busy()),
        }
    }
}
