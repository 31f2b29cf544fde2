//! The shell round the core: it admits starts, commits what the core decides, gives turns, and calls functions.
//!
//! The way of a request: [`admission`] makes a start durable; the core decides; [`committer`] writes; [`scheduler`] gives turns;
//! [`attempt`] calls the function through the runtime port and reports back, and so on until the execution ends.

mod admission;
mod admitting;
mod answers;
mod approvals;
mod attempt;
mod audit;
mod callbacks;
mod children;
mod codec;
mod committer;
mod configuration;
mod control;
mod drive;
mod engine;
mod error;
mod events;
mod followers;
mod following;
mod granting;
mod held;
mod host;
mod key_value;
mod keys;
mod limits;
mod links;
mod lists;
mod live;
mod logs;
mod metering;
mod meters;
mod notices;
mod parking;
mod passes;
mod places;
mod policies;
mod query;
mod quotas;
mod records;
mod recovery;
mod registry;
mod retention;
mod room;
mod rousing;
mod rows;
mod scheduler;
mod schedules;
pub mod schema;
mod scrub;
mod secrets;
mod sound;
mod starting;
mod subscriptions;
mod supervisor;
mod tenant_limits;
mod tenants;
mod timers;
mod tokens;
mod waiters;
mod wakes;
mod webhooks;

#[cfg(any(test, feature = "testing"))]
pub mod contract;
#[cfg(any(test, feature = "testing"))]
pub mod fakes;
#[cfg(any(test, feature = "testing"))]
pub mod fuzzing;
pub mod inspect;
pub mod ports;

#[cfg(test)]
mod tests;

pub use admission::{Start, StartRequest};
pub use answers::{BY_BYTES, COMMENT_BYTES};
pub use approvals::{ApprovalRequest, Approvals, is_approval_id};
pub use audit::{AUDIT_LINES, AuditLine, AuditPart, AuditQuery};
pub use configuration::{CONFIG_BYTES, CONFIG_PAGE, ConfigText, Configuration};
pub use control::{Control, RerunRequest};
pub use engine::{Engine, Ports};
pub use error::Error;
pub use events::{EventPart, EventQuery, NewEvent, Publication};
pub use following::{Followed, Following};
pub use key_value::{
    KV_KEY_BYTES, KV_PAGE, KV_VALUE_BYTES, KeyPart, KeyValueEntry, KeyValueLimits, KeyValues, ValueFacts,
};
pub use keys::{KeyFacts, KeyHolder, KeyPage, Keys, NewKey, Scope};
pub use limits::Limits;
pub use links::{ApprovalLink, LinkedAnswer, LinkedApproval};
pub use lists::{Executions, ListRequest, ShownStatus};
pub use logs::{LOGS_PAGE, LogPlace, Logs};
pub use policies::Policies;
pub use query::{HISTORY_PAGE, History};
pub use quotas::Quotas;
pub use registry::{
    AGENT_BYTES, Agent, Deployed, Function, FunctionGrants, Imports, Precondition, Put, Registry, RevisionPage,
    StoredWorkflow, Upload, Validation, VersionPage, Versions,
};
pub use room::{DiskMarks, Need, Room};
pub use scheduler::Slots;
pub use schedules::{Backfill, Backfilled, ScheduleQuery, Schedules};
pub use scrub::{ScrubPace, ScrubReport};
pub use secrets::{
    Keyring, KeyringError, NoKey, SECRET_BYTES, SECRETS_PAGE, SealingKey, SecretFacts, SecretList, Secrets,
};
pub use tenant_limits::{Allowances, Ceilings, TenantLimits};
pub use tenants::{NewTenant, SUSPENDED, Tenant, TenantChange, TenantStatus, Tenants};
pub use webhooks::{
    DeliveryPart, DeliveryQuery, DeliveryStatus, Incoming, Received, Route, Unreadable, Unsigned, Webhook,
    is_delivery_id,
};
