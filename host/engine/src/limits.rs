//! The numbers of `limits.md` that the engine enforces. Each has a name there, and its reason.

use crate::room::DiskMarks;
use crate::scheduler::Slots;
use crate::scrub::ScrubPace;
use crate::tenant_limits::Ceilings;
use std::time::Duration;
use stepwell_core::execution::ExecutionLimits;

/// What the operator may change.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of each execution.
    pub execution: ExecutionLimits,
    /// `component_bytes`: an upload is held in memory while it is compiled.
    pub component_bytes: usize,
    /// `script_bytes`: a script is parsed anew by every attempt.
    pub script_bytes: usize,
    /// `definition`, bytes: a definition is held in memory and analysed.
    pub definition_bytes: usize,
    /// `functions` per tenant.
    pub functions: usize,
    /// `workflows` per tenant: lists are answered whole.
    pub workflows: usize,
    /// `agents` per tenant: lists are answered whole.
    pub agents: usize,
    /// `secrets` per tenant: a list of their names stays short enough to look through.
    pub secrets: usize,
    /// `fuel` per attempt: about five seconds of compute.
    pub fuel: u64,
    /// `memory_bytes` per attempt, all memories together.
    pub memory_bytes: usize,
    /// `attempt_timeout`: what a step may ask for at most.
    pub attempt_timeout: Duration,
    /// `log_bytes` per attempt.
    pub log_bytes: usize,
    /// `execution_log_bytes`: what all attempts of an execution together may leave in the store; a loop may log for ever.
    pub execution_log_bytes: u64,
    /// `event_hops`: an event that so many events of workflows led to starts nothing, so that no circle goes on for ever.
    pub event_hops: u32,
    /// `webhook_deliveries` per tenant: so many are kept to be looked at and repeated; each may have a body of `payload_bytes`.
    pub webhook_deliveries: usize,
    /// `event_batch`: events in one request. All are in memory until the last one is kept.
    pub event_batch: usize,
    /// `executions_unfinished` per tenant, except the default one: each costs a place in memory or in the store.
    pub executions_unfinished: u64,
    /// `attempts_waiting` per tenant: a queue that only grows is answered before it is long.
    pub attempts_waiting: u64,
    /// `starts_per_second` per tenant, except the default one; twice as many at once.
    pub starts_per_second: u64,
    /// `stored_bytes` per tenant, except the default one.
    pub stored_bytes: u64,
    /// `retention_days` per tenant: what ended longer ago is forgotten, with its history and logs; events, too.
    pub retention: Duration,
    /// What quotas may raise these to.
    pub ceilings: Ceilings,
    /// Attempts at once.
    pub slots: Slots,
    /// From where on a full disk refuses work.
    pub disk: DiskMarks,
    /// How often, and how fast, everything in the store is read again.
    pub scrub: ScrubPace,
    /// How long a shutdown waits for running attempts.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            execution: ExecutionLimits::default(),
            component_bytes: 32 << 20,
            script_bytes: 1 << 20,
            definition_bytes: 1 << 20,
            functions: 1_000,
            workflows: 1_000,
            agents: 1_000,
            secrets: 1_000,
            fuel: 10_000_000_000,
            memory_bytes: 128 << 20,
            attempt_timeout: Duration::from_secs(60 * 60),
            log_bytes: 64 << 10,
            execution_log_bytes: 4 << 20,
            event_hops: 16,
            webhook_deliveries: 10_000,
            event_batch: 1_000,
            executions_unfinished: 100_000,
            attempts_waiting: 100_000,
            starts_per_second: 200,
            stored_bytes: 10 << 30,
            retention: Duration::from_secs(7 * 86_400),
            ceilings: Ceilings::default(),
            slots: Slots { total: 64, per_tenant: 64 },
            disk: DiskMarks::default(),
            scrub: ScrubPace::default(),
            grace: Duration::from_secs(30),
        }
    }
}
