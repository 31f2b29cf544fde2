//! What a transition adds to what a tenant keeps. An estimate from above that costs nothing to make: nothing is read for it.
//!
//! Counted are journal lines, the records of executions that ended, definitions, events, approvals, logs and whatever else is written once;
//! what is replaced counts by the difference where the writer knew the old value. Not counted are marks, indexes and other documents
//! that come and go, deliveries of webhooks (they have a limit of their own), and what the store itself needs besides.

use crate::ports::{DocumentKind, DocumentWrite, Expect, RecordStatus, Transition};

/// What a line or a document takes beside its bytes: key, kind, version, checksum.
pub const FRAME: u64 = 64;

/// Bytes that a transition adds, and that it writes.
#[must_use]
pub fn weigh(transition: &Transition) -> (i64, u64) {
    let (mut added, mut written) = (0i64, 0u64);
    // The meters' own documents do not count: else each writing would lead to the next.
    let own = |document: &&DocumentWrite| matches!(document.kind, DocumentKind::Usage | DocumentKind::Meter);
    for document in transition.documents.iter().filter(|document| !own(document)) {
        added = added.saturating_add(kept(document));
        written = written.saturating_add(document.value.as_ref().map_or(0, |value| value.len() as u64));
    }
    let Some(claim) = &transition.execution else { return (added, written) };
    let lines: u64 = claim.journal.iter().map(|line| line.entry.len() as u64 + FRAME).sum();
    let record = claim.record.as_ref().map_or(0, |record| (record.body.len() + record.outline.len()) as u64);
    let ended = claim.record.as_ref().is_some_and(|record| {
        matches!(record.status, RecordStatus::Completed | RecordStatus::Failed | RecordStatus::Quarantined)
    });
    let stays = lines + if ended { record + FRAME } else { 0 };
    (added.saturating_add(signed(stays)), written.saturating_add(lines).saturating_add(record))
}

fn kept(document: &DocumentWrite) -> i64 {
    if !is_counted(document.kind) {
        return 0;
    }
    let new = document.value.as_ref().map_or(0, |value| value.len() as u64 + FRAME);
    let old = match &document.expect {
        Expect::Value(old) => old.len() as u64 + FRAME,
        Expect::Anything | Expect::Absent => 0,
    };
    signed(new) - signed(old)
}

/// Whether documents of this kind stay once they are written.
fn is_counted(kind: DocumentKind) -> bool {
    matches!(
        kind,
        DocumentKind::Workflow
            | DocumentKind::WorkflowRevision
            | DocumentKind::Function
            | DocumentKind::FunctionVersion
            | DocumentKind::Log
            | DocumentKind::Event
            | DocumentKind::EventKey
            | DocumentKind::EventByTime
            | DocumentKind::EventByType
            | DocumentKind::EventMatches
            | DocumentKind::EventOutcome
            | DocumentKind::EventEffect
            | DocumentKind::Secret
            | DocumentKind::Agent
    )
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use stepwell_core::ids::TenantId;

    fn of(kind: DocumentKind, value: Option<&'static str>, expect: Expect) -> (i64, u64) {
        let value = value.map(|text| Bytes::from_static(text.as_bytes()));
        let documents = vec![DocumentWrite { kind, key: "k".to_owned(), value, expect }];
        weigh(&Transition { tenant: TenantId::DEFAULT, execution: None, documents })
    }

    #[test]
    fn what_is_replaced_counts_by_the_difference_and_marks_do_not_count() {
        let old = || Expect::Value(Bytes::from_static(b"12345"));
        assert_eq!(of(DocumentKind::Secret, Some("1234567"), Expect::Absent), (71, 7));
        assert_eq!(of(DocumentKind::Secret, Some("1234567"), old()), (2, 7));
        assert_eq!(of(DocumentKind::Secret, None, old()), (-69, 0));
        assert_eq!(of(DocumentKind::EventPending, Some("1234567"), Expect::Anything), (0, 7));
    }
}
