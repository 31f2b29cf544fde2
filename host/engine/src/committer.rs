//! The single writer. It gathers what many executions want to commit and makes it durable with one wait for the disk; the next group
//! grows while the disk works. No timer: a lone transition goes at once.

use crate::meters::weigh;
use crate::ports::{CommitError, Store, StoreError, Transition};
use crate::supervisor::Supervisor;
use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use stepwell_core::ids::TenantId;
use tokio::sync::{mpsc, oneshot};

/// Transitions of one group: sled is slower with larger batches (storage.md, decision 2.4).
const GROUP: usize = 128;
/// Transitions that wait. A full queue makes its writers wait; what may come in at all is admission's business.
const QUEUE: usize = 1_024;

/// What follows from a commit, whether or not somebody still waits for the answer.
pub type Then = Box<dyn FnOnce() + Send>;

/// Is told what each tenant has written: bytes that it keeps more, and bytes in all.
pub type Wrote = Arc<dyn Fn(TenantId, (i64, u64)) + Send + Sync>;

/// What the writer is asked for.
struct Waiting {
    /// `None`: only an answer, once all that was asked for before is done.
    transition: Option<Transition>,
    then: Option<Then>,
    answer: oneshot::Sender<Result<(), CommitError>>,
}

/// A handle on the writer.
#[derive(Clone)]
pub struct Committer {
    queue: mpsc::Sender<Waiting>,
    excluded: Excluded,
}

/// Tenants that are gone.
type Excluded = Arc<RwLock<HashSet<TenantId>>>;

impl Committer {
    /// Starts the writer. It ends when the last handle is dropped.
    #[must_use]
    pub fn start(store: Arc<dyn Store>, supervisor: &Supervisor, wrote: Wrote) -> Self {
        let ((queue, waiting), excluded) = (mpsc::channel(QUEUE), Excluded::default());
        supervisor.spawn("committer", write(store, waiting, (Arc::clone(&excluded), wrote)));
        Self { queue, excluded }
    }

    /// From now on nothing is written for this tenant: what is asked for is refused. What was asked for before is done, or refused, once
    /// [`Committer::settled`] returns.
    pub fn exclude(&self, tenant: TenantId) {
        self.excluded.write().unwrap_or_else(PoisonError::into_inner).insert(tenant);
    }

    /// Returns once the transition is durable, or refused.
    ///
    /// # Errors
    /// As [`Store::commit`]. If the writer is gone: unavailable.
    pub async fn commit(&self, transition: Transition) -> Result<(), CommitError> {
        self.ask(Some(transition), None).await
    }

    /// As [`Committer::commit`]. `then` is done once the transition is durable, even if the caller has gone away in the meantime, as one does
    /// whose client hung up.
    ///
    /// # Errors
    /// As [`Committer::commit`].
    pub async fn commit_then(&self, transition: Transition, then: Then) -> Result<(), CommitError> {
        self.ask(Some(transition), Some(then)).await
    }

    /// How many transitions wait for the writer.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity().saturating_sub(self.queue.capacity())
    }

    /// Returns once all that was committed before, and what follows from it, is done.
    pub async fn settled(&self) {
        // An error means that the writer is gone, and nothing follows any more.
        let _ = self.ask(None, None).await;
    }

    async fn ask(&self, transition: Option<Transition>, then: Option<Then>) -> Result<(), CommitError> {
        let gone = || StoreError::Unavailable("the writer has stopped".to_owned());
        let (answer, answered) = oneshot::channel();
        self.queue.send(Waiting { transition, then, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// What becomes of one that waits.
enum Fate {
    /// It is in the group.
    Written(TenantId, (i64, u64)),
    /// It asked for an answer only.
    Heard,
    /// Its tenant is gone.
    Refused,
}

async fn write(store: Arc<dyn Store>, mut waiting: mpsc::Receiver<Waiting>, (excluded, wrote): (Excluded, Wrote)) {
    let mut gathered = Vec::with_capacity(GROUP);
    while waiting.recv_many(&mut gathered, GROUP).await > 0 {
        let (mut group, mut asked) = (Vec::with_capacity(gathered.len()), Vec::with_capacity(gathered.len()));
        for Waiting { transition, then, answer } in gathered.drain(..) {
            let fate = match transition {
                None => Fate::Heard,
                Some(transition) if is_excluded(&excluded, transition.tenant) => Fate::Refused,
                Some(transition) => {
                    let fate = Fate::Written(transition.tenant, weigh(&transition));
                    group.push(transition);
                    fate
                }
            };
            asked.push((fate, then, answer));
        }
        let mut results = if group.is_empty() { Vec::new() } else { store.commit(group).await }.into_iter();
        for (fate, then, answer) in asked {
            let result = match fate {
                Fate::Written(..) => results.next(),
                Fate::Heard => Some(Ok(())),
                Fate::Refused => Some(Err(CommitError::Invalid("the tenant is deleted"))),
            };
            let Some(result) = result else { continue }; // whoever waits is told that there is no answer
            if let (Ok(()), Fate::Written(tenant, weight)) = (&result, fate) {
                wrote(tenant, weight);
            }
            if let (Ok(()), Some(then)) = (&result, then) {
                then();
            }
            let _ = answer.send(result); // nobody waits any more: the transition stands all the same
        }
    }
}

fn is_excluded(excluded: &Excluded, tenant: TenantId) -> bool {
    excluded.read().unwrap_or_else(PoisonError::into_inner).contains(&tenant)
}
