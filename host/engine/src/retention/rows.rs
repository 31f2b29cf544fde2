//! Rows in the order of time: what ended when, what expires when.

use super::removal;
use crate::ports::{DocumentKind, DocumentWrite, Expect};
use bytes::Bytes;
use stepwell_core::execution::Execution;
use stepwell_core::ids::ExecutionId;
use stepwell_core::time::Timestamp;

/// An execution that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub at: Timestamp,
    pub id: ExecutionId,
    pub key: String,
}

impl Row {
    pub fn read(key: String) -> Option<Self> {
        let (at, id) = parts(&key)?;
        Some(Self { at, id: id.parse().ok()?, key })
    }

    pub fn removal(&self) -> DocumentWrite {
        removal(DocumentKind::Ended, self.key.clone())
    }
}

/// The moment and the name of a row.
pub(super) fn parts(key: &str) -> Option<(Timestamp, &str)> {
    let (at, name) = key.split_at_checked(16)?;
    Some((Timestamp(u64::from_str_radix(at, 16).ok()?), name))
}

fn row(kind: DocumentKind, at: Timestamp, name: &str) -> DocumentWrite {
    let (key, value) = (format!("{:016x}{name}", at.0), Some(Bytes::new()));
    DocumentWrite { kind, key, value, expect: Expect::Anything }
}

/// To write with an execution's end.
pub(crate) fn ended_row(next: &Execution) -> Option<DocumentWrite> {
    Some(row(DocumentKind::Ended, next.ended_at?, &next.id.to_string()))
}

/// To write with an idempotency key.
pub(crate) fn expiry_row(expires: Timestamp, hash: &str) -> DocumentWrite {
    row(DocumentKind::IdempotencyAge, expires, hash)
}

/// An execution that is being removed.
pub(super) fn execution_mark(id: ExecutionId) -> String {
    format!("x/{id}")
}

/// An event that is being removed.
pub(super) fn event_mark(id: &str) -> String {
    format!("e/{id}")
}

/// That something is being removed.
pub(super) fn mark(key: String) -> DocumentWrite {
    DocumentWrite { kind: DocumentKind::Erasing, key, value: Some(Bytes::new()), expect: Expect::Anything }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_back_and_the_oldest_comes_first() {
        let id = ExecutionId::new(1, [9; 10]);
        let key = |at| row(DocumentKind::Ended, Timestamp(at), &id.to_string()).key;
        assert!(key(255) < key(256));
        let read = Row::read(key(256)).expect("reads");
        assert_eq!((read.at, read.id, read.removal().key), (Timestamp(256), id, key(256)));
        for damaged in ["", "zz", "000000000000000g", &key(1)[..20]] {
            assert_eq!(Row::read(damaged.to_owned()), None, "{damaged}");
        }
    }
}
