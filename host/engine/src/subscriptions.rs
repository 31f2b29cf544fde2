//! Event steps that wait: which events they wait for, and in the end which one they got.

use crate::events::{candidate_key, effect_row};
use crate::live::Live;
use crate::ports::{DocumentKind, DocumentWrite, Expect};
use bytes::Bytes;
use serde::Deserialize;
use stepwell_core::execution::{Execution, RunIx, RunState, Wait};

/// This run waits for an event from now on.
pub(crate) fn subscribe(live: &Live, next: &Execution, run: RunIx) -> Vec<DocumentWrite> {
    // It may be over with the same entry, when another branch fails.
    if next.run(run).is_some_and(|run| run.state == RunState::Waiting) {
        candidates(live, next, run, Some(&Bytes::new()))
    } else {
        Vec::new()
    }
}

/// It no longer does; if that is because its event came, this is recorded with the event.
pub(crate) fn unsubscribe(live: &Live, next: &Execution, run: RunIx) -> Vec<DocumentWrite> {
    let mut rows = candidates(live, next, run, None);
    rows.extend(event_of(next, run).and_then(|event| effect_row(live, next, run, &event, None)));
    rows
}

/// One row for each type or pattern that it waits for.
fn candidates(live: &Live, next: &Execution, run: RunIx, value: Option<&Bytes>) -> Vec<DocumentWrite> {
    let Some(Wait::Event(wait)) = next.run(run).and_then(|run| run.wait.as_deref()) else { return Vec::new() };
    let mut types: Vec<&String> = wait.types.iter().collect();
    types.sort_unstable();
    types.dedup();
    let row = |pattern: &String| DocumentWrite {
        kind: DocumentKind::EventWait,
        key: candidate_key(pattern, live.key.id, run),
        value: value.cloned(),
        expect: Expect::Anything,
    };
    types.into_iter().map(row).collect()
}

/// The id of the event that a run got.
fn event_of(next: &Execution, run: RunIx) -> Option<String> {
    #[derive(Deserialize)]
    struct Id {
        id: String,
    }
    let run = next.run(run).filter(|run| run.state == RunState::Completed)?;
    serde_json::from_str(run.result.as_ref()?.as_str()).ok().map(|event: Id| event.id)
}
