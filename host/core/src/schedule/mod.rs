//! When a schedule fires: cron expressions with their POSIX meaning, in a time zone (semantics T6).
//!
//! The `cron` crate steps from one date to the next; around it stands what it does otherwise than POSIX: five fields, days of week from
//! Sunday = 0 to Sunday = 7, and either of two restricted days ([`Cron`]). It is asked in local time without any zone; what a zone makes
//! of local times that do not exist, or exist twice, is decided here ([`Timetable`]).

mod cron;
mod due;
mod field;
mod plan;
mod timetable;
mod zone;

#[cfg(test)]
mod tests;

pub use cron::{CRON_BYTES, Cron};
pub use due::{Due, Quiet, due};
pub use plan::{CATCHUP_OCCURRENCES, Moment, Plan, plan};
pub use timetable::Timetable;
pub use zone::Zone;

/// Why an expression or a zone is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// `invalid_cron`, `never_fires`, `unknown_timezone` or `too_large`.
    pub code: &'static str,
    /// What to write instead.
    pub message: String,
}

impl Refused {
    fn cron(message: impl Into<String>) -> Self {
        Self { code: "invalid_cron", message: message.into() }
    }
}
