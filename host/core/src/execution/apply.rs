//! The one function that changes an execution.

use super::turn::Turn;
use super::{Command, Entry, Execution, Phase, Run, RunIx, RunState};
use crate::definition::Workflow;
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
    /// It came too late; nothing changes and nothing is written.
    Ignored(Stale),
}

/// Why an entry changes nothing, although nobody did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// The execution has ended.
    ExecutionEnded,
    /// The step run has ended.
    RunEnded,
    /// A later attempt is under way.
    AttemptLost,
}

/// An entry that cannot have happened: a bug, or a damaged journal. The execution is set aside, the server goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{entry} cannot happen to {state}")]
pub struct Illegal {
    state: String,
    entry: &'static str,
}

/// What becomes of an execution when an entry happens at a moment.
///
/// # Errors
/// [`Illegal`] if it cannot have happened.
pub fn apply(execution: &Execution, workflow: &Workflow, at: Timestamp, entry: &Entry) -> Result<Applied, Illegal> {
    match (&execution.phase, entry) {
        (Phase::Blank, Entry::Started(started)) => Ok(changed(execution, workflow, at, |turn| turn.start(started))),
        (
            Phase::Blank,
            Entry::StepSucceeded { .. } | Entry::StepFailed { .. } | Entry::AttemptLost { .. } | Entry::DeadlinePassed,
        )
        | (Phase::Running | Phase::Completed(_) | Phase::Failed(_), Entry::Started(_)) => {
            Err(illegal(execution, entry, ""))
        }
        (
            Phase::Running,
            Entry::StepSucceeded { run, attempt, .. }
            | Entry::StepFailed { run, attempt, .. }
            | Entry::AttemptLost { run, attempt },
        ) => match about_attempt(execution, entry, *run, *attempt)? {
            Some(stale) => Ok(Applied::Ignored(stale)),
            None => Ok(changed(execution, workflow, at, |turn| turn.reported(*run, entry))),
        },
        (Phase::Running, Entry::DeadlinePassed) => match execution.deadline {
            Some(_) => Ok(changed(execution, workflow, at, |turn| turn.deadline_passed())),
            None => Err(illegal(execution, entry, " without a deadline")),
        },
        (
            Phase::Completed(_) | Phase::Failed(_),
            Entry::StepSucceeded { .. } | Entry::StepFailed { .. } | Entry::AttemptLost { .. } | Entry::DeadlinePassed,
        ) => Ok(Applied::Ignored(Stale::ExecutionEnded)),
    }
}

/// Applies a whole journal.
///
/// # Errors
/// [`Illegal`] if a line cannot have happened, or would have been ignored when it was live.
pub fn replay<'a>(
    blank: Execution,
    workflow: &Workflow,
    journal: impl IntoIterator<Item = (Timestamp, &'a Entry)>,
) -> Result<Execution, Illegal> {
    let mut execution = blank;
    for (at, entry) in journal {
        match apply(&execution, workflow, at, entry)? {
            Applied::Changed { next, .. } => execution = *next,
            Applied::Ignored(_) => return Err(illegal(&execution, entry, " that ignores it")),
        }
    }
    Ok(execution)
}

/// What is to be done for an execution in this state: the commands that were given and not yet answered by an entry.
#[must_use]
pub fn outstanding(execution: &Execution) -> Vec<Command> {
    if execution.phase != Phase::Running {
        return Vec::new();
    }
    let attempts = (0u32..).zip(&execution.runs).filter_map(|(at, run)| match run.state {
        RunState::Active { attempt, not_before } => Some(Command::RunAttempt { run: RunIx(at), attempt, not_before }),
        RunState::Completed | RunState::Failed | RunState::Cancelled => None,
    });
    attempts.chain(execution.deadline.map(|at| Command::WatchDeadline { at })).collect()
}

fn changed(execution: &Execution, workflow: &Workflow, at: Timestamp, act: impl FnOnce(&mut Turn<'_>)) -> Applied {
    let mut turn = Turn::new(execution, workflow, at);
    act(&mut turn);
    let (next, commands) = turn.end();
    Applied::Changed { next: Box::new(next), commands }
}

/// For entries about an attempt: only the attempt that is under way may report.
fn about_attempt(execution: &Execution, entry: &Entry, run: RunIx, attempt: u32) -> Result<Option<Stale>, Illegal> {
    let Some(state) = execution.run(run).map(|run: &Run| run.state) else {
        return Err(illegal(execution, entry, " without that step run"));
    };
    match state {
        RunState::Active { attempt: current, .. } if attempt == current => Ok(None),
        RunState::Active { attempt: current, .. } if attempt < current => Ok(Some(Stale::AttemptLost)),
        RunState::Active { .. } => Err(illegal(execution, entry, " before that attempt began")),
        RunState::Completed | RunState::Failed | RunState::Cancelled => Ok(Some(Stale::RunEnded)),
    }
}

fn illegal(execution: &Execution, entry: &Entry, how: &str) -> Illegal {
    let phase = match execution.phase {
        Phase::Blank => "a blank execution",
        Phase::Running => "a running execution",
        Phase::Completed(_) => "a completed execution",
        Phase::Failed(_) => "a failed execution",
    };
    Illegal { state: format!("{phase}{how}"), entry: name(entry) }
}

fn name(entry: &Entry) -> &'static str {
    match entry {
        Entry::Started(_) => "started",
        Entry::StepSucceeded { .. } => "step_succeeded",
        Entry::StepFailed { .. } => "step_failed",
        Entry::AttemptLost { .. } => "attempt_lost",
        Entry::DeadlinePassed => "deadline_passed",
    }
}
