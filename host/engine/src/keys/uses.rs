//! When keys were last used: noted where a key is asked for, written in the background.

use super::{DocumentKind, DocumentWrite, Expect, KeyHolder, Keys, Stored, Transition};
use crate::Error;
use crate::engine::Engine;
use std::sync::atomic::Ordering;
use stepwell_core::ids::{Digest, TenantId};
use stepwell_core::time::Timestamp;
use tokio::sync::mpsc;

/// Uses that wait to be written; what does not fit is noted a minute later.
pub(super) const QUEUE: usize = 1_024;
/// How often the use of one key is written, milliseconds.
const EVERY_MS: u64 = 60_000;

/// A key was used.
pub(crate) struct Use {
    tenant: TenantId,
    hash: Digest,
    at: Timestamp,
}

impl Keys {
    /// The key is used now. It costs no more than a look at a number, but once a minute.
    pub fn note_use(&self, holder: &KeyHolder) {
        let (now, noted) = (self.clock.now(), holder.noted.load(Ordering::Relaxed));
        if now.0.saturating_sub(noted) < EVERY_MS {
            return;
        }
        if holder.noted.compare_exchange(noted, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            // A full queue: it is noted in a minute.
            let _ = self.uses.try_send(Use { tenant: holder.tenant, hash: holder.hash, at: now });
        }
    }

    async fn write_use(&self, Use { tenant, hash, at }: Use) -> Result<(), Error> {
        let key = hash.hex();
        let Some(bytes) = self.store.document(tenant, DocumentKind::ApiKey, &key).await? else { return Ok(()) };
        let mut stored: Stored =
            serde_json::from_slice(&bytes).map_err(|e| Error::broken("an API key cannot be read", &e))?;
        stored.last_used_at = Some(at);
        let value = serde_json::to_vec(&stored).map_err(|e| Error::broken("an API key cannot be written", &e))?;
        // Not one that is revoked in the meantime.
        let expect = Expect::Value(bytes);
        let write = DocumentWrite { kind: DocumentKind::ApiKey, key, value: Some(value.into()), expect };
        Ok(self.committer.commit(Transition { tenant, execution: None, documents: vec![write] }).await?)
    }
}

/// Writes uses until the engine is gone.
pub(crate) async fn watch_uses(engine: Engine, mut waiting: mpsc::Receiver<Use>) {
    while let Some(next) = waiting.recv().await {
        if let Err(error) = engine.inner.keys.write_use(next).await {
            tracing::debug!(%error, "the use of a key is not noted");
        }
    }
}
