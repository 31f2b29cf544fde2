//! The only writer. It takes what waits, writes it, waits for the disk once, answers all, and starts again: the next
//! batch grows while the disk is busy, so no timer is needed (`storage.md`, section 0.3).

use crate::durability::Durability;
use crate::erase::PreparedErasure;
use crate::head::Head;
use crate::holds::Held;
use crate::prepare::Prepared;
use crate::stage::{BATCH_TRANSITIONS, Stage};
use std::fs::File;
use std::sync::Arc;
use stepwell_engine::ports::{CommitError, Erased};
use tokio::sync::{mpsc, oneshot};

/// Groups that wait for the committer; who comes when it is full waits outside.
pub(crate) const QUEUE_GROUPS: usize = 1_024;

pub(crate) type Answers = Vec<Result<(), CommitError>>;

/// What one call of `commit` asks for.
pub(crate) struct Group {
    pub(crate) transitions: Vec<Result<Prepared, CommitError>>,
    pub(crate) answer: oneshot::Sender<Answers>,
}

/// What the writer is asked for.
pub(crate) enum Work {
    Commit(Group),
    Erase { erasure: PreparedErasure, answer: oneshot::Sender<Result<Erased, CommitError>> },
}

impl Work {
    fn transitions(&self) -> usize {
        match self {
            Self::Commit(group) => group.transitions.len(),
            Self::Erase { .. } => 1,
        }
    }
}

/// What is in a batch, and who waits for it.
enum Done {
    Committed(oneshot::Sender<Answers>, Answers),
    Erased(oneshot::Sender<Result<Erased, CommitError>>, Result<Erased, CommitError>),
}

impl Done {
    fn is_any_written(&self) -> bool {
        match self {
            Self::Committed(_, answers) => answers.iter().any(Result::is_ok),
            Self::Erased(_, answer) => answer.is_ok(),
        }
    }

    /// Whoever asked may have gone; it is written all the same.
    fn tell(self) {
        match self {
            Self::Committed(told, answers) => drop(told.send(answers)),
            Self::Erased(told, answer) => drop(told.send(answer)),
        }
    }
}

pub(crate) struct Committer {
    pub(crate) tree: sled::Db,
    /// Our own descriptor of sled's `db`.
    pub(crate) file: Arc<File>,
    pub(crate) durability: Durability,
    pub(crate) stage: Stage,
    pub(crate) head: Head,
    /// On the files that the batch refers to: given back when it is in the tree.
    pub(crate) held: Vec<Held>,
}

impl Committer {
    /// Until every sender is gone and the queue is empty.
    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Work>) {
        while let Some(first) = queue.blocking_recv() {
            let mut waiting = first.transitions();
            let mut works = vec![first];
            while waiting < BATCH_TRANSITIONS
                && let Ok(work) = queue.try_recv()
            {
                waiting += work.transitions();
                works.push(work);
            }
            self.commit(works);
        }
        if self.stage.count() {
            self.apply();
            self.durability.index(&self.tree, &self.file);
        }
        self.head.note(self.stage.commits());
    }

    fn commit(&mut self, works: Vec<Work>) {
        let mut done = Vec::with_capacity(works.len());
        for work in works {
            done.push(match work {
                Work::Commit(Group { transitions, answer }) => {
                    Done::Committed(answer, transitions.into_iter().map(|one| self.write(one?)).collect())
                }
                Work::Erase { erasure, answer } => Done::Erased(answer, self.erase(erasure)),
            });
        }
        let is_noted = self.head.is_due();
        let is_counted = is_noted && self.stage.count();
        self.apply();
        if is_counted || done.iter().any(Done::is_any_written) {
            self.durability.index(&self.tree, &self.file);
        }
        self.held.clear();
        for done in done {
            done.tell();
        }
        if is_noted {
            self.head.note(self.stage.commits());
        }
    }

    fn erase(&mut self, mut erasure: PreparedErasure) -> Result<Erased, CommitError> {
        self.held.append(&mut erasure.held);
        self.apply();
        self.stage.erase(erasure)
    }

    fn write(&mut self, mut transition: Prepared) -> Result<(), CommitError> {
        self.held.append(&mut transition.held);
        self.stage.add(transition)?;
        if self.stage.is_full() {
            self.apply();
        }
        Ok(())
    }

    /// A batch that sled refuses ends the process: what sled holds in memory then is unknown, and nothing of it was acknowledged.
    fn apply(&mut self) {
        let written = self.stage.apply();
        self.durability.written(written);
    }
}
