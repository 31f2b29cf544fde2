//! Lays the state of an execution over the picture of its workflow.

use super::model::{Figure, Progress, Status, Story};
use crate::time::Timestamp;
use serde::Deserialize;
use std::collections::HashMap;

/// As much of an execution's answer (http-api.md section 1) as a picture shows.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// `exec-...`
    pub execution_id: String,
    /// Its workflow.
    pub workflow_id: String,
    /// Its workflow's revision.
    pub revision: u32,
    status: String,
    state: String,
    started_at: String,
    ended_at: Option<String>,
    error: Option<String>,
    error_details: Option<Reason>,
    #[serde(default)]
    handled_errors: Vec<Reason>,
    #[serde(default)]
    steps: HashMap<String, StepAnswer>,
}

#[derive(Debug, Clone, Deserialize)]
struct Reason {
    code: String,
    message: String,
    step: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StepAnswer {
    status: Status,
    #[serde(default)]
    attempts: u64,
    #[serde(default)]
    runs: u64,
    iterations: Option<u64>,
    outcome: Option<bool>,
    started_at: Option<String>,
    ended_at: Option<String>,
}

impl Answer {
    /// What stands above its pictures.
    #[must_use]
    pub fn story(&self, now: Timestamp) -> Story {
        Story {
            id: self.execution_id.clone(),
            status: self.status.clone(),
            state: self.state.clone(),
            started_at: self.started_at.clone(),
            duration_ms: lasted(Some(&self.started_at), self.ended_at.as_ref(), now).unwrap_or(0),
            error: self.error.clone(),
        }
    }

    /// Puts the state of each step into the picture of its workflow's revision. `now`: for what is still under way.
    pub fn onto(&self, figure: &mut Figure, now: Timestamp) {
        figure.execution = Some(self.story(now));
        let reasons = self.handled_errors.iter().chain(&self.error_details);
        let reasons: HashMap<&str, &Reason> =
            reasons.filter_map(|reason| Some((reason.step.as_deref()?, reason))).collect();
        for shape in &mut figure.steps {
            let Some(step) = self.steps.get(&shape.id) else { continue };
            let reason = reasons.get(shape.id.as_str()).filter(|_| step.status == Status::Failed);
            shape.progress = Some(Progress {
                status: step.status,
                attempts: step.attempts,
                runs: step.runs,
                iterations: step.iterations,
                outcome: step.outcome,
                duration_ms: lasted(step.started_at.as_ref(), step.ended_at.as_ref(), now),
                error: reason.map(|reason| format!("{}: {}", reason.code, reason.message)),
            });
        }
    }
}

fn lasted(from: Option<&String>, to: Option<&String>, now: Timestamp) -> Option<u64> {
    let from = moment(from?)?;
    Some(to.and_then(|to| moment(to)).unwrap_or(now).since(from))
}

/// A moment as [`Timestamp::rfc3339`] writes it.
fn moment(text: &str) -> Option<Timestamp> {
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let ms = ((part(11, 13)? * 60 + part(14, 16)?) * 60 + part(17, 19)?) * 1_000 + part(20, 23)?;
    Some(Timestamp(day_number(year, month, day)?.checked_mul(86_400_000)?.checked_add(ms)?))
}

/// Days since 1970 (Howard Hinnant's `days_from_civil`).
fn day_number(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
    (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_they_are_written() {
        for ms in [0, 951_782_400_000, 1_795_305_599_999, 4_107_542_400_000] {
            assert_eq!(moment(&Timestamp(ms).rfc3339()), Some(Timestamp(ms)));
        }
        for text in ["", "1970-01-01", "0000-00-00T00:00:00.000Z", "é970-01-01T00:00:00.000Z"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }
}
