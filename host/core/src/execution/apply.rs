//! The one function that changes an execution.

use super::turn::Turn;
use super::{Command, Entry, Execution, Phase, Run, RunIx, RunState, Wait};
use crate::definition::Workflow;
use crate::failure::code;
use crate::time::Timestamp;

/// What an entry did.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// The new state, and what is to be done once the entry is committed.
    Changed {
        /// The state after the entry.
        next: Box<Execution>,
        /// In the order in which they were decided.
        commands: Vec<Command>,
    },
    /// It came too late, or is not allowed; nothing changes and nothing is written.
    Ignored(Stale),
}

/// Why an entry changes nothing, although the execution is in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// The execution has ended.
    ExecutionEnded,
    /// The execution has not failed: there is nothing to try again.
    NotFailed,
    /// The execution was cancelled: it is not tried again.
    WasCancelled,
    /// The step run has ended, or does not wait for this.
    RunEnded,
    /// A later attempt is under way.
    AttemptLost,
    /// It is not time yet.
    TooEarly,
    /// This person has answered already (H3).
    AlreadyAnswered,
    /// This person may not answer (H5).
    MayNotAnswer,
    /// It is paused, or not paused, already.
    NoChange,
}

/// An entry that cannot have happened: a bug, or a damaged journal. The execution is set aside, the server goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{entry} cannot happen to {state}")]
pub struct Illegal {
    state: String,
    entry: &'static str,
}

/// What an entry that fits the state may do.
enum Verdict {
    /// It changes something.
    Fits,
    /// It comes too late, or is not allowed.
    Stale(Stale),
    /// It cannot have happened, for this reason.
    Impossible(&'static str),
}

/// What becomes of an execution when an entry happens at a moment.
///
/// # Errors
/// [`Illegal`] if it cannot have happened.
pub fn apply(execution: &Execution, workflow: &Workflow, at: Timestamp, entry: &Entry) -> Result<Applied, Illegal> {
    let verdict = match &execution.phase {
        Phase::Blank => on_blank(entry),
        Phase::Running => on_running(execution, workflow, at, entry),
        Phase::Completed(_) => on_ended(entry, Stale::NotFailed),
        Phase::Failed(error) if error.code == code::CANCELLED => on_ended(entry, Stale::WasCancelled),
        Phase::Failed(_) if matches!(entry, Entry::Retried { .. }) => Verdict::Fits,
        Phase::Failed(_) => on_ended(entry, Stale::ExecutionEnded),
    };
    match verdict {
        Verdict::Fits => {
            let mut turn = Turn::new(execution, workflow, at);
            turn.happened(entry);
            let (next, commands) = turn.end();
            Ok(Applied::Changed { next: Box::new(next), commands })
        }
        Verdict::Stale(stale) => Ok(Applied::Ignored(stale)),
        Verdict::Impossible(how) => Err(illegal(execution, entry, how)),
    }
}

fn on_blank(entry: &Entry) -> Verdict {
    match entry {
        Entry::Started(_) => Verdict::Fits,
        Entry::StepSucceeded { .. }
        | Entry::StepFailed { .. }
        | Entry::AttemptLost { .. }
        | Entry::DeadlinePassed
        | Entry::TimerFired { .. }
        | Entry::ApprovalAnswered { .. }
        | Entry::EventReceived { .. }
        | Entry::ChildEnded { .. }
        | Entry::CallbackReceived { .. }
        | Entry::Cancelled { .. }
        | Entry::Paused { .. }
        | Entry::Resumed { .. }
        | Entry::Admitted
        | Entry::Retried { .. } => Verdict::Impossible(""),
    }
}

/// `retried`: what becomes of a wish to try it again.
fn on_ended(entry: &Entry, retried: Stale) -> Verdict {
    match entry {
        Entry::Started(_) => Verdict::Impossible(""),
        Entry::Retried { .. } => Verdict::Stale(retried),
        Entry::StepSucceeded { .. }
        | Entry::StepFailed { .. }
        | Entry::AttemptLost { .. }
        | Entry::DeadlinePassed
        | Entry::TimerFired { .. }
        | Entry::ApprovalAnswered { .. }
        | Entry::EventReceived { .. }
        | Entry::ChildEnded { .. }
        | Entry::CallbackReceived { .. }
        | Entry::Cancelled { .. }
        | Entry::Paused { .. }
        | Entry::Admitted
        | Entry::Resumed { .. } => Verdict::Stale(Stale::ExecutionEnded),
    }
}

fn on_running(execution: &Execution, workflow: &Workflow, at: Timestamp, entry: &Entry) -> Verdict {
    match entry {
        Entry::Started(_) => Verdict::Impossible(""),
        Entry::StepSucceeded { run, attempt, .. }
        | Entry::StepFailed { run, attempt, .. }
        | Entry::AttemptLost { run, attempt } => about_attempt(execution, *run, *attempt),
        Entry::DeadlinePassed => match execution.deadline {
            Some(due) if due <= at => Verdict::Fits,
            Some(_) => Verdict::Stale(Stale::TooEarly),
            None => Verdict::Impossible(" without a deadline"),
        },
        Entry::TimerFired { run } => match waiting(execution, *run) {
            Ok(wait) => match wait.due() {
                Some(due) if due <= at => Verdict::Fits,
                Some(_) | None => Verdict::Stale(Stale::TooEarly),
            },
            Err(verdict) => verdict,
        },
        Entry::ApprovalAnswered { run, answer } => match waiting(execution, *run) {
            Ok(Wait::Approval(approval)) => super::people::may_answer(execution, workflow, (*run, approval), answer)
                .map_or(Verdict::Fits, Verdict::Stale),
            Ok(_) => Verdict::Stale(Stale::RunEnded),
            Err(verdict) => verdict,
        },
        Entry::EventReceived { run, .. } => match waiting(execution, *run) {
            Ok(Wait::Event(_)) => Verdict::Fits,
            Ok(_) => Verdict::Stale(Stale::RunEnded),
            Err(verdict) => verdict,
        },
        Entry::ChildEnded { run, attempt, .. } => match waiting(execution, *run) {
            Ok(Wait::Child(child)) if child.attempt == *attempt => Verdict::Fits,
            Ok(_) => Verdict::Stale(Stale::AttemptLost),
            Err(verdict) => verdict,
        },
        Entry::CallbackReceived { run, attempt, .. } => about_callback(execution, *run, *attempt),
        Entry::Cancelled { .. } => Verdict::Fits,
        Entry::Paused { .. } if execution.paused.is_none() => Verdict::Fits,
        Entry::Resumed { .. } if execution.paused.is_some() => Verdict::Fits,
        Entry::Admitted if execution.waits_for_place() => Verdict::Fits,
        Entry::Paused { .. } | Entry::Resumed { .. } | Entry::Admitted => Verdict::Stale(Stale::NoChange),
        Entry::Retried { .. } => Verdict::Stale(Stale::NotFailed),
    }
}

/// Applies a whole journal, or what of it comes behind a state.
///
/// # Errors
/// [`Illegal`] if a line cannot have happened, or would have been ignored when it was live.
pub fn replay<'a>(
    from: Execution,
    workflow: &Workflow,
    journal: impl IntoIterator<Item = (Timestamp, &'a Entry)>,
) -> Result<Execution, Illegal> {
    let mut execution = from;
    for (at, entry) in journal {
        match apply(&execution, workflow, at, entry)? {
            Applied::Changed { next, .. } => execution = *next,
            Applied::Ignored(_) => return Err(illegal(&execution, entry, " that ignores it")),
        }
    }
    Ok(execution)
}

/// What is to be done for an execution in this state: the volatile commands that were given and not yet answered by an entry.
#[must_use]
pub fn outstanding(execution: &Execution) -> Vec<Command> {
    if execution.phase != Phase::Running {
        return Vec::new();
    }
    let mut commands: Vec<Command> = execution.deadline.map(|at| Command::WatchDeadline { at }).into_iter().collect();
    if execution.waits_for_place() {
        commands.push(Command::AwaitPlace);
    }
    let mut runs: Vec<(RunIx, &Run)> = execution.under_way().collect();
    runs.sort_unstable_by_key(|(at, _)| *at);
    for (at, run) in runs {
        match run.state {
            RunState::Active { attempt, not_before } => {
                commands.push(Command::RunAttempt { run: at, attempt, not_before });
            }
            RunState::Waiting => {
                if matches!(run.wait.as_deref(), Some(Wait::Child(child)) if child.not_before.is_none()) {
                    commands.push(Command::StartChild { run: at });
                }
                // It may have come before the waiting began, and the look at it may have been cut off.
                if matches!(run.wait.as_deref(), Some(Wait::Event(event)) if event.since < run.started_at) {
                    commands.push(Command::Subscribe { run: at });
                }
                let due = run.wait.as_ref().and_then(|wait| wait.due());
                commands.extend(due.map(|due| Command::WatchTimer { run: at, at: due }));
            }
            RunState::Completed | RunState::Failed | RunState::Cancelled => {}
        }
    }
    if execution.paused.is_some() {
        commands.retain(|command| !command.begins_something());
    }
    commands
}

impl Command {
    /// Whether something new begins with it, which it must not while the execution is paused.
    pub(super) fn begins_something(&self) -> bool {
        match self {
            Self::RunAttempt { .. } | Self::StartChild { .. } => true,
            Self::CancelAttempt { .. }
            | Self::WatchDeadline { .. }
            | Self::WatchTimer { .. }
            | Self::CancelChild { .. }
            | Self::ShowApproval { .. }
            | Self::Subscribe { .. }
            | Self::Unsubscribe { .. }
            | Self::AwaitPlace
            | Self::TakePlace
            | Self::AnnounceEnd => false,
        }
    }
}

/// For entries about an attempt: only the attempt that is under way may report.
fn about_attempt(execution: &Execution, run: RunIx, attempt: u32) -> Verdict {
    match execution.run(run).map(|run| run.state) {
        None => Verdict::Impossible(" without that step run"),
        Some(RunState::Active { attempt: current, .. }) if attempt == current => Verdict::Fits,
        Some(RunState::Active { attempt: current, .. }) if attempt < current => Verdict::Stale(Stale::AttemptLost),
        Some(RunState::Active { .. }) => Verdict::Impossible(" before that attempt began"),
        Some(RunState::Waiting | RunState::Completed | RunState::Failed | RunState::Cancelled) => {
            Verdict::Stale(Stale::RunEnded)
        }
    }
}

/// A callback may come before the function that asked for it has returned.
fn about_callback(execution: &Execution, run: RunIx, attempt: u32) -> Verdict {
    match waiting(execution, run) {
        Ok(Wait::Callback { .. }) => {
            let current = execution.run(run).map_or(0, |run| run.attempts);
            if current == attempt { Verdict::Fits } else { Verdict::Stale(Stale::AttemptLost) }
        }
        Ok(_) => Verdict::Stale(Stale::RunEnded),
        Err(_) => about_attempt(execution, run, attempt),
    }
}

/// What a run waits for.
fn waiting(execution: &Execution, at: RunIx) -> Result<&Wait, Verdict> {
    let Some(run) = execution.run(at) else { return Err(Verdict::Impossible(" without that step run")) };
    match (run.state, run.wait.as_deref()) {
        (RunState::Waiting, Some(wait)) => Ok(wait),
        (RunState::Active { .. } | RunState::Completed | RunState::Failed | RunState::Cancelled, _)
        | (RunState::Waiting, None) => Err(Verdict::Stale(Stale::RunEnded)),
    }
}

fn illegal(execution: &Execution, entry: &Entry, how: &str) -> Illegal {
    let phase = match execution.phase {
        Phase::Blank => "a blank execution",
        Phase::Running => "a running execution",
        Phase::Completed(_) => "a completed execution",
        Phase::Failed(_) => "a failed execution",
    };
    Illegal { state: format!("{phase}{how}"), entry: entry.word() }
}

impl Entry {
    /// Its kind, as histories show it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Started(_) => "started",
            Self::StepSucceeded { .. } => "step_succeeded",
            Self::StepFailed { .. } => "step_failed",
            Self::AttemptLost { .. } => "attempt_lost",
            Self::DeadlinePassed => "deadline_passed",
            Self::TimerFired { .. } => "timer_fired",
            Self::ApprovalAnswered { .. } => "approval_answered",
            Self::EventReceived { .. } => "event_received",
            Self::ChildEnded { .. } => "child_ended",
            Self::CallbackReceived { .. } => "callback_received",
            Self::Cancelled { .. } => "cancelled",
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::Admitted => "admitted",
            Self::Retried { .. } => "retried",
        }
    }
}
