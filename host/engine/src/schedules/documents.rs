//! What is kept of schedules: a document each, marks of firings that are not done, and lines of those that are.

use crate::Error;
use crate::admission::sha256;
use crate::ports::{DocumentKind, DocumentWrite, Expect};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stepwell_core::definition::{Catchup, Overlap, ScheduleTrigger, Workflow};
use stepwell_core::ids::{ExecutionId, is_valid_name};
use stepwell_core::schedule::Timetable;
use stepwell_core::time::Timestamp;

/// Between a workflow's id and that of its trigger: in no id, and as it is in an address.
const BETWEEN: char = '~';
/// Ends a schedule's id within a key.
const END: char = '\u{1}';

/// A schedule as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// Version of this form.
    v: u32,
    /// What it starts.
    pub workflow: String,
    /// Its place in `triggers`.
    pub trigger: usize,
    pub cron: String,
    pub timezone: String,
    pub catchup: Catchup,
    pub overlap: Overlap,
    /// Whether its workflow is.
    pub enabled: bool,
    /// All occurrences up to here are done with.
    pub cursor: Timestamp,
    /// Who stopped it for a while, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Paused {
    pub by: Option<String>,
    pub at: Timestamp,
}

impl Stored {
    /// What a definition makes of its schedule. What was known before is kept, unless it fires at other times now, or did not fire: then
    /// it begins now.
    pub fn of(workflow: &Workflow, trigger: &ScheduleTrigger, before: Option<&Self>, now: Timestamp) -> Self {
        let timezone = trigger.timetable.zone().name().to_owned();
        let goes_on = before.filter(|before| {
            (&before.cron, &before.timezone, before.enabled) == (&trigger.cron, &timezone, workflow.enabled)
        });
        Self {
            v: 1,
            workflow: workflow.id.clone(),
            trigger: trigger.at,
            cron: trigger.cron.clone(),
            timezone,
            catchup: trigger.catchup,
            overlap: trigger.overlap,
            enabled: workflow.enabled,
            cursor: goes_on.map_or(now, |before| before.cursor),
            paused: before.and_then(|before| before.paused.clone()),
        }
    }

    /// Whether occurrences fire.
    pub fn is_active(&self) -> bool {
        self.enabled && self.paused.is_none()
    }

    /// When it fires.
    pub fn timetable(&self) -> Result<Timetable, Error> {
        let timetable = Timetable::parse(&self.cron, &self.timezone);
        timetable.map_err(|refused| Error::broken("a stored schedule is refused", &refused.message))
    }

    /// The next occurrence that fires.
    pub fn next(&self) -> Result<Option<Timestamp>, Error> {
        if self.is_active() { Ok(self.timetable()?.next(self.cursor)) } else { Ok(None) }
    }
}

/// What makes an occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Cause {
    /// The clock.
    Schedule,
    /// Somebody who wants it for a span of the past.
    Backfill,
    /// Somebody who wants it now.
    Manual,
}

/// A firing that is durable and not done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub at: Timestamp,
    pub execution: ExecutionId,
    pub cause: Cause,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

impl Mark {
    /// Where it stands: the earliest occurrence first.
    pub fn key(&self, schedule: &str) -> String {
        format!("{}{:016x}{}", of_schedule(schedule), self.at.0, self.execution)
    }

    pub fn write(&self, schedule: &str) -> Result<DocumentWrite, Error> {
        put(DocumentKind::ScheduleMark, self.key(schedule), self, Expect::Anything)
    }

    /// It is done.
    pub fn removal(&self, schedule: &str) -> DocumentWrite {
        removal(DocumentKind::ScheduleMark, self.key(schedule))
    }
}

/// What came of an occurrence, as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line {
    /// RFC 3339.
    pub scheduled_at: String,
    /// `started`, `failed` or `skipped`.
    pub status: String,
    pub cause: Cause,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<ExecutionId>,
    /// Why it started nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When that was: RFC 3339.
    pub handled_at: String,
}

/// Why an occurrence started nothing.
pub(crate) struct Why {
    /// Stable code.
    pub code: String,
    /// For people.
    pub reason: String,
}

/// Longest reason of a line, bytes.
const REASON_BYTES: usize = 400;

impl Line {
    /// It was started.
    pub fn started(mark: &Mark, now: Timestamp) -> Self {
        let execution_id = Some(mark.execution);
        Self { execution_id, ..Self::other("started", mark, now) }
    }

    /// It was refused (P2).
    pub fn failed(mark: &Mark, now: Timestamp, why: Why) -> Self {
        Self::other("failed", mark, now).because(why)
    }

    /// It was left out.
    pub fn skipped(mark: &Mark, now: Timestamp, why: Why) -> Self {
        Self::other("skipped", mark, now).because(why)
    }

    fn other(status: &str, mark: &Mark, now: Timestamp) -> Self {
        Self {
            scheduled_at: mark.at.rfc3339(),
            status: status.to_owned(),
            cause: mark.cause,
            execution_id: None,
            code: None,
            reason: None,
            by: mark.by.clone(),
            handled_at: now.rfc3339(),
        }
    }

    fn because(self, Why { code, mut reason }: Why) -> Self {
        reason.truncate(reason.floor_char_boundary(REASON_BYTES));
        Self { code: Some(code), reason: Some(reason), ..self }
    }

    /// Among the lines of its schedule the newest come first.
    pub fn write(&self, schedule: &str, mark: &Mark, now: Timestamp) -> Result<DocumentWrite, Error> {
        let key = format!("{}{:016x}{:016x}{}", of_schedule(schedule), !now.0, !mark.at.0, mark.execution);
        put(DocumentKind::ScheduleLine, key, self, Expect::Anything)
    }
}

/// An execution that may still run.
pub(super) fn open_row(schedule: &str, execution: ExecutionId) -> DocumentWrite {
    let (kind, key) = (DocumentKind::ScheduleOpen, format!("{}{execution}", of_schedule(schedule)));
    DocumentWrite { kind, key, value: Some(Bytes::new()), expect: Expect::Anything }
}

/// The execution of such a row.
pub(super) fn opened(key: &str) -> Option<ExecutionId> {
    key.split_once(END)?.1.parse().ok()
}

/// The id of a trigger's schedule.
pub(crate) fn schedule_id(workflow: &str, trigger: &str) -> String {
    format!("{}{trigger}", of_workflow(workflow))
}

/// How the ids of all schedules of a workflow begin.
pub(crate) fn of_workflow(workflow: &str) -> String {
    format!("{workflow}{BETWEEN}")
}

/// Whether a text is spelt like a schedule's id.
pub(crate) fn is_schedule_id(text: &str) -> bool {
    text.split_once(BETWEEN).is_some_and(|(workflow, trigger)| is_valid_name(workflow) && is_valid_name(trigger))
}

/// The workflow and the trigger that an id names.
pub(super) fn parts(schedule: &str) -> (&str, &str) {
    schedule.split_once(BETWEEN).unwrap_or((schedule, ""))
}

/// How the keys of a schedule's marks and lines begin.
pub(super) fn of_schedule(schedule: &str) -> String {
    format!("{schedule}{END}")
}

/// The schedule whose mark this is.
pub(super) fn owner(key: &str) -> &str {
    key.split(END).next().unwrap_or_default()
}

/// The id of the execution that an occurrence starts: the same whenever it is started again (T12).
pub(super) fn execution_id(schedule: &str, at: Timestamp, again: &[u8]) -> ExecutionId {
    let hash = sha256(&[b"schedule", schedule.as_bytes(), &at.0.to_be_bytes(), again]);
    let mut random = [0; 10];
    random.iter_mut().zip(hash.0).for_each(|(byte, hashed)| *byte = hashed);
    ExecutionId::new(at.0, random)
}

pub(super) fn put(
    kind: DocumentKind,
    key: String,
    value: &impl Serialize,
    expect: Expect,
) -> Result<DocumentWrite, Error> {
    let value = serde_json::to_vec(value).map_err(|e| Error::broken("a schedule cannot be written", &e))?;
    Ok(DocumentWrite { kind, key, value: Some(value.into()), expect })
}

pub(super) fn removal(kind: DocumentKind, key: String) -> DocumentWrite {
    DocumentWrite { kind, key, value: None, expect: Expect::Anything }
}

pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|e| Error::broken("a schedule cannot be read", &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_keys_read_back_and_never_meet() {
        for (text, expected) in [
            ("a~0", true),
            ("a.b~x-1", true),
            ("a", false),
            ("~0", false),
            ("a~", false),
            ("a~0~1", false),
            ("a~ü", false),
        ] {
            assert_eq!(is_schedule_id(text), expected, "{text}");
        }
        assert_eq!(parts(&schedule_id("a.b", "c")), ("a.b", "c"));
        let execution = execution_id("a~0", Timestamp(5), b"");
        assert_eq!(execution, execution_id("a~0", Timestamp(5), b""));
        for other in [
            execution_id("a~1", Timestamp(5), b""),
            execution_id("a~0", Timestamp(6), b""),
            execution_id("a~0", Timestamp(5), b"x"),
        ] {
            assert_ne!(execution, other);
        }
        let mark = |at| Mark { at: Timestamp(at), execution, cause: Cause::Schedule, by: None };
        assert!(mark(9).key("a~0") < mark(10).key("a~0"), "the earliest occurrence first");
        assert_eq!(owner(&mark(9).key("a~0")), "a~0");
        assert!(!mark(9).key("a~01").starts_with(&of_schedule("a~0")));
        let line = |now| {
            let line = Line::started(&mark(9), Timestamp(now));
            line.write("a~0", &mark(9), Timestamp(now)).expect("writes").key
        };
        assert!(line(20) < line(19), "the newest first");
    }
}
