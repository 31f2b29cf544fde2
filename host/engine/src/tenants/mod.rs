//! Tenants: who owns what, and who may still use the server.
//!
//! All of them are in memory; each is a document of the default tenant under its number. Numbers are never given again ([`change`]): whatever
//! a deleted tenant left behind can not become somebody else's. [`life`] says what follows from suspending, resuming and deleting.

mod change;
mod life;

pub use change::{NewTenant, TenantChange};

use crate::Error;
use crate::committer::Committer;
use crate::ports::{Clock, DocumentKind, Page, Store};
use crate::quotas::Quotas;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use stepwell_core::ids::TenantId;
use stepwell_core::time::Timestamp;
use tokio::sync::{Mutex, watch};

/// What the API calls the first tenant; it has no end.
pub const DEFAULT: &str = "default";
/// Tenants are read this many at a time.
const PAGE: usize = 1_000;
/// The code of whatever a suspended tenant is refused.
pub const SUSPENDED: &str = "tenant_suspended";

/// Whether a tenant may use the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TenantStatus {
    /// It may.
    Active,
    /// Its keys are refused, and nothing of it starts or runs; nothing is lost.
    Suspended,
    /// It is gone, and what it left behind is being removed.
    Deleting,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    /// Its number in the store; never used again.
    pub number: TenantId,
    /// What the API calls it: `default` is the first one.
    pub id: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the operator wants to know about it.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Whether it may use the server.
    pub status: TenantStatus,
    /// What it may use.
    #[serde(default)]
    pub quotas: Quotas,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Tenant {
    fn first() -> Self {
        Self {
            number: TenantId::DEFAULT,
            id: DEFAULT.to_owned(),
            name: None,
            labels: BTreeMap::new(),
            status: TenantStatus::Active,
            quotas: Quotas::default(),
            created_at: Timestamp(0),
        }
    }
}

/// All tenants.
pub struct Tenants {
    store: Arc<dyn Store>,
    committer: Committer,
    clock: Arc<dyn Clock>,
    /// One change at a time.
    changing: Mutex<()>,
    table: RwLock<Table>,
    /// Counts the changes, for whoever waits for one.
    told: watch::Sender<u64>,
}

#[derive(Default)]
struct Table {
    tenants: BTreeMap<TenantId, Arc<Tenant>>,
    /// Nobody waits any more: the server stops.
    closed: bool,
}

/// What tenants need.
pub(crate) struct TenantsParts {
    pub store: Arc<dyn Store>,
    pub committer: Committer,
    pub clock: Arc<dyn Clock>,
}

impl Tenants {
    /// Those of this store.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn load(parts: TenantsParts) -> Result<Self, Error> {
        let TenantsParts { store, committer, clock } = parts;
        let mut tenants = BTreeMap::from([(TenantId::DEFAULT, Arc::new(Tenant::first()))]);
        let mut after = None;
        loop {
            let page = Page { after: after.take(), limit: PAGE };
            let found = store.documents(TenantId::DEFAULT, DocumentKind::Tenant, "", page).await?;
            let Some((last, _)) = found.last() else { break };
            after = Some(last.clone());
            for (_, bytes) in found {
                let tenant: Tenant =
                    serde_json::from_slice(&bytes).map_err(|e| Error::broken("a tenant cannot be read", &e))?;
                if tenant.status == TenantStatus::Deleting {
                    committer.exclude(tenant.number);
                }
                tenants.insert(tenant.number, Arc::new(tenant));
            }
        }
        let table = RwLock::new(Table { tenants, closed: false });
        Ok(Self { store, committer, clock, changing: Mutex::new(()), table, told: watch::Sender::new(0) })
    }

    /// A tenant by its number, also while it is being deleted. Cheap: it is kept in memory.
    #[must_use]
    pub fn get(&self, number: TenantId) -> Option<Arc<Tenant>> {
        self.read().tenants.get(&number).cloned()
    }

    /// All tenants that are not gone, in the order of their numbers.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Tenant>> {
        let table = self.read();
        table.tenants.values().filter(|tenant| tenant.status != TenantStatus::Deleting).cloned().collect()
    }

    /// A tenant by what the API calls it; while one is being deleted there may be another of the same id, which counts then.
    #[must_use]
    pub fn called(&self, id: &str) -> Option<Arc<Tenant>> {
        let table = self.read();
        let named = || table.tenants.values().filter(|tenant| tenant.id == id);
        named().find(|tenant| tenant.status != TenantStatus::Deleting).or_else(|| named().next_back()).cloned()
    }

    /// At most so many, in the order of their ids, after this one; those that are being deleted, too.
    #[must_use]
    pub fn list(&self, after: Option<&str>, limit: usize) -> Vec<Arc<Tenant>> {
        let table = self.read();
        let by_id: BTreeMap<&str, &Arc<Tenant>> = table.tenants.values().map(|t| (t.id.as_str(), t)).collect();
        let later = by_id.into_iter().filter(|(id, _)| after.is_none_or(|after| *id > after));
        later.take(limit).map(|(_, tenant)| Arc::clone(tenant)).collect()
    }

    /// Whether something may begin for a tenant now.
    #[must_use]
    pub fn is_active(&self, number: TenantId) -> bool {
        self.get(number).is_some_and(|tenant| tenant.status == TenantStatus::Active)
    }

    /// Whether a tenant, active or not, keeps what it has.
    pub(crate) fn is_there(&self, number: TenantId) -> bool {
        self.get(number).is_some_and(|tenant| tenant.status != TenantStatus::Deleting)
    }

    /// Whether a tenant may use the server now.
    ///
    /// # Errors
    /// [`Error::Forbidden`] `tenant_suspended`; [`Error::NotFound`].
    pub fn check(&self, number: TenantId) -> Result<(), Error> {
        let tenant = self.get(number).filter(|tenant| tenant.status != TenantStatus::Deleting);
        let tenant = tenant.ok_or_else(|| Error::NotFound { what: "tenant", id: String::new() })?;
        if tenant.status == TenantStatus::Active {
            return Ok(());
        }
        let message = format!("the tenant {:?} is suspended; nothing of it is lost: ask the operator", tenant.id);
        Err(Error::Forbidden { code: "tenant_suspended", message })
    }

    /// Waits while a tenant is suspended. False: nothing of it begins any more, because it is gone, or the server stops.
    pub(crate) async fn admitted(&self, number: TenantId) -> bool {
        let mut told = self.told.subscribe();
        loop {
            {
                let table = self.read();
                match table.tenants.get(&number).map(|tenant| tenant.status) {
                    Some(TenantStatus::Active) => return true,
                    Some(TenantStatus::Suspended) if !table.closed => {}
                    Some(TenantStatus::Suspended | TenantStatus::Deleting) | None => return false,
                }
            }
            if told.changed().await.is_err() {
                return false;
            }
        }
    }

    /// Who waits for a suspended tenant is told that it is in vain.
    pub(crate) fn close(&self) {
        self.write().closed = true;
        self.tell();
    }

    /// Told of every change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.told.subscribe()
    }

    fn tell(&self) {
        self.told.send_modify(|count| *count += 1);
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}
