//! The guard rails of `storage.md`, each with a test that fails without it.

mod checks;
mod collecting;
mod counting;
mod damage;
mod durable;
mod files;
mod full;
mod opening;
mod packs;
mod recorder;
mod saving;
mod scrubbing;

use crate::{OpenError, SledConfig, SledStore};
use bytes::Bytes;
use std::fs::File;
use std::path::PathBuf;
use stepwell_core::ids::TenantId;
use stepwell_engine::ports::{CommitError, DocumentKind, DocumentWrite, Expect, Store, StoreError, Transition};
use tempfile::TempDir;

const TENANT: TenantId = TenantId::DEFAULT;
const KIND: DocumentKind = DocumentKind::Setting;

/// A folder for a store, removed at the end.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn config(&self) -> SledConfig {
        // Only the end of a test is noted: how long it takes must not be seen among what it waits for.
        SledConfig { note_every_ms: u64::MAX, ..SledConfig::new(self.0.path().join("store")) }
    }

    fn sled_folder(&self) -> PathBuf {
        self.0.path().join("store/sled")
    }

    fn open(&self) -> SledStore {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<SledStore, OpenError> {
        self.settle();
        SledStore::open(&self.config())
    }

    /// Our keys and values, without our rails.
    fn plain_sled(&self) -> sled::Db {
        self.settle();
        sled::open(self.sled_folder()).unwrap()
    }

    /// Waits until a plain sled's lock is free: a child of another test may still hold a copy between fork and exec.
    fn settle(&self) {
        if let Ok(index) = File::open(self.sled_folder().join("db")) {
            index.lock().and_then(|()| index.unlock()).unwrap();
        }
    }
}

fn put(key: &str, value: Bytes) -> Transition {
    let write = DocumentWrite { kind: KIND, key: key.to_owned(), value: Some(value), expect: Expect::Anything };
    Transition { tenant: TENANT, execution: None, documents: vec![write] }
}

async fn commit(store: &SledStore, transition: Transition) -> Result<(), CommitError> {
    store.commit(vec![transition]).await.remove(0)
}

fn is_unavailable(answer: &Result<(), CommitError>) -> bool {
    matches!(answer, Err(CommitError::Store(StoreError::Unavailable(_))))
}
