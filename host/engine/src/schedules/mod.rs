//! Workflows that start by the clock (semantics T6, T7, T12, T13).
//!
//! Each schedule trigger has a document, written in the commits of its definition ([`crate::registry`]): its cursor says up to where all
//! occurrences are done with. A firing moves the cursor and leaves a mark for each occurrence, in one commit that expects the document as
//! it was read ([`fire`]); then the executions start under ids derived from (schedule, occurrence), and with its outcome each mark becomes
//! a line of the list of recent firings ([`settle`]). So a crash anywhere starts nothing twice and leaves nothing out. One lane at a time
//! works on a schedule ([`lane`]); when the next one is needed stands in memory ([`dues`]).

mod documents;
mod dues;
mod fire;
mod hand;
mod lane;
mod list;
mod open;
mod settle;

pub use hand::{Backfill, Backfilled};
pub use list::{ScheduleQuery, Schedules};

pub(crate) use documents::{Stored, of_workflow, of_workflow as marks_of, schedule_id};
pub(crate) use dues::{Dues, ScheduleKey};

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use stepwell_core::ids::ExecutionId;
use stepwell_core::time::Timestamp;
use tokio::sync::Semaphore;

/// Schedules that are worked on at one time: each reads and writes the store.
const LANES: usize = 64;

/// What is under way.
pub(crate) struct Clockwork {
    /// When which schedule must be looked at.
    pub dues: Arc<Dues>,
    /// Since when somebody has been watching: what was due before was missed.
    since: Timestamp,
    lanes: Mutex<HashMap<ScheduleKey, lane::Lane>>,
    turns: Semaphore,
    /// What schedules started that may still run, where it matters.
    open: Mutex<HashMap<ScheduleKey, BTreeSet<ExecutionId>>>,
    /// Schedules that wait for the end of an execution.
    waiting: Mutex<HashSet<ScheduleKey>>,
}

impl Clockwork {
    /// Watching begins.
    pub fn new(since: Timestamp) -> Self {
        Self {
            dues: Arc::default(),
            since,
            lanes: Mutex::default(),
            turns: Semaphore::new(LANES),
            open: Mutex::default(),
            waiting: Mutex::default(),
        }
    }
}
