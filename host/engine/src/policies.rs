//! What may be granted: the operator's policy, given when the server starts, and a document of each tenant.

use crate::Error;
use crate::committer::Committer;
use crate::ports::{DocumentKind, DocumentWrite, Expect, Store, Transition};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use stepwell_core::grants::{Decision, Grants, Policy, decide};
use stepwell_core::ids::TenantId;

/// The key of the tenant's document.
const KEY: &str = "policy";

/// The policies of everybody.
pub struct Policies {
    store: Arc<dyn Store>,
    committer: Committer,
    operator: Policy,
    /// The policies of tenants that were read, and how often any was changed.
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    tenants: HashMap<TenantId, Arc<Policy>>,
    changes: u64,
}

impl Policies {
    pub(crate) fn new(store: Arc<dyn Store>, committer: Committer, operator: Policy) -> Self {
        Self { store, committer, operator, known: Arc::default() }
    }

    /// What a tenant allows; the default is whatever its uploads ask for.
    ///
    /// # Errors
    /// The store's.
    pub async fn of(&self, tenant: TenantId) -> Result<Arc<Policy>, Error> {
        let changes = {
            let known = self.lock();
            if let Some(policy) = known.tenants.get(&tenant) {
                return Ok(Arc::clone(policy));
            }
            known.changes
        };
        let stored = self.store.document(tenant, DocumentKind::GrantPolicy, KEY).await?;
        let read = |bytes: bytes::Bytes| serde_json::from_slice(&bytes);
        let policy = stored.map(read).transpose().map_err(|e| Error::broken("a policy cannot be read", &e))?;
        let policy = Arc::new(policy.unwrap_or_default());
        let mut known = self.lock();
        if known.changes == changes {
            known.tenants.insert(tenant, Arc::clone(&policy));
        }
        Ok(policy)
    }

    /// Changes what a tenant allows, for every question from now on.
    ///
    /// # Errors
    /// The store's.
    pub async fn put(&self, tenant: TenantId, policy: Policy) -> Result<(), Error> {
        let value = serde_json::to_vec(&policy).map_err(|e| Error::broken("a policy cannot be written", &e))?;
        let write = DocumentWrite {
            kind: DocumentKind::GrantPolicy,
            key: KEY.to_owned(),
            value: Some(value.into()),
            expect: Expect::Anything,
        };
        let known = Arc::clone(&self.known);
        let then = Box::new(move || {
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            known.changes += 1;
            known.tenants.insert(tenant, Arc::new(policy));
        });
        let transition = Transition { tenant, execution: None, documents: vec![write] };
        Ok(self.committer.commit_then(transition, then).await?)
    }

    /// What becomes of a wish by the policies of this moment.
    ///
    /// # Errors
    /// The store's.
    pub async fn decide(&self, tenant: TenantId, wanted: &Grants) -> Result<Decision, Error> {
        if wanted.is_empty() {
            return Ok(Decision::default());
        }
        Ok(decide(wanted, &*self.of(tenant).await?, &self.operator))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
