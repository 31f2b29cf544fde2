//! Tenants: who owns what, and who may still use the server.

use crate::Error;
use crate::ports::Store;
use crate::quotas::Quotas;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stepwell_core::ids::TenantId;
use stepwell_core::time::Timestamp;

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
    /// Whether it may use the server.
    pub status: TenantStatus,
    /// What it may use.
    #[serde(default)]
    pub quotas: Quotas,
    /// When it was created.
    pub created_at: Timestamp,
}

/// All tenants.
pub struct Tenants {
    #[expect(dead_code, reason = "tenants other than the first one come next")]
    store: Arc<dyn Store>,
    default: Arc<Tenant>,
}

impl Tenants {
    /// Those of this store.
    ///
    /// # Errors
    /// The store's.
    #[expect(clippy::unused_async, reason = "they will be read from the store")]
    pub async fn load(store: Arc<dyn Store>) -> Result<Self, Error> {
        let default = Tenant {
            number: TenantId::DEFAULT,
            id: "default".to_owned(),
            status: TenantStatus::Active,
            quotas: Quotas::default(),
            created_at: Timestamp(0),
        };
        Ok(Self { store, default: Arc::new(default) })
    }

    /// A tenant by its number. Cheap: it is kept in memory.
    #[must_use]
    pub fn get(&self, number: TenantId) -> Option<Arc<Tenant>> {
        (number == TenantId::DEFAULT).then(|| Arc::clone(&self.default))
    }

    /// All tenants that are not gone, in the order of their numbers.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Tenant>> {
        vec![Arc::clone(&self.default)]
    }
}
