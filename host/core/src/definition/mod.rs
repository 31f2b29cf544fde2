//! A checked workflow definition: what the engine runs. A tenant's JSON becomes one in [`check`](fn@check), with every fault named at once.

mod check;
mod config;
mod fault;
mod kinds;
mod limit;
mod link;
mod read;
pub(crate) mod secret;
mod step;
mod survey;
mod triggers;

pub use check::{Checked, STEPS, check, title};
pub use fault::{Fault, Warning};
pub use kinds::{
    AgentRule, Call, ChildRule, EventRule, HumanRule, InputRule, LoopRule, LoopSource, OnTimeout, ParallelRule, Span,
    StepKind, WaitRule,
};
pub use limit::{Limit, LimitKey};
pub use survey::{Body, Join, JoinedFork, Survey};
pub use triggers::{
    Algorithm, Catchup, Encoding, EventTrigger, HmacRule, Overlap, ScheduleInput, ScheduleTrigger, Scheme, Triggers,
    WebhookTrigger, is_type_pattern, is_webhook_path, type_matches,
};

use crate::graph::{ForkIx, Graph};
use crate::payload::Payload;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use stepwell_expression::Expression;

/// Position of a step in its definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct StepIx(pub u32);

impl StepIx {
    /// As an index.
    #[must_use]
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

/// A checked definition.
#[derive(Clone)]
pub struct Workflow {
    /// Its id; unique in its tenant.
    pub id: String,
    /// For readers.
    pub name: String,
    /// Counts the edits, from 1. Executions pin it (semantics P4).
    pub revision: u32,
    /// At least one; the first is the start (C1).
    pub steps: Vec<Step>,
    /// Answers about the graph.
    pub graph: Graph,
    /// The whole execution's time limit, milliseconds (C16).
    pub timeout_ms: Option<u64>,
    /// How many executions of the same key are under way at once (C16).
    pub limit: Option<Limit>,
    /// Whether new executions may start (C16).
    pub enabled: bool,
    /// Fixes the shape of the result (D9).
    pub output: Option<Expression>,
    /// `metadata` as given, or null.
    pub metadata: Payload,
    /// What starts it beside the API (T1).
    pub triggers: Triggers,
    /// The secrets that its functions get, each with the pointer of the first place that reads it (D11).
    pub secrets: BTreeMap<String, String>,
    pub(crate) by_id: HashMap<String, StepIx>,
}

impl fmt::Debug for Workflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Workflow({} revision {}, {} steps)", self.id, self.revision, self.steps.len())
    }
}

impl Workflow {
    /// The step at a position.
    #[must_use]
    pub fn step(&self, at: StepIx) -> Option<&Step> {
        self.steps.get(at.at())
    }

    /// The step with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<StepIx> {
        self.by_id.get(id).copied()
    }

    /// The id of a step, for maps that are keyed by it.
    #[must_use]
    pub fn step_id(&self, at: StepIx) -> &str {
        self.step(at).map_or("", |step| step.id.as_str())
    }

    /// The functions that steps call, without doubles, in the order of the steps.
    #[must_use]
    pub fn functions(&self) -> Vec<&str> {
        let mut seen = std::collections::HashSet::new();
        self.steps.iter().filter_map(Step::function).filter(|name| seen.insert(*name)).collect()
    }
}

/// A place in a workflow.
#[derive(Debug, Clone)]
pub struct Step {
    /// Unique in its workflow.
    pub id: String,
    /// For readers.
    pub name: String,
    /// What it does.
    pub kind: StepKind,
    /// Where a token goes on.
    pub next: Exits,
    /// Where it goes if a condition is false; `None` ends the path quietly (C4).
    pub otherwise: Option<Exits>,
    /// What a failure leads to (C14).
    pub on_error: OnError,
    /// How often and when it is tried again (C15).
    pub retry: RetryPolicy,
    /// `config.timeout` of a function or an agent: wall time of one attempt, milliseconds (C16).
    pub timeout_ms: Option<u64>,
    /// How many attempts of the same key run at once. Only of a function or an agent.
    pub limit: Option<Limit>,
    /// What it waits for if it is a join (C5).
    pub join: JoinPolicy,
    /// At a join that fires early: whether the other branches are cancelled (C5).
    pub cancel_rest: bool,
}

impl Step {
    /// The function that it calls.
    #[must_use]
    pub fn function(&self) -> Option<&str> {
        match &self.kind {
            StepKind::Function(call) => Some(&call.function),
            StepKind::Condition(_)
            | StepKind::Parallel(_)
            | StepKind::Loop(_)
            | StepKind::Human(_)
            | StepKind::Agent(_)
            | StepKind::Wait(_)
            | StepKind::Event(_)
            | StepKind::Workflow(_) => None,
        }
    }

    /// All places that a token, or an iteration of it, may go to from here.
    pub fn exits(&self) -> impl Iterator<Item = &Exits> {
        let inner: &[Exits] = match &self.kind {
            StepKind::Parallel(rule) => &rule.branches,
            StepKind::Loop(rule) => std::slice::from_ref(&rule.done),
            StepKind::Function(_)
            | StepKind::Condition(_)
            | StepKind::Human(_)
            | StepKind::Agent(_)
            | StepKind::Wait(_)
            | StepKind::Event(_)
            | StepKind::Workflow(_) => &[],
        };
        std::iter::once(&self.next).chain(&self.otherwise).chain(inner)
    }

    /// Where it goes when it fails, or when nobody answers in time.
    pub fn detours(&self) -> impl Iterator<Item = StepIx> {
        let on_error = if let OnError::Handle(target) = self.on_error { Some(target) } else { None };
        let late = match &self.kind {
            StepKind::Human(rule) => Some(rule.on_timeout),
            StepKind::Event(rule) => Some(rule.on_timeout),
            StepKind::Function(_)
            | StepKind::Condition(_)
            | StepKind::Parallel(_)
            | StepKind::Loop(_)
            | StepKind::Agent(_)
            | StepKind::Wait(_)
            | StepKind::Workflow(_) => None,
        };
        let late = if let Some(OnTimeout::Go(target)) = late { Some(target) } else { None };
        on_error.into_iter().chain(late)
    }
}

/// The targets behind a step on one side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exits {
    /// None: the path ends. One: it goes on. Several: a fork (C3).
    pub targets: Vec<StepIx>,
    /// The fork, if there are several.
    pub fork: Option<ForkIx>,
}

/// `config.onError`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// The execution fails.
    Fail,
    /// The step counts as done, with result null.
    Continue,
    /// This step handles it.
    Handle(StepIx),
}

/// `config.join`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinPolicy {
    /// Fires when nothing more can come.
    All,
    /// Fires at the n-th arrival, or when no more can come. `any` is one.
    Count(u32),
}

/// How the pauses between attempts grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backoff {
    /// Doubles each time; full jitter.
    Exponential,
    /// Grows by `delay` each time; full jitter.
    Linear,
    /// Always `delay`, exactly.
    Constant,
}

/// `config.retries` and `config.retry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts after the first.
    pub attempts: u32,
    /// How pauses grow.
    pub backoff: Backoff,
    /// First pause, milliseconds.
    pub delay_ms: u64,
    /// Longest pause, milliseconds.
    pub max_delay_ms: u64,
}

impl RetryPolicy {
    /// The default: none, and where retries are asked for, exponential from 1 s to 60 s.
    pub const NONE: Self = Self { attempts: 0, backoff: Backoff::Exponential, delay_ms: 1_000, max_delay_ms: 60_000 };

    /// The pause before the retry with this number (from 1), milliseconds. `chance` is evenly spread over all of `u32`.
    #[must_use]
    pub fn pause_ms(&self, retry: u32, chance: u32) -> u64 {
        let longest = match self.backoff {
            Backoff::Constant => return self.delay_ms.min(self.max_delay_ms),
            Backoff::Linear => self.delay_ms.saturating_mul(u64::from(retry)),
            Backoff::Exponential => self.delay_ms.saturating_mul(1u64.checked_shl(retry - 1).unwrap_or(u64::MAX)),
        };
        let longest = longest.min(self.max_delay_ms);
        ((u128::from(longest + 1) * u128::from(chance)) >> 32) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_cap_and_are_spread_evenly() {
        let policy = RetryPolicy { attempts: 9, ..RetryPolicy::NONE };
        for (retry, longest) in [(1, 1_000), (2, 2_000), (6, 32_000), (7, 60_000), (200, 60_000)] {
            assert_eq!(policy.pause_ms(retry, u32::MAX), longest, "retry {retry}");
            assert_eq!(policy.pause_ms(retry, 0), 0);
        }
        assert_eq!(policy.pause_ms(1, u32::MAX / 2), 500);
        let linear = RetryPolicy { backoff: Backoff::Linear, ..policy };
        assert_eq!(linear.pause_ms(3, u32::MAX), 3_000);
        let constant = RetryPolicy { backoff: Backoff::Constant, delay_ms: 10, ..policy };
        assert_eq!((constant.pause_ms(1, 0), constant.pause_ms(5, u32::MAX)), (10, 10));
    }
}
