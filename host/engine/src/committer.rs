//! The single writer. It gathers what many executions want to commit and makes it durable with one wait for the disk; the next group
//! grows while the disk works. No timer: a lone transition goes at once.

use crate::ports::{CommitError, Store, StoreError, Transition};
use crate::supervisor::Supervisor;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Transitions of one group: sled is slower with larger batches (storage.md, decision 2.4).
const GROUP: usize = 128;
/// Transitions that wait. A full queue makes its writers wait; what may come in at all is admission's business.
const QUEUE: usize = 1_024;

type Waiting = (Transition, oneshot::Sender<Result<(), CommitError>>);

/// A handle on the writer.
#[derive(Clone)]
pub struct Committer {
    queue: mpsc::Sender<Waiting>,
}

impl Committer {
    /// Starts the writer. It ends when the last handle is dropped.
    #[must_use]
    pub fn start(store: Arc<dyn Store>, supervisor: &Supervisor) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        supervisor.spawn("committer", write(store, waiting));
        Self { queue }
    }

    /// Returns once the transition is durable, or refused.
    ///
    /// # Errors
    /// As [`Store::commit`]. If the writer is gone: unavailable.
    pub async fn commit(&self, transition: Transition) -> Result<(), CommitError> {
        let gone = || StoreError::Unavailable("the writer has stopped".to_owned());
        let (answer, answered) = oneshot::channel();
        self.queue.send((transition, answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

async fn write(store: Arc<dyn Store>, mut waiting: mpsc::Receiver<Waiting>) {
    let mut gathered = Vec::with_capacity(GROUP);
    while waiting.recv_many(&mut gathered, GROUP).await > 0 {
        let (group, answers): (Vec<_>, Vec<_>) = gathered.drain(..).unzip();
        let results = store.commit(group).await;
        for (answer, result) in answers.into_iter().zip(results) {
            let _ = answer.send(result); // nobody waits any more: the transition stands all the same
        }
    }
}
