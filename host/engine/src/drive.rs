//! How an execution goes on: something happened, the core decides, the committer makes it durable, and only then the commands are carried out.

use crate::engine::Engine;
use crate::events::OwnEvent;
use crate::held::{HELD_MS, Held};
use crate::live::Live;
use crate::logs::{AttemptLog, Total};
use crate::ports::{Claim, CommitError, ExecutionKey, Line, RecordStatus, Transition};
use crate::rows::rows;
use crate::timers::Wake;
use crate::{Error, codec, notices, places, records};
use std::sync::Arc;
use stepwell_core::execution::{Applied, Command, Entry, Execution, Stale, apply, may_be_held};
use stepwell_core::time::Timestamp;

/// A wake that came too early, because the clock was set back, is asked again after this many milliseconds.
const CLOCK_PAUSE_MS: u64 = 1_000;
/// A store that is full or slow is asked again after this many milliseconds; results wait in memory meanwhile.
const COMMIT_PAUSE_MS: u64 = 1_000;

impl Engine {
    /// Something happened to an execution. Returns once it is durable and carried out, or known to be without effect.
    pub(crate) async fn happened(&self, live: &Arc<Live>, entry: &Entry) {
        // Who reports what happened has nobody to tell that it came too late.
        let _ = self.tell(live, entry).await;
    }

    /// As [`Engine::happened`], for whoever wants to know what came of it: people who answer, cancel, pause.
    ///
    /// # Errors
    /// [`Untold`]: nothing changed.
    pub(crate) async fn tell(&self, live: &Arc<Live>, entry: &Entry) -> Result<(), Untold> {
        let (live, commands) = self.record(live, entry, None).await?;
        self.carry_out(&live, &commands);
        Ok(())
    }

    /// As [`Engine::happened`], but at a restart: an attempt that was lost runs again when it is its turn among the suspects.
    pub(crate) async fn record_loss(&self, live: &Arc<Live>, entry: &Entry) {
        let Ok((live, mut commands)) = self.record(live, entry, None).await else { return };
        commands.retain(|command| !matches!(command, Command::RunAttempt { .. }));
        self.carry_out(&live, &commands);
    }

    /// Decides and commits; what is left to do is returned, and for whom: an execution that has been parked meanwhile comes back for it.
    pub(crate) async fn record(
        &self,
        live: &Arc<Live>,
        entry: &Entry,
        log: Option<AttemptLog>,
    ) -> Result<(Arc<Live>, Vec<Command>), Untold> {
        let mut live = Arc::clone(live);
        loop {
            {
                let mut held = live.changing.lock().await;
                if !live.has_left() {
                    return Ok((Arc::clone(&live), self.record_here((&live, &mut held), entry, log).await?));
                }
            }
            match self.rouse(live.key).await {
                Ok(Some(roused)) => live = roused,
                Ok(None) => return Err(Untold::Ignored(Stale::ExecutionEnded)),
                Err(error) => {
                    tracing::error!(execution = %live.key.id, %error, "a parked execution cannot be read");
                    if !matches!(error, Error::Unavailable(_)) || self.accepting().is_err() {
                        return Err(Untold::Lost);
                    }
                    let clock = &self.inner.ports.clock;
                    clock.sleep_until(clock.now().plus(COMMIT_PAUSE_MS)).await;
                }
            }
        }
    }

    /// While nothing else changes it.
    async fn record_here(
        &self,
        (live, held): (&Arc<Live>, &mut Held),
        entry: &Entry,
        log: Option<AttemptLog>,
    ) -> Result<Vec<Command>, Untold> {
        let at = self.inner.ports.clock.now();
        let execution = live.head();
        let (next, commands) = match apply(&execution, &live.workflow, at, entry) {
            Ok(Applied::Changed { next, commands }) => (next, commands),
            Ok(Applied::Ignored(why)) => {
                tracing::debug!(execution = %live.key.id, ?why, "without effect");
                return Err(Untold::Ignored(why));
            }
            Err(illegal) => {
                self.quarantine(live, &illegal).await;
                return Err(Untold::Lost);
            }
        };
        self.expect_ends(live.key.tenant, &next, &commands);
        let mut transition = match transition(live, (&execution, &next), (at, entry), &commands) {
            Ok(transition) => transition,
            Err(undecodable) => {
                self.quarantine(live, &undecodable).await;
                return Err(Untold::Lost);
            }
        };
        transition.documents.extend(self.end_row(live.key.tenant, &next));
        let told = self.approval_events(live, &next, &commands);
        transition.documents.extend(told.iter().filter_map(OwnEvent::row));
        let log = self.log_document(live, log, (at, execution.lines)).await;
        transition.documents.extend(log.as_ref().map(|(document, _)| document.clone()));
        let stored = transition.execution.as_ref().and_then(|claim| Some(claim.record.as_ref()?.status));
        if live.may_hold() && stored.is_none() && may_be_held((&next, &live.workflow), (at, entry), &commands) {
            return self.hold((live, held), (*next, transition), log.map(|(_, total)| total)).await.map(|()| commands);
        }
        let (transition, start) = held.before(transition);
        let Some(born) = self.commit_with(live, transition, start).await else { return Err(Untold::Lost) };
        if let Some((_, total)) = log {
            live.logged.set(total);
        }
        live.advance(Arc::new(*next), stored);
        drop(born);
        self.inner.followers.tell(live.key);
        for event in told {
            self.publish_own(live.key.tenant, event.id);
        }
        Ok(commands)
    }

    /// Lets an entry wait for the next commit, unless too much waits already.
    async fn hold(
        &self,
        (live, held): (&Arc<Live>, &mut Held),
        (next, transition): (Execution, Transition),
        logged: Option<Total>,
    ) -> Result<(), Untold> {
        if held.is_empty() {
            let at = self.inner.ports.clock.now().plus(HELD_MS);
            self.inner.timers.add(at, Wake::Settle(live.key));
        }
        held.add(transition);
        live.hold(next);
        if let Some(total) = logged {
            live.logged.set(total);
        }
        if held.is_full() && !self.commit_held(live, held).await { Err(Untold::Lost) } else { Ok(()) }
    }

    /// False if the transition can never be written here. While the store is unavailable it is tried again: the result of an attempt that
    /// ran must not be lost because a disk was full.
    pub(crate) async fn commit(&self, live: &Arc<Live>, transition: Transition) -> bool {
        self.commit_after((live, false), transition).await
    }

    /// As [`Engine::commit`]. `unsure`: the store could not say what became of it before.
    pub(crate) async fn commit_after(&self, (live, mut unsure): (&Arc<Live>, bool), transition: Transition) -> bool {
        loop {
            match self.inner.committer.commit(transition.clone()).await {
                Ok(()) => return true,
                // The first try was written after all, although the store could not say so.
                Err(CommitError::Conflict { .. } | CommitError::Unexpected { .. })
                    if unsure && self.is_written(live, &transition).await =>
                {
                    return true;
                }
                Err(CommitError::Store(error)) => {
                    if !unsure {
                        tracing::error!(execution = %live.key.id, %error, "commit failed, trying again until it succeeds");
                    }
                    unsure = true;
                    if self.accepting().is_err() {
                        // Written or not: what is in memory may be behind, and nothing may follow from it.
                        self.let_go(live);
                        return false;
                    }
                    let clock = &self.inner.ports.clock;
                    clock.sleep_until(clock.now().plus(COMMIT_PAUSE_MS)).await;
                }
                Err(
                    error @ (CommitError::Conflict { .. }
                    | CommitError::Unexpected { .. }
                    | CommitError::Fenced(_)
                    | CommitError::Invalid(_)),
                ) => {
                    // Somebody else writes this execution: it is theirs.
                    tracing::error!(execution = %live.key.id, %error, "the execution is let go");
                    self.let_go(live);
                    return false;
                }
            }
        }
    }

    /// Whether the journal holds just this transition's lines where they belong.
    pub(crate) async fn is_written(&self, live: &Live, transition: &Transition) -> bool {
        let Some(lines) = transition.execution.as_ref().map(|claim| &claim.journal) else { return false };
        let Some(first) = lines.first() else { return false };
        let stored = self.inner.ports.store.journal(live.key, first.seq, lines.len()).await;
        stored.is_ok_and(|stored| stored == *lines)
    }

    /// Nothing more is done for this execution in this process.
    pub(crate) fn let_go(&self, live: &Live) {
        self.inner.live.remove(live.key);
        self.inner.timers.forget(live.key);
        self.inner.waiters.tell(live.key);
        self.inner.followers.tell(live.key);
        live.stop_attempts();
    }

    /// Does what the core asked for.
    pub(crate) fn carry_out(&self, live: &Arc<Live>, commands: &[Command]) {
        for command in commands {
            match *command {
                Command::RunAttempt { run, attempt, not_before } => {
                    let execution = live.key;
                    match not_before.filter(|at| *at > self.inner.ports.clock.now()) {
                        Some(at) => self.inner.timers.add(at, Wake::Attempt { execution, run, attempt }),
                        None => self.spawn_attempt(live, run, attempt),
                    }
                }
                Command::CancelAttempt { run } => live.stop(run),
                Command::WatchDeadline { at } => self.inner.timers.add(at, Wake::Deadline(live.key)),
                Command::WatchTimer { run, at } => self.inner.timers.add(at, Wake::Timer { execution: live.key, run }),
                Command::CancelChild { child } => self.heed(live.key.tenant, notices::cancel_key(child)),
                Command::Subscribe { run } => self.look_back(live, run),
                // Rows of the same commit.
                Command::ShowApproval { .. } | Command::Unsubscribe { .. } => {}
                Command::StartChild { run } => self.start_child(live, run),
                Command::AwaitPlace => self.await_place(live),
                Command::TakePlace => self.take_place(live),
                Command::AnnounceEnd => {
                    self.inner.meters.ended(live.key.tenant, self.now());
                    self.leave_place(live);
                    if live.execution().started.as_ref().is_some_and(|started| started.parent.is_some()) {
                        self.heed(live.key.tenant, notices::ended_key(live.key.id));
                    }
                    self.publish_end(live);
                    self.inner.live.remove(live.key);
                    self.inner.timers.forget(live.key);
                    self.inner.waiters.tell(live.key);
                }
            }
        }
        if !live.execution().is_ended() {
            self.watch_for_rest(live);
        }
    }

    /// Sets an execution aside whose journal cannot go on. The server goes on.
    pub(crate) async fn quarantine(&self, live: &Arc<Live>, why: &(dyn std::fmt::Display + Sync)) {
        tracing::error!(execution = %live.key.id, %why, "the execution is quarantined");
        let execution = live.execution();
        if !live.is_there() {
            return self.let_go(live); // nobody has been told of it
        }
        let record = records::quarantined(&execution);
        let claim = Claim { id: live.key.id, lease: live.lease, journal: Vec::new(), record: Some(record) };
        let documents = execution.limited.as_ref().map(|_| places::removal(live)).into_iter().collect();
        let transition = Transition { tenant: live.key.tenant, execution: Some(claim), documents };
        if let Err(error) = self.inner.committer.commit(transition).await {
            tracing::error!(execution = %live.key.id, %error, "the quarantine could not be recorded");
        }
        self.inner.meters.ended(live.key.tenant, self.now());
        self.leave_place(live);
        self.let_go(live);
    }

    /// Never returns: carries out what is due.
    pub(crate) async fn watch_timers(&self) {
        loop {
            let mut parked = Vec::new();
            for wake in self.inner.timers.due(self.inner.ports.clock.as_ref()).await {
                match wake {
                    Wake::Rouse(execution) => parked.push(execution),
                    Wake::Rest(execution) => {
                        if let Some(live) = self.inner.live.get(execution) {
                            let engine = self.clone();
                            self.inner.attempts.spawn("parking", async move { engine.rest(&live).await });
                        }
                    }
                    Wake::Settle(execution) => {
                        if let Some(live) = self.inner.live.get(execution) {
                            let engine = self.clone();
                            self.inner.attempts.spawn("settling", async move {
                                engine.settle(&live).await;
                            });
                        }
                    }
                    Wake::Attempt { execution, run, attempt } => {
                        if let Some(live) = self.inner.live.get(execution) {
                            self.spawn_attempt(&live, run, attempt);
                        }
                    }
                    Wake::Deadline(execution) => self.time_came(execution, Entry::DeadlinePassed, wake),
                    Wake::Timer { execution, run } => self.time_came(execution, Entry::TimerFired { run }, wake),
                }
            }
            if !parked.is_empty() {
                let engine = self.clone();
                self.inner.attempts.spawn("rousing", async move { engine.rouse_all(parked).await });
            }
        }
    }
}

impl Engine {
    /// A moment has come. If the clock was set back meanwhile, it comes once more.
    fn time_came(&self, execution: ExecutionKey, entry: Entry, wake: Wake) {
        let Some(live) = self.inner.live.get(execution) else { return };
        let engine = self.clone();
        self.inner.attempts.spawn("timer", async move {
            if engine.tell(&live, &entry).await == Err(Untold::Ignored(Stale::TooEarly)) {
                let clock = &engine.inner.ports.clock;
                engine.inner.timers.add(clock.now().plus(CLOCK_PAUSE_MS), wake);
            }
        });
    }
}

/// Why an entry changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Untold {
    /// It came too late, or is not allowed.
    Ignored(Stale),
    /// The execution is quarantined, or somebody else's; the log says why.
    Lost,
}

/// One journal line, and the record if the execution ends with it or was parked before it.
fn transition(
    live: &Live,
    (before, next): (&Execution, &Execution),
    (at, entry): (Timestamp, &Entry),
    commands: &[Command],
) -> Result<Transition, codec::Undecodable> {
    let line = Line { seq: before.lines, entry: codec::encode_entry(at, entry)? };
    let record = if next.is_ended() {
        Some(records::ended(next)?)
    } else {
        // The first entry after it was parked: from now on a start must load it again.
        let known = live.stored() == Some(RecordStatus::Unfinished);
        (!known).then(|| records::unfinished(next, live.has_begun()))
    };
    let claim = Claim { id: live.key.id, lease: live.lease, journal: vec![line], record };
    Ok(Transition { tenant: live.key.tenant, execution: Some(claim), documents: rows(live, next, commands) })
}

/// Why an execution cannot be found or read.
pub(crate) fn not_found(id: &str) -> Error {
    Error::NotFound { what: "execution", id: id.to_owned() }
}
