//! When each step of an execution ran: one bar for each run, with its attempts and the pauses between them.

mod svg;

pub use svg::timeline_svg;

use super::model::{About, Status, Story};
use crate::definition::{StepKind, Workflow};
use crate::execution::{Entry, Execution, RunState, Wait};
use crate::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// Most bars of a timeline: more are a wall that nobody reads.
pub const BARS: usize = 400;
/// Most attempts that are shown of one run; the others are counted.
const ATTEMPTS: usize = 50;

/// An execution over time. All times are milliseconds after its start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// The workflow.
    pub workflow: About,
    /// The execution.
    pub execution: Story,
    /// What ran, in the order of the starts.
    pub bars: Vec<Bar>,
    /// Runs that have no bar: those after the first [`BARS`].
    pub left_out: usize,
}

/// One run of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bar {
    /// The step's id.
    pub step: String,
    /// Its name.
    pub name: String,
    /// Which run of this step, from 1.
    pub run: u32,
    /// The iterations that it is in, as in idempotency keys: `2.0`; empty outside of loops.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Whether the step ran more than once.
    #[serde(skip)]
    repeated: bool,
    /// How it is.
    pub status: Status,
    /// Whether it is over in no time.
    #[serde(skip)]
    moment: bool,
    /// When it began.
    pub from_ms: u64,
    /// When it ended; now, if it has not.
    pub to_ms: u64,
    /// How often it was tried.
    pub attempts: u32,
    /// Its attempts; the time between them is waiting.
    pub spans: Vec<Span>,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// Which one, from 1.
    pub attempt: u32,
    /// `running`, `completed` or `failed`.
    pub status: Status,
    /// When it began.
    pub from_ms: u64,
    /// When it ended; now, if it has not.
    pub to_ms: u64,
}

/// Collects the bars of an execution: first its runs, then what its journal tells of their attempts.
#[derive(Debug)]
pub struct Bars {
    start: Timestamp,
    now: Timestamp,
    bars: Vec<Bar>,
    /// Attempts that are under way: `(bar, attempt, not before)`.
    active: Vec<(usize, u32, Option<Timestamp>)>,
    left_out: usize,
}

impl Bars {
    /// The first [`BARS`] runs.
    #[must_use]
    pub fn new(execution: &Execution, workflow: &Workflow, now: Timestamp) -> Self {
        let start = execution.started_at;
        let mut bars = Self { start, now, bars: Vec::new(), active: Vec::new(), left_out: 0 };
        let (mut runs, mut steps): (BTreeMap<u32, u32>, Vec<u32>) = (BTreeMap::new(), Vec::new());
        for run in execution.runs.iter() {
            let number = runs.entry(run.step.0).or_default();
            *number += 1;
            if bars.bars.len() == BARS {
                bars.left_out += 1;
                continue;
            }
            let Some(step) = workflow.step(run.step) else { continue };
            if let RunState::Active { attempt, not_before } = run.state {
                bars.active.push((bars.bars.len(), attempt, not_before));
            }
            let status = match run.state {
                RunState::Active { .. } => Status::Running,
                RunState::Waiting
                    if matches!(run.wait.as_deref(), Some(Wait::Iterations(_) | Wait::Branches(_)) | None) =>
                {
                    Status::Running
                }
                RunState::Waiting => Status::Waiting,
                RunState::Completed => Status::Completed,
                RunState::Failed => Status::Failed,
                RunState::Cancelled => Status::Cancelled,
            };
            steps.push(run.step.0);
            bars.bars.push(Bar {
                step: step.id.clone(),
                name: step.name.clone(),
                run: *number,
                path: run.path.iter().map(u32::to_string).collect::<Vec<_>>().join("."),
                repeated: false,
                status,
                moment: matches!(step.kind, StepKind::Condition(_)),
                from_ms: run.started_at.since(start),
                to_ms: run.ended_at.unwrap_or(now).since(start),
                attempts: run.attempts,
                spans: Vec::new(),
            });
        }
        for (bar, step) in bars.bars.iter_mut().zip(steps) {
            bar.repeated = runs.get(&step).is_some_and(|many| *many > 1);
        }
        bars
    }

    /// A line of the journal, in their order.
    pub fn line(&mut self, at: Timestamp, entry: &Entry) {
        let (attempt, status, elapsed_us) = match entry {
            Entry::StepSucceeded { attempt, usage, .. } => (*attempt, Status::Completed, usage.elapsed_us),
            Entry::StepFailed { attempt, usage, .. } => (*attempt, Status::Failed, usage.elapsed_us),
            Entry::AttemptLost { attempt, .. } => (*attempt, Status::Cancelled, 0),
            _ => return,
        };
        let to_ms = at.since(self.start);
        let Some(bar) = entry.run().and_then(|run| self.bars.get_mut(run.at())) else { return };
        if bar.spans.len() < ATTEMPTS {
            let from_ms = to_ms.saturating_sub(elapsed_us.div_ceil(1_000)).max(bar.from_ms);
            bar.spans.push(Span { attempt, status, from_ms, to_ms });
        }
    }

    /// The timeline of an execution with this story.
    #[must_use]
    pub fn timeline(mut self, workflow: About, execution: Story) -> Timeline {
        for (bar, attempt, not_before) in std::mem::take(&mut self.active) {
            let Some(bar) = self.bars.get_mut(bar) else { continue };
            let begun = not_before.map_or(0, |at| at.since(self.start));
            let from_ms = bar.spans.last().map_or(bar.from_ms, |span| span.to_ms).max(begun);
            if from_ms < self.now.since(self.start) {
                bar.spans.push(Span { attempt, status: Status::Running, from_ms, to_ms: bar.to_ms });
            }
        }
        Timeline { workflow, execution, bars: self.bars, left_out: self.left_out }
    }
}
