//! The only writer. It takes what waits, writes it, waits for the disk once, answers all, and starts again: the next
//! batch grows while the disk is busy, so no timer is needed (`storage.md`, section 0.3).

use crate::durability::Durability;
use crate::head::Head;
use crate::prepare::Prepared;
use crate::stage::{BATCH_TRANSITIONS, Stage};
use std::fs::File;
use std::sync::Arc;
use stepwell_engine::ports::CommitError;
use tokio::sync::{mpsc, oneshot};

/// Groups that wait for the committer; who comes when it is full waits outside.
pub(crate) const QUEUE_GROUPS: usize = 1_024;

pub(crate) type Answers = Vec<Result<(), CommitError>>;

/// What one call of `commit` asks for.
pub(crate) struct Group {
    pub(crate) transitions: Vec<Result<Prepared, CommitError>>,
    pub(crate) answer: oneshot::Sender<Answers>,
}

pub(crate) struct Committer {
    pub(crate) tree: sled::Db,
    /// Our own descriptor of sled's `db`.
    pub(crate) file: Arc<File>,
    pub(crate) durability: Durability,
    pub(crate) stage: Stage,
    pub(crate) head: Head,
}

impl Committer {
    /// Until every sender is gone and the queue is empty.
    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Group>) {
        while let Some(first) = queue.blocking_recv() {
            let mut waiting = first.transitions.len();
            let mut groups = vec![first];
            while waiting < BATCH_TRANSITIONS
                && let Ok(group) = queue.try_recv()
            {
                waiting += group.transitions.len();
                groups.push(group);
            }
            self.commit(groups);
        }
        self.head.note(self.stage.commits());
    }

    fn commit(&mut self, groups: Vec<Group>) {
        let mut answered = Vec::with_capacity(groups.len());
        for group in groups {
            let answers: Answers = group.transitions.into_iter().map(|transition| self.write(transition?)).collect();
            answered.push((group.answer, answers));
        }
        self.apply();
        if answered.iter().any(|(_, answers)| answers.iter().any(Result::is_ok)) {
            self.durability.index(&self.tree, &self.file);
        }
        for (answer, answers) in answered {
            // Whoever asked may have gone; the transition is written all the same.
            let _ = answer.send(answers);
        }
        self.head.reached(self.stage.commits());
    }

    fn write(&mut self, transition: Prepared) -> Result<(), CommitError> {
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
