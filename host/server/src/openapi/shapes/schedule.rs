//! Schedules.

use serde_json::Value;
use utoipa::ToSchema;

/// When a workflow starts by the clock.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Schedule {
    /// The workflow's id, `~`, and the trigger's `config.id` or place.
    pub id: String,
    /// Its workflow.
    pub workflow_id: String,
    /// Its place in `triggers`.
    pub trigger: u32,
    /// As it is written.
    pub cron: String,
    /// IANA name.
    pub timezone: String,
    /// What becomes of missed occurrences.
    pub catchup: String,
    /// What becomes of an occurrence while the one before still runs.
    pub overlap: String,
    /// Whether its workflow may start.
    pub enabled: bool,
    /// Whether somebody paused it.
    pub paused: bool,
    /// Who.
    #[schema(required = false)]
    pub paused_by: Option<String>,
    /// RFC 3339.
    #[schema(required = false)]
    pub paused_at: Option<String>,
    /// The next five occurrences, RFC 3339 in its zone.
    pub next_runs: Vec<String>,
    /// The latest ones, each with its execution or why it started nothing; not in lists.
    #[schema(required = false)]
    pub firings: Option<Vec<Value>>,
}

/// What a backfill starts.
#[derive(ToSchema)]
pub struct Backfilled {
    /// Occurrences in that span.
    pub occurrences: u32,
    /// Those of them that had not run.
    pub starting: u32,
    /// Each occurrence.
    pub items: Vec<Occurrence>,
}

/// One moment of a schedule.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Occurrence {
    /// RFC 3339.
    pub scheduled_at: String,
    /// Its execution.
    pub execution_id: String,
    /// Whether it ran before.
    pub already_ran: bool,
}
