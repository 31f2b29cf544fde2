//! A tenant's workflows and functions: checked when they come in, kept as documents, cached as values.

mod functions;
mod inline;
mod triggers;
mod webhook_secrets;
mod workflows;

pub use functions::{Deployed, Function, Imports, Upload};
pub use workflows::StoredWorkflow;

use crate::Error;
use crate::committer::Committer;
use crate::limits::Limits;
use crate::ports::{Clock, DocumentKind, DocumentWrite, Expect, Page, Runtime, Store};
use crate::secrets::Keyring;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use stepwell_core::ids::TenantId;
use triggers::Triggers;

/// The registry of all tenants.
pub struct Registry {
    store: Arc<dyn Store>,
    runtime: Arc<dyn Runtime>,
    clock: Arc<dyn Clock>,
    committer: Committer,
    keyring: Arc<Keyring>,
    limits: Limits,
    workflows: Cache<(String, Option<u32>), StoredWorkflow>,
    functions: Arc<Cache<String, Function>>,
    triggers: Arc<Triggers>,
}

/// What a registry needs.
pub struct RegistryParts {
    /// Where definitions are kept.
    pub store: Arc<dyn Store>,
    /// Checks and compiles uploads.
    pub runtime: Arc<dyn Runtime>,
    /// Says when something was made.
    pub clock: Arc<dyn Clock>,
    /// Writes.
    pub committer: Committer,
    /// Seals the secrets of definitions.
    pub keyring: Arc<Keyring>,
    /// How much a tenant may have.
    pub limits: Limits,
}

impl Registry {
    /// An empty cache over the store.
    #[must_use]
    pub fn new(parts: RegistryParts) -> Self {
        let RegistryParts { store, runtime, clock, committer, keyring, limits } = parts;
        let (workflows, functions) = (Cache::default(), Arc::default());
        let triggers = Arc::default();
        Self { store, runtime, clock, committer, keyring, limits, workflows, functions, triggers }
    }

    /// All documents of a kind, at most `most` and one more.
    async fn all(&self, tenant: TenantId, kind: DocumentKind, most: usize) -> Result<Vec<(String, Bytes)>, Error> {
        let page = Page { after: None, limit: most + 1 };
        Ok(self.store.documents(tenant, kind, "", page).await?)
    }
}

/// `id/0000000007`: revisions and versions sort as numbers do.
fn numbered(id: &str, number: u32) -> String {
    format!("{id}/{number:010}")
}

fn write(
    kind: DocumentKind,
    key: String,
    value: &impl serde::Serialize,
    expect: Expect,
) -> Result<DocumentWrite, Error> {
    let value = serde_json::to_vec(value).map_err(|e| Error::broken("a document cannot be written", &e))?;
    Ok(DocumentWrite { kind, key, value: Some(value.into()), expect })
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|e| Error::broken("a document cannot be read", &e))
}

/// Values that were read once. It holds at most what the limits let a tenant have, and is emptied when it grows past that.
struct Cache<K, V>(Mutex<HashMap<(TenantId, K), Arc<V>>>);

/// More values than this in memory are not worth their room.
const CACHED: usize = 10_000;

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: std::hash::Hash + Eq, V> Cache<K, V> {
    fn get(&self, tenant: TenantId, key: K) -> Option<Arc<V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&(tenant, key)).cloned()
    }

    fn put(&self, tenant: TenantId, key: K, value: Arc<V>) {
        self.room().insert((tenant, key), value);
    }

    /// For what was read from the store: it may have changed since, and then the change is here already.
    fn put_if_absent(&self, tenant: TenantId, key: K, value: Arc<V>) {
        self.room().entry((tenant, key)).or_insert(value);
    }

    fn room(&self) -> std::sync::MutexGuard<'_, HashMap<(TenantId, K), Arc<V>>> {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.len() >= CACHED {
            cached.clear();
        }
        cached
    }
}
