//! Entries that wait for their commit: what effect-free functions returned is written together with the next entry that must wait for the
//! disk, and until then nothing leaves the process that depends on it (`storage.md`, decision 4; architecture, section 3).

use crate::engine::Engine;
use crate::live::Live;
use crate::ports::{Claim, DocumentWrite, Line, Transition};
use std::sync::Arc;

/// Entries that wait at most.
const HELD_ENTRIES: usize = 64;
/// Bytes of entries and of what is written with them that wait at most; one that is larger does not wait.
const HELD_BYTES: usize = 1 << 20;
/// The first of them waits at most so many milliseconds, so that whoever looks on sees a long computation go on.
pub(crate) const HELD_MS: u64 = 50;

/// What waits of one execution.
#[derive(Debug, Default)]
pub struct Held {
    lines: Vec<Line>,
    documents: Vec<DocumentWrite>,
    bytes: usize,
}

impl Held {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// One more. It has one line, no record, and documents that nothing before it names.
    pub fn add(&mut self, transition: Transition) {
        let lines = transition.execution.map(|claim| claim.journal).unwrap_or_default();
        self.bytes += lines.iter().map(|line| line.entry.len()).sum::<usize>();
        self.bytes += transition.documents.iter().filter_map(|write| Some(write.value.as_ref()?.len())).sum::<usize>();
        self.lines.extend(lines);
        self.documents.extend(transition.documents);
    }

    /// Whether nothing more may wait.
    pub fn is_full(&self) -> bool {
        self.lines.len() >= HELD_ENTRIES || self.bytes >= HELD_BYTES
    }

    /// All of it, written before what this transition writes.
    pub fn before(&mut self, mut transition: Transition) -> Transition {
        let Self { mut lines, mut documents, .. } = std::mem::take(self);
        if let Some(claim) = &mut transition.execution {
            lines.append(&mut claim.journal);
            claim.journal = lines;
        }
        documents.append(&mut transition.documents);
        Transition { documents, ..transition }
    }

    /// All of it, with nothing behind it.
    pub fn take(&mut self, live: &Live) -> Transition {
        let claim = Claim { id: live.key.id, lease: live.lease, journal: Vec::new(), record: None };
        self.before(Transition { tenant: live.key.tenant, execution: Some(claim), documents: Vec::new() })
    }
}

impl Engine {
    /// Returns once all that has happened to the execution so far is durable. False: it is somebody else's, or was set aside.
    pub(crate) async fn settle(&self, live: &Arc<Live>) -> bool {
        let mut held = live.changing.lock().await;
        held.is_empty() || self.commit_held(live, &mut held).await
    }

    /// Makes durable what waits.
    pub(crate) async fn commit_held(&self, live: &Arc<Live>, held: &mut Held) -> bool {
        let transition = held.take(live);
        if !self.commit(live, transition).await {
            return false;
        }
        live.advance(live.head(), None);
        self.inner.followers.tell(live.key);
        true
    }

    /// All executions: what they have computed need not be computed again.
    pub(crate) async fn settle_all(&self) {
        for live in self.inner.live.all() {
            self.settle(&live).await;
        }
    }
}
