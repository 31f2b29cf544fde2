//! Removing executions from the memory, with the same faults as any other commit.

use super::{Disk, Fate, MemoryStore};
use crate::ports::{CommitError, Erased, Erasure, ExecutionKey, Record, RecordStatus};

impl MemoryStore {
    pub(super) async fn erase_one(&self, erasure: Erasure) -> Result<Erased, CommitError> {
        let answer = self.alive(|disk| {
            let answer = disk.erase(erasure);
            if answer.is_none() {
                // Under the lock, so that nothing is written after the fault.
                self.crash();
            }
            answer
        });
        match answer.await {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }
}

impl Disk {
    /// `None`: the host died.
    fn erase(&mut self, erasure: Erasure) -> Option<Result<Erased, CommitError>> {
        let key = ExecutionKey { tenant: erasure.tenant, id: erasure.id };
        if let Err(refusal) = self.may_erase(key, &erasure) {
            return Some(Err(refusal));
        }
        let mut erased = Erased::default();
        let fate = self.meet(|disk| erased = disk.remove(key, erasure));
        match fate {
            Fate::Died => None,
            Fate::Answered(answer) => Some(answer.map(|()| erased)),
        }
    }

    fn may_erase(&self, key: ExecutionKey, erasure: &Erasure) -> Result<(), CommitError> {
        erasure.check()?;
        self.check_lease(erasure.lease)?;
        self.check_documents(erasure.tenant, &erasure.documents)?;
        let ended = |record: &Record| matches!(record.status, RecordStatus::Completed | RecordStatus::Failed);
        if self.records.get(&key).is_none_or(ended) { Ok(()) } else { Err(Erasure::not_ended()) }
    }

    fn remove(&mut self, key: ExecutionKey, erasure: Erasure) -> Erased {
        let mut erased = Erased { is_whole: true, ..Erased::default() };
        if let Some(record) = self.records.remove(&key) {
            (erased.items, erased.bytes) = (1, (record.body.len() + record.outline.len()) as u64);
        }
        if let Some(lines) = self.journals.get_mut(&key) {
            let gone = lines.split_off(lines.len().saturating_sub(erasure.lines));
            erased.items += gone.len();
            erased.bytes += gone.iter().map(|line| line.len() as u64).sum::<u64>();
            erased.is_whole = lines.is_empty();
        }
        if erased.is_whole {
            self.journals.remove(&key);
        }
        self.write_documents(erasure.tenant, erasure.documents);
        erased
    }
}
