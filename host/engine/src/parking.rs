//! An execution that waits for long leaves the memory: its state goes to its record, and the store knows when it must be back.
//!
//! A parked execution is a record with the status `Parked` and a snapshot; its journal is as it was. It is roused ([`Engine::rouse`]) by
//! whoever has something for it, or when its wake is due ([`crate::wakes`]). The record says `Unfinished` again with the first entry after
//! that, in the same commit: at any moment a start finds every execution that has something to do.

use crate::engine::Engine;
use crate::live::Live;
use crate::ports::{Claim, CommitError, ExecutionKey, RecordStatus, Transition};
use crate::records;
use crate::timers::Wake;
use std::sync::Arc;
use stepwell_core::execution::{Command, Execution, Phase, Wait, outstanding};
use stepwell_core::time::Timestamp;

/// An execution rests when nothing has happened to it for so many milliseconds: most waits are over soon, and then cost no write.
pub const LINGER_MS: u64 = 2_000;
/// What happens by itself within so many milliseconds is waited for in memory.
pub const SHORT_MS: u64 = 5_000;
/// A store that did not take a snapshot is asked again after so many milliseconds.
const REFUSED_PAUSE_MS: u64 = 30_000;

/// Whether an execution may leave the memory now, and when it must be back: `Some(None)` if only somebody else can wake it.
#[must_use]
pub fn may_rest(execution: &Execution, now: Timestamp) -> Option<Option<Timestamp>> {
    if execution.phase != Phase::Running {
        return None;
    }
    let mut wake: Option<Timestamp> = None;
    for command in outstanding(execution) {
        let at = match command {
            // Without a moment it runs, or is about to.
            Command::RunAttempt { not_before, .. } => not_before?,
            Command::WatchDeadline { at } | Command::WatchTimer { at, .. } => at,
            Command::StartChild { .. }
            | Command::CancelAttempt { .. }
            | Command::CancelChild { .. }
            | Command::ShowApproval { .. }
            | Command::Subscribe { .. }
            | Command::Unsubscribe { .. }
            | Command::AwaitPlace
            | Command::TakePlace
            | Command::AnnounceEnd => continue,
        };
        if at <= now.plus(SHORT_MS) {
            return None;
        }
        wake = Some(wake.map_or(at, |wake| wake.min(at)));
    }
    Some(wake)
}

impl Engine {
    /// Something has just happened to the execution: it is looked at when it has been quiet for a while.
    pub(crate) fn watch_for_rest(&self, live: &Live) {
        let now = self.inner.ports.clock.now();
        if live.changed(now) {
            self.inner.timers.add(now.plus(LINGER_MS), Wake::Rest(live.key));
        }
    }

    /// Parks the execution if it has been quiet and may rest.
    pub(crate) async fn rest(&self, live: &Arc<Live>) {
        let now = self.inner.ports.clock.now();
        let quiet = live.quiet_since().plus(LINGER_MS);
        if quiet > now {
            return self.inner.timers.add(quiet, Wake::Rest(live.key));
        }
        live.look_no_more();
        let mut held = live.changing.lock().await;
        if !held.is_empty() && !self.commit_held(live, &mut held).await {
            return;
        }
        let execution = live.execution();
        let Some(wake) = may_rest(&execution, now) else { return };
        if !self.children_started(live, &execution).await {
            return self.look_again(live, LINGER_MS);
        }
        if !live.leave() {
            // Somebody parked it already, or it is paused and an attempt still runs.
            return self.look_again(live, LINGER_MS);
        }
        if live.stored() == Some(RecordStatus::Parked) || self.store_parked(live, &execution, wake).await {
            self.forget(live, wake);
        }
    }

    /// False if it has to stay.
    async fn store_parked(&self, live: &Arc<Live>, execution: &Execution, wake: Option<Timestamp>) -> bool {
        let record = match records::parked(execution, self.inner.ports.clock.now(), wake) {
            Ok(record) => record,
            Err(why) => {
                tracing::error!(execution = %live.key.id, %why, "a snapshot cannot be written; the execution stays in memory");
                live.stay(live.stored());
                return false;
            }
        };
        let claim = Claim { id: live.key.id, lease: live.lease, journal: Vec::new(), record: Some(record) };
        let transition = Transition { tenant: live.key.tenant, execution: Some(claim), documents: Vec::new() };
        match self.inner.committer.commit(transition).await {
            Ok(()) => true,
            Err(CommitError::Store(error)) => {
                tracing::warn!(execution = %live.key.id, %error, "an execution could not be parked, trying again later");
                // Written or not: the next entry writes the record in any case.
                live.stay(None);
                self.look_again(live, REFUSED_PAUSE_MS);
                false
            }
            Err(
                error @ (CommitError::Conflict { .. }
                | CommitError::Unexpected { .. }
                | CommitError::Fenced(_)
                | CommitError::Invalid(_)),
            ) => {
                tracing::error!(execution = %live.key.id, %error, "the execution is let go");
                self.let_go(live);
                false
            }
        }
    }

    /// Whether the children that it waits for are there. To start them is left to whoever has their parent in memory: no start would make
    /// up for it while the parent is parked.
    async fn children_started(&self, live: &Live, execution: &Execution) -> bool {
        for (_, run) in execution.under_way() {
            let Some(Wait::Child(wait)) = run.wait.as_deref() else { continue };
            if wait.not_before.is_none() {
                let child = ExecutionKey { tenant: live.key.tenant, id: wait.child };
                if !matches!(self.inner.ports.store.record(child).await, Ok(Some(_))) {
                    return false;
                }
            }
        }
        true
    }

    fn look_again(&self, live: &Live, after_ms: u64) {
        let now = self.inner.ports.clock.now();
        if !live.has_left() && live.changed(now) {
            self.inner.timers.add(now.plus(after_ms), Wake::Rest(live.key));
        }
    }

    /// It is stored; nothing of it stays here. The timers go first: once it is out of the table somebody may rouse it and set new ones.
    fn forget(&self, live: &Arc<Live>, wake: Option<Timestamp>) {
        self.inner.timers.forget(live.key);
        if let Some(wake) = wake.filter(|wake| self.inner.wakes.covers(live.key.shard(), *wake)) {
            self.inner.timers.add(wake, Wake::Rouse(live.key));
        }
        self.inner.live.remove(live.key);
    }
}
