//! Another data key for a tenant: what it has sealed is sealed again with the new one. Until that is done the old one opens what is left, so that
//! reads work throughout; a crash leaves a mark, and the next start goes on.

use super::{Document, Place, Secrets, read};
use crate::Error;
use crate::engine::Engine;
use crate::ports::{CommitError, DocumentKind, DocumentWrite, Expect, Page, Transition};
use bytes::Bytes;
use stepwell_core::ids::TenantId;

/// Secrets that are read at one time.
const PAGE: usize = 100;

impl Engine {
    /// Gives a tenant a new data key and seals all of its secrets with it. Answers how many texts were sealed again.
    ///
    /// # Errors
    /// [`Error::Conflict`] while that is under way already; the store's.
    pub async fn rotate_secrets(&self, tenant: TenantId) -> Result<u64, Error> {
        self.accepting()?;
        let _turn = self.inner.secrets.turn()?;
        // First what an earlier rotation may have left: its key would be forgotten.
        let before = self.reseal(tenant).await?;
        if !self.inner.secrets.keyring.replace_data_key(tenant).await? {
            return Ok(0);
        }
        let count = self.reseal(tenant).await?;
        self.inner.secrets.keyring.is_resealed(tenant).await?;
        tracing::info!(tenant = tenant.0, count, before, "a tenant's secrets are sealed with a new key");
        Ok(count)
    }

    /// After a start: what the last process had begun.
    pub(crate) fn resume_resealing(&self, tenant: TenantId) {
        let engine = self.clone();
        self.inner.attempts.spawn("resealing", async move {
            if let Err(error) = engine.go_on_resealing(tenant).await {
                tracing::error!(tenant = tenant.0, %error, "a rotation of secrets waits for the next start");
            }
        });
    }

    async fn go_on_resealing(&self, tenant: TenantId) -> Result<(), Error> {
        if !self.inner.secrets.keyring.is_resealing(tenant).await? {
            return Ok(());
        }
        let Ok(_turn) = self.inner.secrets.turn() else { return Ok(()) };
        self.reseal(tenant).await?;
        self.inner.secrets.keyring.is_resealed(tenant).await
    }

    async fn reseal(&self, tenant: TenantId) -> Result<u64, Error> {
        let secrets = self.inner.secrets.reseal(tenant).await?;
        Ok(secrets + self.inner.registry.reseal(tenant).await?)
    }
}

impl Secrets {
    /// The right to rotate: one at a time, since each reads and writes all that is sealed.
    fn turn(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, Error> {
        self.rotating.try_lock().map_err(|_| {
            let message = "secrets are being sealed again at this moment; ask again later".to_owned();
            Error::Conflict { code: "concurrent_change", message }
        })
    }

    async fn reseal(&self, tenant: TenantId) -> Result<u64, Error> {
        let (mut count, mut after) = (0, None);
        loop {
            let page = Page { after: after.take(), limit: PAGE };
            let found = self.store.documents(tenant, DocumentKind::Secret, "", page).await?;
            let Some((last, _)) = found.last() else { return Ok(count) };
            after = Some(last.clone());
            for (name, bytes) in found {
                count += u64::from(self.reseal_one(tenant, &name, bytes).await?);
            }
        }
    }

    async fn reseal_one(&self, tenant: TenantId, name: &str, mut bytes: Bytes) -> Result<bool, Error> {
        loop {
            let document = read(&bytes)?;
            let Some(sealed) = self.keyring.resealed(tenant, Place::Secret(name), &document.sealed).await? else {
                return Ok(false);
            };
            let value = serde_json::to_vec(&Document { sealed, ..document });
            let value = value.map_err(|e| Error::broken("a secret cannot be written", &e))?;
            let (kind, key) = (DocumentKind::Secret, name.to_owned());
            let write = DocumentWrite { kind, key, value: Some(value.into()), expect: Expect::Value(bytes) };
            match self.committer.commit(Transition { tenant, execution: None, documents: vec![write] }).await {
                Ok(()) => return Ok(true),
                Err(CommitError::Unexpected { .. }) => {} // it has been set or deleted meanwhile
                Err(other) => return Err(other.into()),
            }
            let Some(now) = self.store.document(tenant, DocumentKind::Secret, name).await? else { return Ok(false) };
            bytes = now;
        }
    }
}
