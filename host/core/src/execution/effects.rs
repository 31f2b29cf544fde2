//! Which entries may wait for their commit: those of functions that cannot have an effect outside of the execution, as long as nothing
//! but such functions follows from them. Running them again is seen by nobody, so a crash may take them back.

use super::{Command, Entry, Execution, RunIx};
use crate::definition::{StepKind, Workflow};
use crate::time::Timestamp;

/// Whether nobody outside of the execution can tell how often this step run's function ran.
#[must_use]
pub fn is_effect_free(execution: &Execution, workflow: &Workflow, run: RunIx) -> bool {
    let step = execution.run(run).and_then(|run| workflow.step(run.step));
    let Some(StepKind::Function(call)) = step.map(|step| &step.kind) else { return false };
    // Over a callback somebody outside gets to know of the attempt.
    let pin = execution.started.as_ref().and_then(|started| started.pins.get(&call.function));
    !call.completes_later && pin.is_some_and(|pin| pin.effect_free)
}

/// Whether this entry may become durable later, with the next one that must: it ended an attempt of an effect-free function, and what
/// follows at once is nothing, or further attempts of such functions. `next` is the state after it.
#[must_use]
pub fn may_be_held(
    (next, workflow): (&Execution, &Workflow),
    (at, entry): (Timestamp, &Entry),
    commands: &[Command],
) -> bool {
    let run = match entry {
        Entry::StepSucceeded { run, .. } | Entry::StepFailed { run, .. } => *run,
        Entry::Started(_)
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
        | Entry::Retried { .. } => return false,
    };
    !next.is_ended()
        && is_effect_free(next, workflow, run)
        && commands.iter().all(|command| begins_without_effects((next, workflow), at, command))
}

/// Whether a start may become durable together with what follows from it at once, for a caller who waits for that: it is attempts of
/// effect-free functions, and at most a deadline.
#[must_use]
pub fn may_start_held((next, workflow): (&Execution, &Workflow), at: Timestamp, commands: &[Command]) -> bool {
    let is_deadline = |command: &Command| matches!(command, Command::WatchDeadline { .. });
    !next.is_ended()
        && commands.iter().any(|command| !is_deadline(command))
        && commands.iter().all(|command| is_deadline(command) || begins_without_effects((next, workflow), at, command))
}

fn begins_without_effects((next, workflow): (&Execution, &Workflow), at: Timestamp, command: &Command) -> bool {
    match command {
        Command::RunAttempt { run, not_before, .. } => {
            not_before.is_none_or(|moment| moment <= at) && is_effect_free(next, workflow, *run)
        }
        Command::CancelAttempt { .. }
        | Command::WatchDeadline { .. }
        | Command::WatchTimer { .. }
        | Command::StartChild { .. }
        | Command::CancelChild { .. }
        | Command::ShowApproval { .. }
        | Command::Subscribe { .. }
        | Command::Unsubscribe { .. }
        | Command::AwaitPlace
        | Command::TakePlace
        | Command::AnnounceEnd => false,
    }
}
