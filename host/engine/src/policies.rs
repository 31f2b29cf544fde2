//! What may be granted: the operator's policy, given when the server starts, and two documents of each tenant: its own policy, and what the
//! operator allows it.

use crate::Error;
use crate::committer::Committer;
use crate::ports::{DocumentKind, DocumentWrite, Expect, Store, Transition};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use stepwell_core::grants::{By, Decision, Grants, Policy, decide};
use stepwell_core::ids::TenantId;

/// The key of somebody's document.
fn key(by: By) -> &'static str {
    match by {
        By::Tenant => "policy",
        By::Operator => "operator",
    }
}

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
    tenants: HashMap<(TenantId, By), Arc<Policy>>,
    changes: u64,
}

impl Policies {
    pub(crate) fn new(store: Arc<dyn Store>, committer: Committer, operator: Policy) -> Self {
        Self { store, committer, operator, known: Arc::default() }
    }

    /// What a tenant allows, or the operator allows it; the default is whatever its uploads ask for.
    ///
    /// # Errors
    /// The store's.
    pub async fn of(&self, tenant: TenantId, by: By) -> Result<Arc<Policy>, Error> {
        let changes = {
            let known = self.lock();
            if let Some(policy) = known.tenants.get(&(tenant, by)) {
                return Ok(Arc::clone(policy));
            }
            known.changes
        };
        let stored = self.store.document(tenant, DocumentKind::GrantPolicy, key(by)).await?;
        let read = |bytes: bytes::Bytes| serde_json::from_slice(&bytes);
        let policy = stored.map(read).transpose().map_err(|e| Error::broken("a policy cannot be read", &e))?;
        let policy = Arc::new(policy.unwrap_or_default());
        let mut known = self.lock();
        if known.changes == changes {
            known.tenants.insert((tenant, by), Arc::clone(&policy));
        }
        Ok(policy)
    }

    /// Changes what a tenant allows, or the operator allows it, for every question from now on.
    ///
    /// # Errors
    /// The store's.
    pub async fn put(&self, (tenant, by): (TenantId, By), policy: Policy) -> Result<(), Error> {
        let value = serde_json::to_vec(&policy).map_err(|e| Error::broken("a policy cannot be written", &e))?;
        let write = DocumentWrite {
            kind: DocumentKind::GrantPolicy,
            key: key(by).to_owned(),
            value: Some(value.into()),
            expect: Expect::Anything,
        };
        let known = Arc::clone(&self.known);
        let then = Box::new(move || {
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            known.changes += 1;
            known.tenants.insert((tenant, by), Arc::new(policy));
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
        let (own, operator) = (self.of(tenant, By::Tenant).await?, self.of(tenant, By::Operator).await?);
        Ok(decide(wanted, &own, [&self.operator, &operator]))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
