//! Entries that wait for their commit: what effect-free functions returned is written together with the next entry that must wait for the
//! disk, and until then nothing leaves the process that depends on it (`storage.md`, decision 4; architecture, section 3).

use crate::engine::Engine;
use crate::live::Live;
use crate::meters::Seat;
use crate::ports::{Claim, CommitError, DocumentWrite, Line, Record, StoreError, Transition};
use crate::timers::Wake;
use std::sync::Arc;
use stepwell_core::execution::{Command, Execution};
use tokio::sync::oneshot;

/// Entries that wait at most.
const HELD_ENTRIES: usize = 64;
/// Bytes of entries and of what is written with them that wait at most; one that is larger does not wait.
const HELD_BYTES: usize = 1 << 20;
/// The first of them waits at most so many milliseconds, so that whoever looks on sees a long computation go on.
pub(crate) const HELD_MS: u64 = 50;

/// What waits of one execution.
#[derive(Default)]
pub struct Held {
    lines: Vec<Line>,
    documents: Vec<DocumentWrite>,
    bytes: usize,
    /// The record of a start that waits, unless a later one replaces it.
    record: Option<Record>,
    start: Option<HeldStart>,
}

/// Tells whoever waits for a start what became of it.
type Told = oneshot::Sender<Result<Arc<Live>, CommitError>>;

/// A start that waits.
pub struct HeldStart {
    seat: Arc<Seat>,
    told: Told,
}

/// A start that is durable now. Dropping it tells whoever waits for that, once what they may see is up to date.
pub struct Born(Option<(Arc<Live>, Told)>);

impl Drop for Born {
    fn drop(&mut self) {
        if let Some((live, told)) = self.0.take() {
            let _ = told.send(Ok(live)); // whoever started it may have gone
        }
    }
}

impl Held {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// One more. It has one line, documents that nothing before it names, and a record only if it is a start.
    pub fn add(&mut self, transition: Transition) {
        let (lines, record) = transition.execution.map(|claim| (claim.journal, claim.record)).unwrap_or_default();
        self.record = record.or(self.record.take());
        self.bytes += lines.iter().map(|line| line.entry.len()).sum::<usize>();
        self.bytes += transition.documents.iter().filter_map(|write| Some(write.value.as_ref()?.len())).sum::<usize>();
        self.lines.extend(lines);
        self.documents.extend(transition.documents);
    }

    /// Whether nothing more may wait.
    pub fn is_full(&self) -> bool {
        self.lines.len() >= HELD_ENTRIES || self.bytes >= HELD_BYTES
    }

    /// All of it, written before what this transition writes; and whose start is in it.
    pub fn before(&mut self, mut transition: Transition) -> (Transition, Option<HeldStart>) {
        let Self { mut lines, mut documents, record, start, .. } = std::mem::take(self);
        if let Some(claim) = &mut transition.execution {
            lines.append(&mut claim.journal);
            claim.journal = lines;
            claim.record = claim.record.take().or(record);
        }
        documents.append(&mut transition.documents);
        (Transition { documents, ..transition }, start)
    }

    /// All of it, with nothing behind it.
    fn take(&mut self, live: &Live) -> (Transition, Option<HeldStart>) {
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
        let (transition, start) = held.take(live);
        let Some(born) = self.commit_with(live, transition, start).await else { return false };
        live.advance(live.head(), None);
        drop(born);
        self.inner.followers.tell(live.key);
        true
    }

    /// Commits; if a start is in it, whoever waits for that is told what became of it. `None`: it can never be written here.
    pub(crate) async fn commit_with(
        &self,
        live: &Arc<Live>,
        transition: Transition,
        start: Option<HeldStart>,
    ) -> Option<Born> {
        let Some(HeldStart { seat, told }) = start else {
            return self.commit(live, transition).await.then_some(Born(None));
        };
        let born = match self.commit_first(live, transition.clone()).await {
            Ok(()) => Born(Some((Arc::clone(live), told))),
            Err(error) => {
                let may_be_there = matches!(error, CommitError::Store(_));
                let _ = told.send(Err(error)); // whoever started it may have gone
                if !may_be_there {
                    // Nobody has been told of it, and nothing that it did can be seen: it has never been.
                    self.let_go(live);
                    return None;
                }
                // Its caller knows nothing, and may repeat it; if it was written it must go on.
                if !self.commit_after((live, true), transition).await {
                    return None;
                }
                Born(None)
            }
        };
        seat.keep(self.now());
        Some(born)
    }

    /// Commits what begins an execution. The store is asked once more, but not for ever: the caller may repeat the start.
    async fn commit_first(&self, live: &Arc<Live>, transition: Transition) -> Result<(), CommitError> {
        match self.inner.committer.commit(transition.clone()).await {
            Err(CommitError::Store(_)) => match self.inner.committer.commit(transition.clone()).await {
                Err(CommitError::Conflict { .. } | CommitError::Unexpected { .. })
                    if self.is_written(live, &transition).await =>
                {
                    Ok(())
                }
                other => other,
            },
            other => other,
        }
    }

    /// Begins an execution whose start waits for its commit. Returns once that is done. If nobody else has the execution any more, as when
    /// its tenant is deleted meanwhile, nobody is left who could tell, and it has never been.
    ///
    /// # Errors
    /// The store's: then it has never been.
    pub(crate) async fn start_held(
        &self,
        live: Arc<Live>,
        (next, transition): (Execution, Transition),
        (commands, seat): (&[Command], Arc<Seat>),
    ) -> Result<Arc<Live>, CommitError> {
        let (told, answer) = oneshot::channel();
        {
            let mut held = live.changing.lock().await;
            held.add(transition);
            held.start = Some(HeldStart { seat, told });
            live.hold_start(next);
            self.inner.live.insert(Arc::clone(&live));
        }
        self.inner.timers.add(self.now().plus(HELD_MS), Wake::Settle(live.key));
        self.carry_out(&live, commands);
        drop(live);
        answer.await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable("the start was given up; the server's log says why".to_owned()).into())
        })
    }

    /// All executions: what they have computed need not be computed again.
    pub(crate) async fn settle_all(&self) {
        for live in self.inner.live.all() {
            self.settle(&live).await;
        }
    }
}
