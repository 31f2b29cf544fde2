//! The audit log: who changed what, from where, with what outcome. Every tenant has its own; a line is durable before the change is
//! answered.
//!
//! Lines are numbered. The newest is first in the order of the keys, and each new one takes the place of the one that is too old
//! ([`AUDIT_LINES`]), in the same commit: nothing is counted and nothing is swept.

use crate::engine::Engine;
use crate::ports::{CommitError, DocumentKind, DocumentWrite, Expect, Page, Transition};
use crate::{Error, sound};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use stepwell_core::ids::TenantId;
use stepwell_core::time::Timestamp;

/// `audit_lines` of a tenant: a year of some thirty changes a day; each takes a few hundred bytes.
pub const AUDIT_LINES: u64 = 10_000;
/// Lines that one question looks at.
const LOOKS: usize = 1_000;
/// Longest text of a line, bytes.
const TEXT_BYTES: usize = 512;
/// How often a number is looked for when others write at the same time.
const TRIES: u32 = 8;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditLine {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub subject: String,
    /// With which key; the operator's own, and a link, have none.
    pub key: Option<String>,
    /// From which address, if it is known.
    pub address: Option<String>,
    /// In which request.
    pub request: String,
    /// What: a word with a dot in it.
    pub action: String,
    /// To what.
    pub target: String,
    /// `done`, or the code of an error after which nobody knows.
    pub outcome: String,
}

/// Which lines.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// Not before.
    pub since: Option<Timestamp>,
    /// This action, or all that begin with it and a dot.
    pub action: Option<String>,
    /// This subject.
    pub subject: Option<String>,
    /// Only those before this one.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// A part of the log.
#[derive(Debug, Clone)]
pub struct AuditPart {
    /// The newest first.
    pub items: Vec<AuditLine>,
    /// Before which line to go on.
    pub next: Option<u64>,
}

impl AuditQuery {
    fn takes(&self, line: &AuditLine) -> bool {
        let of_action = |wanted: &String| {
            line.action.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.action.as_ref().is_none_or(of_action)
            && self.subject.as_ref().is_none_or(|subject| *subject == line.subject)
    }
}

/// The last number of each tenant's log, where it is known.
#[derive(Default)]
pub(crate) struct Audit(Mutex<HashMap<TenantId, u64>>);

impl Audit {
    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Notes a change in a tenant's log; on return it is durable.
    ///
    /// # Errors
    /// The store's.
    pub async fn note_change(&self, tenant: TenantId, mut line: AuditLine) -> Result<(), Error> {
        for text in [&mut line.subject, &mut line.target, &mut line.request] {
            text.truncate(text.floor_char_boundary(TEXT_BYTES));
        }
        let value =
            serde_json::to_vec(&line).map_err(|e| Error::broken("a line of the audit log cannot be written", &e))?;
        let value = Bytes::from(value);
        for _ in 0..TRIES {
            let number = self.next_change(tenant).await?;
            let change = |number, value, expect| DocumentWrite {
                kind: DocumentKind::AuditLine,
                key: key(number),
                value,
                expect,
            };
            let mut documents = vec![change(number, Some(value.clone()), Expect::Absent)];
            let old = number.checked_sub(AUDIT_LINES).filter(|old| *old > 0);
            documents.extend(old.map(|old| change(old, None, Expect::Anything)));
            match self.inner.committer.commit(Transition { tenant, execution: None, documents }).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Unexpected { .. }) => drop(self.inner.audit.lock().remove(&tenant)),
                Err(other) => return Err(other.into()),
            }
        }
        Err(Error::Unavailable("many changes are being noted".to_owned()))
    }

    /// The next number; from 1.
    async fn next_change(&self, tenant: TenantId) -> Result<u64, Error> {
        let next = |last: &mut u64| {
            *last += 1;
            *last
        };
        if let Some(last) = self.inner.audit.lock().get_mut(&tenant) {
            return Ok(next(last));
        }
        let page = Page { after: None, limit: 1 };
        let newest = self.inner.ports.store.documents(tenant, DocumentKind::AuditLine, "", page).await?;
        let stored = newest.first().and_then(|(key, _)| number(key)).unwrap_or(0);
        Ok(next(self.inner.audit.lock().entry(tenant).or_insert(stored)))
    }

    /// Changes of a tenant, the newest first. One call looks at no more than a thousand lines: it may show fewer than there are, and none,
    /// and still say where to go on.
    ///
    /// # Errors
    /// The store's.
    pub async fn changes(&self, tenant: TenantId, query: &AuditQuery) -> Result<AuditPart, Error> {
        let page = Page { after: query.before.map(key), limit: LOOKS };
        let found = sound::listed(&*self.inner.ports.store, (tenant, DocumentKind::AuditLine), "", page).await?;
        let (mut items, looked) = (Vec::new(), found.len());
        let mut last = query.before;
        for (key, bytes) in found {
            if items.len() >= query.limit {
                return Ok(AuditPart { items, next: last });
            }
            let line: AuditLine = serde_json::from_slice(&bytes)
                .map_err(|e| Error::broken("a line of the audit log cannot be read", &e))?;
            if query.since.is_some_and(|since| line.at < since) {
                return Ok(AuditPart { items, next: None });
            }
            last = number(&key);
            items.extend(query.takes(&line).then_some(line));
        }
        Ok(AuditPart { items, next: last.filter(|_| looked == LOOKS) })
    }
}

/// The newest first.
fn key(number: u64) -> String {
    format!("{:016x}", u64::MAX - number)
}

fn number(key: &str) -> Option<u64> {
    u64::from_str_radix(key, 16).ok().map(|turned| u64::MAX - turned)
}
