//! What functions log. The lines of an attempt become durable in the transition that ends it, and a retried attempt's stay; an attempt
//! that logged nothing leaves nothing. Lines of attempts whose end came too late to count, or that were lost with the process, are not
//! kept, nor those of direct calls.

use crate::engine::Engine;
use crate::live::Live;
use crate::ports::{DocumentKind, DocumentWrite, ExecutionKey, Expect, LogLine, Page, StoreError};
use crate::{Error, sound};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use stepwell_core::execution::RunIx;
use stepwell_core::ids::TenantId;
use stepwell_core::time::Timestamp;

/// Most lines in one answer.
pub const LOGS_PAGE: usize = 1_000;
/// Attempts whose lines are in memory at once while a log is read: each has up to `log_bytes`.
const READ_AT_ONCE: usize = 8;

/// What an attempt logged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AttemptLog {
    step: String,
    run: u32,
    attempt: u32,
    /// When the attempt's end was recorded.
    at: Timestamp,
    lines: Vec<StoredLine>,
    /// The execution's log ends here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_last: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct StoredLine {
    level: String,
    message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fields: Vec<(String, String)>,
}

impl AttemptLog {
    /// `None` if it logged nothing.
    pub fn new(step: String, (run, attempt): (RunIx, u32), lines: Vec<LogLine>) -> Option<Self> {
        if lines.is_empty() {
            return None;
        }
        let stored =
            |line: LogLine| StoredLine { level: line.level.to_owned(), message: line.message, fields: line.fields };
        let lines = lines.into_iter().map(stored).collect();
        Some(Self { step, run: run.0, attempt, at: Timestamp(0), lines, is_last: false })
    }

    /// What stands in the place of the first lines that are too many.
    fn last(self, most: u64) -> Self {
        let message =
            format!("more was logged; the log of an execution has at most {most} bytes (limit `execution_log_bytes`)");
        let line = StoredLine { level: "warn".to_owned(), message, fields: Vec::new() };
        Self { lines: vec![line], is_last: true, ..self }
    }

    fn answer(&self, line: &StoredLine) -> Value {
        let fields: Map<String, Value> = line.fields.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
        json!({
            "at": self.at.rfc3339(), "step": self.step, "run": self.run, "attempt": self.attempt,
            "level": line.level, "message": line.message, "fields": fields,
        })
    }
}

/// How much an execution has logged; unknown until it logs for the first time in this process.
#[derive(Debug, Default)]
pub(crate) struct Logged(Mutex<Option<Total>>);

#[derive(Debug, Clone, Copy)]
pub(crate) enum Total {
    /// Bytes.
    Bytes(u64),
    /// More than it may.
    Full,
}

impl Logged {
    fn get(&self) -> Option<Total> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is durable.
    pub fn set(&self, total: Total) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(total);
    }
}

/// A place in a log: the journal line that ended an attempt, and the line of that attempt's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogPlace {
    entry: u32,
    line: usize,
}

impl fmt::Display for LogPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.entry, self.line)
    }
}

/// What is not the text of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a place in a log")]
pub struct NoPlace;

impl FromStr for LogPlace {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (entry, line) = text.split_once('.').ok_or(NoPlace)?;
        Ok(Self { entry: entry.parse().map_err(|_| NoPlace)?, line: line.parse().map_err(|_| NoPlace)? })
    }
}

/// A part of an execution's log.
#[derive(Debug)]
pub struct Logs {
    /// The lines as JSON: `{at, step, run, attempt, level, message, fields}`.
    pub items: Vec<Value>,
    /// Where the next part begins, if there is one.
    pub next: Option<LogPlace>,
}

impl Engine {
    /// The document for what an attempt logged, written with the journal line that ends it, and how much it is with all before.
    pub(crate) async fn log_document(
        &self,
        live: &Live,
        log: Option<AttemptLog>,
        (at, entry): (Timestamp, u32),
    ) -> Option<(DocumentWrite, Total)> {
        let log = AttemptLog { at, ..log? };
        let before = match live.logged.get() {
            Some(known) => known,
            None => self.logged_before(live.key).await.unwrap_or(Total::Bytes(0)),
        };
        let Total::Bytes(before) = before else { return None };
        let most = self.inner.limits.execution_log_bytes;
        let value = serde_json::to_vec(&log).ok()?;
        let total = before.saturating_add(value.len() as u64);
        let (value, total) = if total <= most {
            (value, Total::Bytes(total))
        } else {
            (serde_json::to_vec(&log.last(most)).ok()?, Total::Full)
        };
        let (key, value) = (key(live.key, entry), Some(Bytes::from(value)));
        Some((DocumentWrite { kind: DocumentKind::Log, key, value, expect: Expect::Anything }, total))
    }

    async fn logged_before(&self, execution: ExecutionKey) -> Result<Total, StoreError> {
        let (mut bytes, mut after) = (0, None);
        loop {
            let page = self.log_page(execution, after).await?;
            let is_end = page.len() < READ_AT_ONCE;
            for (_, value) in &page {
                if serde_json::from_slice(value).is_ok_and(|log: AttemptLog| log.is_last) {
                    return Ok(Total::Full);
                }
                bytes += value.len() as u64;
            }
            if is_end {
                return Ok(Total::Bytes(bytes));
            }
            after = page.into_iter().next_back().map(|(key, _)| key);
        }
    }

    async fn log_page(
        &self,
        execution: ExecutionKey,
        after: Option<String>,
    ) -> Result<Vec<(String, Bytes)>, StoreError> {
        let (prefix, page) = (format!("{}/", execution.id), Page { after, limit: READ_AT_ONCE });
        sound::listed(&*self.inner.ports.store, (execution.tenant, DocumentKind::Log), &prefix, page).await
    }

    /// What an execution's functions logged, of one step or of all, in the order in which their attempts ended.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn logs(
        &self,
        tenant: TenantId,
        (id, step): (&str, Option<&str>),
        (from, limit): (LogPlace, usize),
    ) -> Result<Logs, Error> {
        let (execution, durable) = self.durable_lines(tenant, id).await?;
        let limit = limit.clamp(1, LOGS_PAGE);
        let (mut items, mut after) = (Vec::new(), from.entry.checked_sub(1).map(|before| key(execution, before)));
        loop {
            let page = self.log_page(execution, after).await?;
            let is_end = page.len() < READ_AT_ONCE;
            for (key, value) in &page {
                let entry = entry(key);
                // A store may show it a moment before it is durable, as it may a journal line.
                if entry >= durable {
                    return Ok(Logs { items, next: None });
                }
                let read = serde_json::from_slice(value);
                let log: AttemptLog = read.map_err(|e| Error::broken("a log cannot be read", &e))?;
                if step.is_some_and(|step| step != log.step) {
                    continue;
                }
                let skipped = if entry == from.entry { from.line } else { 0 };
                for (line, stored) in log.lines.iter().enumerate().skip(skipped) {
                    if items.len() == limit {
                        return Ok(Logs { items, next: Some(LogPlace { entry, line }) });
                    }
                    items.push(log.answer(stored));
                }
            }
            if is_end {
                return Ok(Logs { items, next: None });
            }
            after = page.into_iter().next_back().map(|(key, _)| key);
        }
    }
}

/// How the keys of all logs of an execution begin.
pub(crate) fn of_execution(id: stepwell_core::ids::ExecutionId) -> String {
    format!("{id}/")
}

fn key(execution: ExecutionKey, entry: u32) -> String {
    format!("{}/{entry:010}", execution.id)
}

fn entry(key: &str) -> u32 {
    key.rsplit('/').next().and_then(|digits| digits.parse().ok()).unwrap_or(u32::MAX)
}
