//! The audit log's limit.

use super::*;
use crate::ports::{DocumentKind, Page};
use crate::{AUDIT_LINES, AuditLine, AuditQuery};

fn line(number: u64) -> AuditLine {
    AuditLine {
        at: Timestamp(number),
        subject: "ann".to_owned(),
        key: None,
        address: None,
        request: String::new(),
        action: "secret.put".to_owned(),
        target: number.to_string(),
        outcome: "done".to_owned(),
    }
}

async fn kept(engine: &Engine) -> Vec<String> {
    let (mut targets, mut before) = (Vec::new(), None);
    loop {
        let query = AuditQuery { before, since: None, action: None, subject: None, limit: 1_000 };
        let part = engine.changes(TENANT, &query).await.expect("reads");
        targets.extend(part.items.into_iter().map(|line| line.target));
        before = part.next;
        if before.is_none() {
            return targets;
        }
    }
}

#[test]
fn the_last_changes_are_kept_and_the_oldest_go() {
    let mut disk = Disk::new();
    let more = 7;
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        for number in 1..=AUDIT_LINES {
            engine.note_change(TENANT, line(number)).await.expect("noted");
        }
        let all = kept(&engine).await;
        assert_eq!(
            (all.len() as u64, all.last().map(String::as_str)),
            (AUDIT_LINES, Some("1")),
            "as many as there may be"
        );
    });
    // Also over a restart, which does not know the last number.
    disk.life(FakeRuntime::new(own_step), |engine| async move {
        for number in AUDIT_LINES + 1..=AUDIT_LINES + more {
            engine.note_change(TENANT, line(number)).await.expect("noted");
        }
        let all = kept(&engine).await;
        let newest = (AUDIT_LINES + more).to_string();
        assert_eq!((all.len() as u64, all.first()), (AUDIT_LINES, Some(&newest)));
        assert_eq!(all.last(), Some(&(more + 1).to_string()), "the oldest went");
        let page = Page { after: None, limit: usize::try_from(AUDIT_LINES).expect("small") + 100 };
        let stored =
            engine.inner.ports.store.documents(TENANT, DocumentKind::AuditLine, "", page).await.expect("reads");
        assert_eq!(stored.len() as u64, AUDIT_LINES, "nothing of them is left");
    });
}
