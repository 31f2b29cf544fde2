//! What one tenant may use. A number that is not set is the server's default (`limits.md`); none is above the operator's ceiling.

use serde::{Deserialize, Serialize};

/// The numbers of a tenant that differ from the defaults, by the names of the limits page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields, default)]
pub struct Quotas {
    /// Its share of the processors when several tenants want them: 1 to 100, by default 1. Twice the weight is twice the fuel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Attempts that run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts_running: Option<u64>,
    /// Attempts that wait for their turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts_waiting: Option<u64>,
    /// Executions that have not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executions_unfinished: Option<u64>,
    /// Starts per second; twice as many at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_per_second: Option<u64>,
    /// Bytes of one component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component_bytes: Option<u64>,
    /// Functions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub functions: Option<u64>,
    /// Workflows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflows: Option<u64>,
    /// Bytes in the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_bytes: Option<u64>,
    /// Bytes of an input, a result, an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_bytes: Option<u64>,
    /// Fuel of all attempts of a calendar month (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel_per_month: Option<u64>,
    /// Fuel of one attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Memory of one attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Wall time of one attempt, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt_timeout_ms: Option<u64>,
    /// Days for which executions that have ended, and events, are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u64>,
    /// Executions that have ended and are kept at most: the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_executions: Option<u64>,
    /// Bytes of log of one attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_bytes: Option<u64>,
}
