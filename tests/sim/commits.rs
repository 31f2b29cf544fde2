//! How many commits an execution costs beside those that must be: what functions without effects returned waits for company.

use crate::book::Story;
use std::collections::BTreeMap;
use stepwell_core::execution::{Entry, Execution, RunIx, RunState};
use stepwell_core::time::Timestamp;

/// So many results are written at once, if nothing else is written before.
const MOST: usize = 64;
/// The first of them waits at most so long, milliseconds.
const LONGEST_MS: u64 = 50;

/// What an execution's commits were.
#[derive(Default)]
pub struct Commits {
    /// Commits of nothing but results that were neither as many as may wait, nor had waited as long as they may, and were not written because an
    /// attempt with effects began.
    pub hasty: usize,
    /// Commits of nothing but results that had waited long enough.
    timed: usize,
    /// When the first result of each commit began to wait.
    first: Vec<Timestamp>,
}

impl Commits {
    /// An attempt of a function with effects begins: what waited was written before.
    pub fn effect(&mut self) {
        self.hasty = self.hasty.saturating_sub(1);
    }

    /// One was written, with these results that could wait, and perhaps with something that could not. `set_back`: the clocks show less than they
    /// have shown, and so do not say how long something waited.
    pub fn wrote(&mut self, (now, set_back): (Timestamp, bool), waited: &[Timestamp], alone: bool) {
        self.first.extend(waited.first());
        if !alone || waited.len() >= MOST {
            return;
        }
        let long_ago = |at: &&Timestamp| set_back || now.since(**at) >= LONGEST_MS;
        if self.timed < self.first.iter().filter(long_ago).count() {
            self.timed += 1;
        } else {
            self.hasty += 1;
        }
    }
}

/// Whether a line may wait for the next commit: it is the result of a function without effects, and what follows at once is at most further
/// calls of such functions. Decided from the states before and after, and not as the core does it.
pub fn may_wait(story: &Story, (at, entry): (Timestamp, &Entry), next: &Execution) -> bool {
    let (Entry::StepSucceeded { run: ended, .. } | Entry::StepFailed { run: ended, .. }) = entry else { return false };
    let is_pure = |state: &Execution, run: RunIx| {
        state.run(run).is_some_and(|run| story.plan.pure.contains(story.workflow.step_id(run.step)))
    };
    let states = |state: &Execution| state.under_way().map(|(run, seen)| (run, seen.state)).collect::<BTreeMap<_, _>>();
    let (before, after) = (states(story.now()), states(next));
    let none_stopped = before.keys().all(|run| run == ended || after.contains_key(run));
    let mut begun = after.iter().filter(|(run, state)| before.get(run) != Some(state));
    let calls = begun.all(|(run, state)| {
        let at_once =
            matches!(state, RunState::Active { not_before, .. } if not_before.is_none_or(|until| until <= at));
        at_once && is_pure(next, *run)
    });
    !next.is_ended() && is_pure(story.now(), *ended) && none_stopped && calls
}
