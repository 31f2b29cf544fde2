//! What must hold in every world, whatever goes wrong in it. Each rule is one function that answers `Err` with what broke it; its first line says the
//! rule, the second where it is written. When each is asked stands in `book.rs`.
//!
//! The rules look at four things: what is on the disk (journals, records), what functions were called with and returned, what people and services
//! were told (answers, histories, lists), and what the generator knows of its workflows. None of them asks the engine what it thinks.

use crate::book::{Call, Story};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use stepwell_core::execution::{Applied, Entry, Execution, Phase, RunState, Wait, apply, history_line, replay, view};
use stepwell_core::ids::{ExecutionId, TenantId};
use stepwell_core::time::Timestamp;
use stepwell_engine::fakes::stored;
use stepwell_engine::ports::Record;

/// Whether a rule holds.
pub type Held = Result<(), String>;

fn held(holds: bool, breach: impl FnOnce() -> String) -> Held {
    if holds { Ok(()) } else { Err(breach()) }
}

// ---- The journal ----

/// Whatever is written can have happened: every line changes the execution whose journal it is added to.
/// (ARCHITECTURE.md, "The core"; storage.md section 1: "refused by the single writer".)
pub fn every_line_changes_its_execution(story: &Story, at: Timestamp, entry: &Entry) -> Result<Execution, String> {
    match apply(story.now(), &story.workflow, at, entry) {
        Ok(Applied::Changed { next, .. }) => Ok(*next),
        Ok(Applied::Ignored(why)) => {
            Err(format!("{}: a line without effect was written ({why:?}): {entry:?}", story.id))
        }
        Err(illegal) => Err(format!("{}: an impossible line was written: {illegal}", story.id)),
    }
}

/// replay(journal) == record.
/// (Issue 6, part 4; ARCHITECTURE.md: "An execution is what follows from its journal".)
pub fn the_record_follows_from_the_journal(story: &Story, record: &Record) -> Held {
    let agrees = stored::agrees(record, story.now())?;
    held(agrees, || {
        format!("{}: its record ({:?}) is not what its {} lines come to", story.id, record.status, story.lines.len())
    })
}

/// The same lines come to the same state, however often they are read.
/// (ARCHITECTURE.md, "The core"; a restart reads them again.)
pub fn a_replay_comes_to_the_same(story: &Story) -> Held {
    let lines = story.lines.iter().map(|(at, entry)| (*at, entry));
    let again = replay(Execution::blank(story.id), &story.workflow, lines).map_err(|illegal| illegal.to_string())?;
    held(again == *story.now(), || format!("{}: a replay comes to another state", story.id))
}

/// A step's result is recorded exactly once.
/// (semantics.md section 6.)
pub fn a_result_is_recorded_once(story: &Story, entry: &Entry) -> Held {
    let Entry::StepSucceeded { run, .. } = entry else { return Ok(()) };
    held(!story.succeeded.contains(run), || format!("{}: the result of run {} is recorded twice", story.id, run.0))
}

/// A recorded result is what an attempt of just this run returned: nothing is made up, and no run gets the result of another.
/// (semantics.md section 6: "its result is recorded exactly once"; D3.)
pub fn a_result_was_returned(story: &Story, entry: &Entry, calls: &BTreeMap<String, Vec<Call>>) -> Held {
    let Entry::StepSucceeded { run, attempt, output, .. } = entry else { return Ok(()) };
    let key = story.key_of(*run);
    let of_key = calls.get(&key).into_iter().flatten();
    let returned = of_key.filter(|call| call.attempt == *attempt).any(|call| call.returned.as_ref() == Some(output));
    held(returned, || format!("{key}: a result is recorded that attempt {attempt} did not return"))
}

/// At most one end, and it stays: after it nothing is written but a retry, and that only of what failed.
/// (semantics.md C18, H4; section 6 for `/retry`.)
pub fn an_end_stays(story: &Story, entry: &Entry) -> Held {
    let fits = match &story.now().phase {
        Phase::Blank | Phase::Running => !matches!(entry, Entry::Retried { .. }),
        Phase::Failed(_) => matches!(entry, Entry::Retried { .. }),
        Phase::Completed(_) => false,
    };
    held(fits, || format!("{}: {entry:?} is written although it is {:?}", story.id, story.now().phase))
}

// ---- Time ----

/// Timers are never early: neither by the clock that they were set by, nor by true time and how far the clocks were set forward meanwhile.
/// (semantics.md C21 for `wait`, H4 for people, C16 for the execution's timeout.)
pub fn timers_are_never_early(story: &Story, (at, entry): (Timestamp, &Entry), waited_ms: u64) -> Held {
    match entry {
        Entry::TimerFired { run } => {
            let due = story.now().run(*run).and_then(|run| run.wait.as_deref().and_then(Wait::due));
            held(due.is_some_and(|due| at >= due), || {
                format!("{}: run {} fired at {at:?}, due {due:?}", story.id, run.0)
            })?;
            let least = story.plan.durations.get(&story.step_of(*run)).copied().unwrap_or(0);
            held(waited_ms >= least, || format!("{}: run {} waited {waited_ms} ms of {least}", story.id, run.0))
        }
        Entry::DeadlinePassed => {
            let passed = at.since(story.now().started_at);
            let allowed = story.plan.timeout_ms.unwrap_or(u64::MAX);
            held(passed >= allowed, || format!("{}: timed out after {passed} ms of {allowed}", story.id))
        }
        _ => Ok(()),
    }
}

// ---- Calls ----

/// Every call of a run, by whichever host and attempt, has the same idempotency key, and no other run has it.
/// (semantics.md section 6: `{execution}/{step}/{iteration path}/{run}`.)
pub fn a_run_has_one_idempotency_key(key: &str, (execution, step, path): (&str, &str, &[u32])) -> Held {
    let own = format!("{execution}/{}", crate::blocks::run_key(step, path));
    held(key == own, || format!("{own} was called under the key {key}"))
}

/// Nothing effectful depends on what is not committed: such a call begins only if a state that is on the disk, or was, asks for just this attempt, and
/// not before its time.
/// (Issue 6, part 2: "nothing that leaves the process depends on an entry that is not committed"; C15 for the pause.)
pub fn an_effect_follows_from_what_is_stored(
    story: Option<&Story>,
    (key, number): (&str, u32),
    now: Timestamp,
) -> Held {
    let Some(story) = story else { return Err(format!("{key} was called for an execution that is not stored")) };
    let asked = story.states.iter().rev().find_map(|state| {
        let mut runs = state.runs.iter().filter(|run| story.key_of_run(run) == key);
        runs.find_map(|run| match run.state {
            RunState::Active { attempt, not_before } if attempt == number => Some(not_before),
            _ => None,
        })
    });
    match asked {
        None => Err(format!("{key} attempt {number} was called, and nothing stored asks for it")),
        Some(pause) => {
            held(pause.is_none_or(|until| now >= until), || format!("{key} was called before its pause ended"))
        }
    }
}

/// A join runs once its branches have come, and has something of each of those, and of no others.
/// (semantics.md D4, C5, D1.)
pub fn a_join_has_all_that_must_come(story: &Story, key: &str, input: &Value) -> Held {
    let name = key.split_once('/').map_or(key, |(_, run)| run);
    let Some(Some(gathered)) = story.expected.get(name) else { return Ok(()) };
    let fields = input.as_object().into_iter().flatten().map(|(name, _)| name.clone());
    let has: BTreeSet<String> = fields.filter(|field| story.plan.steps.contains(field)).collect();
    held(has == *gathered, || format!("{key} has {has:?} instead of {gathered:?}"))
}

/// `limit {key, max}` of a step: never more calls at once.
/// (semantics.md C20; limits hold per host.)
pub fn a_steps_limit_holds(at_once: u64, max: u64, key: &str) -> Held {
    held(at_once <= max, || format!("{key} is one of {at_once} calls at once; its step allows {max}"))
}

/// `limit {key, max}` of a workflow: whoever gives a place knows of fewer executions under way, those aside that somebody made try again: they take
/// their places back. A host knows those to which it gave places itself, and those that it found when it started, also under other hosts' leases;
/// hosts that live at the same time do not tell each other yet.
/// (semantics.md C16.)
pub fn a_workflows_limit_holds(under_way: &[ExecutionId], max: u64) -> Held {
    held(under_way.len() as u64 <= max, || format!("{under_way:?} are under way at once; their workflow allows {max}"))
}

/// k results of functions without effects cost at most k / 64 commits of their own, and one for each 50 ms in which some waited. What waits is
/// written besides before an attempt with effects begins, and when a host is shut down; a host that dies may take the attempt with it.
/// (Issue 6, part 2; ARCHITECTURE.md: "Results without effects wait for company".)
pub fn results_wait_for_company(story: &Story, hosts_gone: usize) -> Held {
    let hasty = story.commits.hasty;
    held(hasty <= hosts_gone, || {
        format!("{}: {hasty} commits of results alone that did not have to be; {hosts_gone} hosts have gone", story.id)
    })
}

// ---- What is told ----

/// What was acknowledged is on the disk when it is acknowledged.
/// (semantics.md section 6: "What was answered with 2xx is durable".)
pub fn an_acknowledged_start_is_stored(story: Option<&Story>, id: &str) -> Held {
    held(story.is_some(), || format!("{id} was acknowledged and is not stored"))
}

/// The same start with the same idempotency key is the same execution.
/// (semantics.md P7.)
pub fn a_start_has_one_execution(before: Option<&str>, id: &str) -> Held {
    held(before.is_none_or(|before| before == id), || format!("one start came to {before:?} and {id}"))
}

/// However often a start is repeated with its idempotency key, because nobody answered, there is one execution of it.
/// (As above.)
pub fn a_start_is_one_execution(start: &str, count: usize) -> Held {
    held(count == 1, || format!("{start} came to {count} executions"))
}

/// Nothing observable is taken back: a status that was shown is that of a state on the disk, so that all that comes later goes on from there.
/// `pending` and `running` are one here: whether the first attempt has had its turn is not stored.
/// (Issue 6, part 2; semantics.md section 6.)
pub fn a_shown_status_is_stored(story: Option<&Story>, shown: &str, now: Timestamp) -> Held {
    let Some(story) = story else { return Err(format!("a status was shown of what is not stored: {shown}")) };
    let is_shown = |state: &Execution, begun| view(state, &story.workflow, now, begun) == shown;
    let found = story.states.iter().rev().any(|state| is_shown(state, true) || is_shown(state, false));
    held(found, || format!("{}: shown and not stored: {shown}", story.id))
}

/// A history, or what a follower got, is a beginning of the journal.
/// (As above.)
pub fn shown_lines_are_stored(story: Option<&Story>, from: usize, shown: &[Value]) -> Held {
    let Some(story) = story else { return Err("a history was shown of what is not stored".to_owned()) };
    for (line, seq) in shown.iter().zip(from..) {
        let Some((at, entry)) = story.lines.get(seq) else {
            return Err(format!("{}: line {seq} was shown and is not stored: {line}", story.id));
        };
        let number = u32::try_from(seq).unwrap_or(u32::MAX);
        let stored = history_line(number, *at, entry, |run| Some(story.step_of(run)));
        held(*line == stored, || format!("{}: line {seq} was shown as {line}, and is {stored}", story.id))?;
    }
    Ok(())
}

/// No tenant sees another's executions, nor what they do.
/// (semantics.md P6.)
pub fn a_tenant_sees_its_own(tenant: TenantId, id: &str, owner: Option<TenantId>) -> Held {
    held(owner == Some(tenant), || format!("{tenant:?} was shown {id} of {owner:?}"))
}

// ---- The end of the world: nothing goes wrong any more, and time has passed ----

/// Every execution that can end does.
/// (Issue 6, part 3: "every one completes".)
pub fn everything_ends(story: &Story) -> Held {
    held(story.now().is_ended(), || {
        let under_way: Vec<_> =
            story.now().under_way().map(|(_, run)| (story.key_of_run(run), run.state, run.wait.clone())).collect();
        let (paused, limited) = (&story.now().paused, &story.now().limited);
        format!("{} does not end: {under_way:?}, paused {paused:?}, limited {limited:?}", story.id)
    })
}

/// An execution that completed has run what its workflow says, no step less and none more.
/// (semantics.md sections 2 and 6: "at least once", C5, C7, C8, C14.)
pub fn what_completed_has_run_all(story: &Story) -> Held {
    let expected = &story.expected;
    if !matches!(story.now().phase, Phase::Completed(_)) {
        return Ok(());
    }
    let run: BTreeSet<String> = story.succeeded.iter().map(|run| story.name_of(*run)).collect();
    let missing: Vec<_> = expected.keys().filter(|key| !run.contains(*key)).collect();
    let extra: Vec<_> = run.iter().filter(|key| !expected.contains_key(*key)).collect();
    let once = run.len() == story.succeeded.len();
    held(missing.is_empty() && extra.is_empty() && once, || {
        format!("{} completed without {missing:?}, with {extra:?}, each once: {once}", story.id)
    })
}

/// Whatever failed has a reason in this world: somebody cancelled it, its own timeout passed, a function was told to fail, or one of its runs met three
/// deaths of its host.
/// (semantics.md section 7, C15.)
pub fn a_failure_has_its_reason(story: &Story, (was_cancelled, deaths): (bool, u32)) -> Held {
    let Phase::Failed(error) = &story.now().phase else { return Ok(()) };
    let has_reason = match error.code.as_str() {
        "cancelled" => was_cancelled,
        "execution_timeout" => story.plan.may_time_out,
        "sim_broken" => story.plan.may_fail,
        "host_fault" => deaths >= 3,
        _ => false,
    };
    held(has_reason, || format!("{} failed without a reason: {error:?}", story.id))
}

/// An event starts each workflow that wants it exactly once; one that nobody acknowledged, at most once.
/// (semantics.md T4, T12.)
pub fn an_event_starts_once(event: &str, started: usize, acknowledged: bool) -> Held {
    let fits = if acknowledged { started == 1 } else { started <= 1 };
    held(fits, || {
        format!("the event {event} started {started} executions of a workflow (acknowledged: {acknowledged})")
    })
}

/// What is counted goes back to zero when nothing is under way.
/// (Issue 6, part 5: a waiting execution holds no memory; limits.md: quotas.)
pub fn counters_return_to_zero(in_memory: usize, usage: &Value) -> Held {
    held(in_memory == 0, || format!("{in_memory} executions are in memory although all have ended"))?;
    for name in ["executions_unfinished", "attempts_running", "attempts_waiting"] {
        let used = &usage["quotas"][name]["used"];
        held(*used == 0, || format!("{name} is {used} although nothing is under way"))?;
    }
    Ok(())
}
