//! How usage is told.

use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What a tenant has used, and what it may.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Used {
    /// The days that were asked for and on which something happened, the oldest first.
    pub items: Vec<UsedDay>,
    /// The sums of this month (UTC).
    pub month: UsedMonth,
    /// By the quota's name.
    pub quotas: BTreeMap<String, UsedQuota>,
}

/// The sums of a day.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct UsedDay {
    /// `2026-11-22`.
    pub day: String,
    /// Fuel of all attempts and calls.
    pub fuel: u64,
    /// The most memory of each attempt in mebibytes, times the seconds that it took.
    pub memory_seconds: f64,
    /// Attempts of steps, and direct calls.
    pub steps: u64,
    /// Executions that were started.
    pub executions: u64,
    /// Bytes that were written to the store.
    pub bytes: u64,
}

/// The sums of a month.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct UsedMonth {
    /// `2026-11`.
    pub month: String,
    /// As of a day.
    pub fuel: u64,
    /// As of a day.
    pub memory_seconds: f64,
    /// As of a day.
    pub steps: u64,
    /// As of a day.
    pub executions: u64,
    /// As of a day.
    pub bytes: u64,
}

/// A quota.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct UsedQuota {
    /// How much of it is used now.
    pub used: u64,
    /// The most that there may be; `null`: any.
    #[schema(required = true)]
    pub limit: Option<u64>,
}
