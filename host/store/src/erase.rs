//! Removing executions that have ended: by the only writer, so that nothing is removed that a transition before it has opened again.

use crate::committer::Work;
use crate::holds::Held;
use crate::indexes::indexes;
use crate::keys::Keys;
use crate::pack;
use crate::prepare::{PreparedDocument, prepare_documents};
use crate::read::unavailable;
use crate::stage::{EPOCH, Stage, Writes};
use crate::store::{SledStore, closed};
use crate::value::{Body, Kind, decode, decode_record};
use stepwell_core::ids::{ExecutionId, TenantId};
use stepwell_engine::ports::{CommitError, Erased, Erasure, ExecutionKey, Lease, RecordStatus};
use tokio::sync::oneshot;

/// An erasure as it will be in the tree.
pub(crate) struct PreparedErasure {
    tenant: TenantId,
    id: ExecutionId,
    lease: Lease,
    lines: usize,
    documents: Vec<PreparedDocument>,
    pub(crate) held: Vec<Held>,
}

impl SledStore {
    pub(crate) async fn erase_one(&self, erasure: Erasure) -> Result<Erased, CommitError> {
        erasure.check()?;
        let Erasure { tenant, id, lease, lines, documents } = erasure;
        let (documents, held) =
            self.blocking(move |shared| prepare_documents((tenant, documents), &shared.files)).await??;
        let erasure = PreparedErasure { tenant, id, lease, lines, documents, held };
        let (answer, answered) = oneshot::channel();
        self.send(Work::Erase { erasure, answer }).await?;
        answered.await.map_err(|_| closed())?
    }
}

impl Stage {
    /// Adds an erasure, or refuses it and leaves everything as it was. The batch before it must have been applied: what is removed is
    /// found in the tree.
    pub(crate) fn erase(&mut self, erasure: PreparedErasure) -> Result<Erased, CommitError> {
        let PreparedErasure { tenant, id, lease, lines, documents, held: _ } = erasure;
        if lease.epoch != EPOCH {
            return Err(CommitError::Fenced(lease.shard));
        }
        let key = ExecutionKey { tenant, id };
        let (mut writes, mut erased) = (Writes::new(), Erased::default());
        if let Some(stored) = self.get(&Keys::of(tenant).record(id))? {
            let (summary, body) = decode_record(&stored, || format!("the record of {id} of {tenant}"))?;
            if !matches!(summary.status, RecordStatus::Completed | RecordStatus::Failed) {
                return Err(Erasure::not_ended());
            }
            (erased.items, erased.bytes) = (1, length(&body) + summary.outline.len() as u64);
            writes.extend(indexes(key, &summary).map(|key| (key, None)));
            writes.push((Keys::of(tenant).record(id), None));
        }
        erased.is_whole = self.erase_lines(key, lines, (&mut writes, &mut erased))?;
        for document in documents {
            self.check_document(&document)?;
            writes.push((document.key, document.value));
        }
        self.accept(tenant, writes, None)?;
        self.forget(key);
        Ok(erased)
    }

    /// Whether nothing is left of the journal.
    fn erase_lines(
        &self,
        key: ExecutionKey,
        mut limit: usize,
        (writes, erased): (&mut Writes, &mut Erased),
    ) -> Result<bool, CommitError> {
        let lines = Keys::of(key.tenant);
        for found in self.tree().range(lines.line(key.id, 0)..=lines.line(key.id, u32::MAX)).rev() {
            let (place, value) = found.map_err(unavailable)?;
            let parts = pack::parts(&value);
            let (stay, go) = parts.split_at(parts.len().saturating_sub(limit));
            if go.is_empty() {
                return Ok(false);
            }
            limit -= go.len();
            erased.items += go.len();
            // A line that cannot be read any more goes, too.
            let bodies = go.iter().flat_map(|line| decode(Kind::Line, line, String::new));
            erased.bytes += bodies.map(|body| length(&body)).sum::<u64>();
            let rest = (!stay.is_empty()).then(|| pack::joined(stay));
            let is_left = rest.is_some();
            writes.push((place.to_vec(), rest));
            if is_left {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn length(body: &Body) -> u64 {
    match body {
        Body::Inline(bytes) => bytes.len() as u64,
        Body::Filed(file) => file.length,
    }
}
