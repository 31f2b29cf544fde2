//! A restart: every unfinished execution is read from its journal and goes on.

use crate::Error;
use crate::codec;
use crate::engine::Engine;
use crate::live::Live;
use crate::ports::{ExecutionKey, Lease, Note};
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwell_core::execution::{Command, Entry, Execution, RunState, outstanding};
use stepwell_core::time::Timestamp;

/// Executions and journal lines are read this many at a time.
const PAGE: usize = 1_000;

/// Loads everything and sets it going.
pub async fn recover(engine: &Engine) -> Result<(), Error> {
    let mut lost: BTreeMap<ExecutionKey, Vec<Note>> = BTreeMap::new();
    for note in engine.inner.ports.notes.left_behind() {
        lost.entry(note.execution).or_default().push(note);
    }
    // All of them first: what is set going may start others, which must not be taken for what was left.
    let left = unfinished(engine).await?;
    let (count, mut suspects) = (left.len(), Vec::new());
    for (key, lease) in left {
        let notes = lost.remove(&key).unwrap_or_default();
        suspects.extend(resume(engine, key, lease, &notes).await);
    }
    // The strikes are in the journals now.
    engine.inner.ports.notes.forget_left_behind();
    if count > 0 {
        tracing::info!(executions = count, suspects = suspects.len(), "unfinished executions go on");
    }
    run_one_by_one(engine, suspects);
    Ok(())
}

/// What the store says must be loaded.
async fn unfinished(engine: &Engine) -> Result<Vec<(ExecutionKey, Lease)>, Error> {
    let mut left = Vec::new();
    for lease in engine.inner.ports.store.leases() {
        let mut after = None;
        loop {
            let page = engine.inner.ports.store.unfinished(lease.shard, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(*last);
            let theirs = page.into_iter().filter(|key| engine.inner.tenants.is_there(key.tenant));
            left.extend(theirs.map(|key| (key, lease)));
        }
    }
    Ok(left)
}

/// An execution that ran when the process ended abnormally, and what it still has to do.
struct Suspect {
    live: Arc<Live>,
    strikes: u32,
    commands: Vec<Command>,
}

async fn resume(engine: &Engine, key: ExecutionKey, lease: Lease, notes: &[Note]) -> Option<Suspect> {
    let live = match engine.load(key, lease, None).await {
        Ok(live) => live,
        Err(why) => {
            tracing::error!(execution = %key.id, %why, "the execution cannot be resumed");
            return None;
        }
    };
    let strikes = most_strikes(&live.execution());
    if !notes.is_empty() || strikes > 0 {
        live.be_careful();
    }
    engine.inner.live.insert(Arc::clone(&live));
    for note in notes.iter().filter(|note| is_known(&live.execution(), note)) {
        // Commits the strike. The attempt itself is run below, alone: what the entry asks for is left to `outstanding`.
        engine.record_loss(&live, &Entry::AttemptLost { run: note.run, attempt: note.attempt }).await;
    }
    let execution = live.execution();
    let commands = outstanding(&execution);
    let strikes = most_strikes(&execution);
    // What was struck before is still suspect, although the last end came before its turn.
    if notes.is_empty() && strikes == 0 {
        engine.carry_out(&live, &commands);
        return None;
    }
    // Its timers do not wait for its turn.
    let (timers, commands): (Vec<_>, Vec<_>) =
        commands.into_iter().partition(|command| !matches!(command, Command::RunAttempt { .. }));
    engine.carry_out(&live, &timers);
    Some(Suspect { live, strikes, commands })
}

/// Whether the journal tells of the attempt. One of an effect-free function may have run while what led to it was not durable yet: it has
/// never been, and if it ends the process again, it does so where the journal tells of it, because nothing of a suspect waits.
fn is_known(execution: &Execution, note: &Note) -> bool {
    let state = execution.run(note.run).map(|run| run.state);
    matches!(state, Some(RunState::Active { attempt, .. }) if attempt >= note.attempt)
        || matches!(state, Some(RunState::Waiting | RunState::Completed | RunState::Failed | RunState::Cancelled))
}

fn most_strikes(execution: &Execution) -> u32 {
    let active = |state| matches!(state, RunState::Active { .. });
    execution.runs.iter().filter(|run| active(run.state)).map(|run| run.strikes).max().unwrap_or(0)
}

/// Executions that ran when the process ended resume one at a time, the most suspicious first, so that one poisonous function is found
/// after few ends and takes no other with it (semantics C15).
fn run_one_by_one(engine: &Engine, mut suspects: Vec<Suspect>) {
    suspects.sort_by_key(|suspect| std::cmp::Reverse(suspect.strikes));
    if suspects.is_empty() {
        return;
    }
    let runner = engine.clone();
    engine.inner.attempts.spawn("suspects", async move {
        for Suspect { live, commands, .. } in suspects {
            if !runner.inner.tenants.is_active(live.key.tenant) {
                // The others do not wait until its tenant goes on.
                runner.carry_out(&live, &commands);
                continue;
            }
            for command in commands {
                let now = runner.inner.ports.clock.now();
                match command {
                    Command::RunAttempt { run, attempt, not_before } if not_before.is_none_or(|at| at <= now) => {
                        runner.attempt(&live, run, attempt).await;
                    }
                    Command::RunAttempt { .. }
                    | Command::CancelAttempt { .. }
                    | Command::WatchDeadline { .. }
                    | Command::WatchTimer { .. }
                    | Command::StartChild { .. }
                    | Command::CancelChild { .. }
                    | Command::ShowApproval { .. }
                    | Command::Subscribe { .. }
                    | Command::Unsubscribe { .. }
                    | Command::AwaitPlace
                    | Command::TakePlace
                    | Command::AnnounceEnd => runner.carry_out(&live, &[command]),
                }
            }
        }
    });
}

impl Engine {
    /// All of a journal from this line on.
    pub(crate) async fn journal(&self, key: ExecutionKey, first: u32) -> Result<Vec<(Timestamp, Entry)>, Error> {
        let mut journal = Vec::new();
        loop {
            let from = first.saturating_add(u32::try_from(journal.len()).unwrap_or(u32::MAX));
            let page = self.inner.ports.store.journal(key, from, PAGE).await?;
            let complete = page.len() < PAGE;
            for line in page {
                let decoded = codec::decode_entry(&line.entry);
                journal.push(decoded.map_err(|e| Error::broken("a journal line cannot be read", &e))?);
            }
            if complete {
                return Ok(journal);
            }
        }
    }
}
