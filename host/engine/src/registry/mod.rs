//! A tenant's workflows and functions: checked when they come in, kept as documents, cached as values.

mod agents;
mod functions;
mod inline;
mod inputs;
mod precondition;
mod reseal;
mod revisions;
mod schedules;
mod triggers;
mod validate;
mod versions;
mod webhook_secrets;
mod webhooks;
mod workflows;

pub use agents::{AGENT_BYTES, Agent};
pub use functions::{Deployed, Function, FunctionGrants, Imports, Upload};
pub use inputs::Schemas;
pub use precondition::{Precondition, Versions};
pub use revisions::{Put, RevisionPage};
pub use validate::Validation;
pub use versions::VersionPage;
pub(crate) use webhook_secrets::reference;
pub use workflows::StoredWorkflow;

use crate::admitting::no_room;
use crate::committer::Committer;
use crate::meters::Meters;
use crate::ports::{Clock, DocumentKind, DocumentWrite, Expect, Page, Runtime, Store};
use crate::schedules::Dues;
use crate::secrets::Keyring;
use crate::tenant_limits::Allowances;
use crate::{Error, sound};
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
    allowances: Arc<Allowances>,
    meters: Arc<Meters>,
    workflows: Arc<Cache<(String, Option<u32>), StoredWorkflow>>,
    functions: Arc<Cache<String, Function>>,
    triggers: Arc<Triggers>,
    dues: Arc<Dues>,
    schemas: Schemas,
}

/// So many are listed even if a tenant may no longer have as many.
const LISTED: usize = 10_000;

/// How often a change is tried again because another one of the same id came first.
const CHANGES_AT_ONCE: u32 = 64;

/// What is left of a workflow, a function or an agent that was deleted: its numbers are not given again, since executions pin them.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Tombstone {
    last: u32,
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
    /// Is told of schedules that change.
    pub(crate) dues: Arc<Dues>,
    /// How much a tenant may have.
    pub allowances: Arc<Allowances>,
    /// Counts what it keeps.
    pub meters: Arc<Meters>,
}

impl Registry {
    /// An empty cache over the store.
    #[must_use]
    pub fn new(parts: RegistryParts) -> Self {
        let RegistryParts { store, runtime, clock, committer, keyring, dues, allowances, meters } = parts;
        Self {
            store,
            runtime,
            clock,
            committer,
            keyring,
            allowances,
            meters,
            workflows: Arc::default(),
            functions: Arc::default(),
            triggers: Arc::default(),
            dues,
            schemas: Schemas::default(),
        }
    }

    /// Whether a tenant may keep more.
    fn check_stored(&self, tenant: TenantId) -> Result<(), Error> {
        let stored = self.meters.read(tenant, self.clock.now()).stored;
        no_room(&self.allowances.of(tenant), stored).map_or(Ok(()), Err)
    }

    /// All documents of a kind, at most `most` and one more, without damaged ones.
    async fn all(&self, tenant: TenantId, kind: DocumentKind, most: usize) -> Result<Vec<(String, Bytes)>, Error> {
        let page = Page { after: None, limit: most + 1 };
        Ok(sound::listed(&*self.store, (tenant, kind), "", page).await?)
    }

    /// What a deleted workflow or function left: its bytes, and its last number; 0 if there was none.
    async fn tombstone(&self, tenant: TenantId, kind: DocumentKind, id: &str) -> Result<(Expect, u32), Error> {
        match self.store.document(tenant, kind, id).await? {
            None => Ok((Expect::Absent, 0)),
            Some(bytes) => {
                let stone: Tombstone = read(&bytes)?;
                Ok((Expect::Value(bytes), stone.last))
            }
        }
    }
}

/// `id/0000000007`: revisions and versions sort as numbers do.
fn numbered(id: &str, number: u32) -> String {
    format!("{id}/{number:010}")
}

/// Takes a document away, if it is as it was read.
fn removal(kind: DocumentKind, key: String, expect: Expect) -> DocumentWrite {
    DocumentWrite { kind, key, value: None, expect }
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
struct Cache<K, V>(Mutex<Cached<K, V>>);

struct Cached<K, V> {
    values: HashMap<(TenantId, K), Arc<V>>,
    /// Counts the changes: what was read from the store before a change is not kept after it.
    changes: u64,
}

/// More values than this in memory are not worth their room.
const CACHED: usize = 10_000;

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Cached { values: HashMap::new(), changes: 0 }))
    }
}

impl<K: std::hash::Hash + Eq, V> Cache<K, V> {
    fn get(&self, tenant: TenantId, key: K) -> Option<Arc<V>> {
        self.lock().values.get(&(tenant, key)).cloned()
    }

    /// Ask before the store is read.
    fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// It is the value now.
    fn put(&self, tenant: TenantId, key: K, value: Arc<V>) {
        let mut cached = self.lock();
        cached.changes += 1;
        cached.insert((tenant, key), value);
    }

    /// There is none now.
    fn remove(&self, tenant: TenantId, key: K) {
        let mut cached = self.lock();
        cached.changes += 1;
        cached.values.remove(&(tenant, key));
    }

    /// For what was read from the store, unless something has changed since then.
    fn put_read(&self, tenant: TenantId, key: K, value: Arc<V>, changes: u64) {
        let mut cached = self.lock();
        if cached.changes == changes {
            cached.insert((tenant, key), value);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cached<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: std::hash::Hash + Eq, V> Cached<K, V> {
    fn insert(&mut self, key: (TenantId, K), value: Arc<V>) {
        if self.values.len() >= CACHED {
            self.values.clear();
        }
        self.values.insert(key, value);
    }
}
