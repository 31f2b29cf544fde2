//! Another master key: the data keys of all tenants are sealed with it instead of the old one.
//!
//! Each tenant's keys change in one commit, and the installation's own settings with the end of it, so that a crash at any point leaves keys that
//! either of the two opens, and a mark that says that both are needed. The same start again goes on with it.

use super::keyring::{
    CHECK, CHECKED, DATA_KEY, DATA_KEY_BEFORE, KeyringError, NEXT_CHECK, SEALED_SETTINGS, check_bound, data_key_bound,
    setting, setting_bound,
};
use super::seal::{Bound, NONCE_BYTES, Sealed, SealingKey};
use crate::ports::{CommitError, DocumentKind, DocumentWrite, Entropy, Expect, Page, Store, StoreError, Transition};
use bytes::Bytes;
use std::collections::BTreeSet;
use stepwell_core::ids::TenantId;

/// Tenants that are read at one time.
const PAGE: usize = 1_000;

/// A change of the master key.
pub(super) struct Rewrap<'a> {
    pub store: &'a dyn Store,
    pub entropy: &'a dyn Entropy,
    pub old: &'a SealingKey,
    pub new: &'a SealingKey,
}

impl Rewrap<'_> {
    /// Carries it out, or goes on with it. False if there was nothing to do.
    pub async fn run(&self) -> Result<bool, KeyringError> {
        let Some(check) = self.setting(TenantId::DEFAULT, CHECK).await? else { return Ok(false) };
        if opens(&check, self.new, check_bound()) {
            return Ok(false); // it ended before
        }
        if !opens(&check, self.old, check_bound()) {
            return Err(KeyringError::WrongMasterKey);
        }
        self.begin().await?;
        for tenant in self.tenants().await? {
            let documents = [self.again(tenant, DATA_KEY).await?, self.again(tenant, DATA_KEY_BEFORE).await?];
            let documents: Vec<DocumentWrite> = documents.into_iter().flatten().collect();
            if !documents.is_empty() {
                self.commit(tenant, documents).await?;
            }
        }
        self.end(check).await?;
        Ok(true)
    }

    /// All that have a document, also those that are being deleted, and the first one.
    async fn tenants(&self) -> Result<BTreeSet<TenantId>, StoreError> {
        let (mut tenants, mut after) = (BTreeSet::from([TenantId::DEFAULT]), None);
        loop {
            let page = Page { after: after.take(), limit: PAGE };
            let found = self.store.documents(TenantId::DEFAULT, DocumentKind::Tenant, "", page).await?;
            let Some((last, _)) = found.last() else { return Ok(tenants) };
            after = Some(last.clone());
            tenants.extend(found.iter().filter_map(|(number, _)| number.parse().ok().map(TenantId)));
        }
    }

    /// From here on a start needs both keys.
    async fn begin(&self) -> Result<(), KeyringError> {
        match self.setting(TenantId::DEFAULT, NEXT_CHECK).await? {
            Some(begun) if opens(&begun, self.new, check_bound()) => Ok(()),
            Some(_) => Err(KeyringError::Changing), // to another key than this one
            None => {
                let mark = self.sealed(check_bound(), CHECKED)?;
                self.commit(TenantId::DEFAULT, vec![setting(NEXT_CHECK, Some(mark), Expect::Absent)]).await
            }
        }
    }

    /// From here on the old key is none any more.
    async fn end(&self, check: Bytes) -> Result<(), KeyringError> {
        let mut documents = vec![
            setting(CHECK, Some(self.sealed(check_bound(), CHECKED)?), Expect::Value(check)),
            setting(NEXT_CHECK, None, Expect::Anything),
        ];
        for name in SEALED_SETTINGS {
            if let Some(stored) = self.setting(TenantId::DEFAULT, name).await? {
                documents.extend(self.resealed(name, stored, setting_bound(name))?);
            }
        }
        self.commit(TenantId::DEFAULT, documents).await
    }

    /// A tenant's key under the new master key; `None` if there is nothing to do.
    async fn again(&self, tenant: TenantId, name: &str) -> Result<Option<DocumentWrite>, KeyringError> {
        let Some(stored) = self.setting(tenant, name).await? else { return Ok(None) };
        self.resealed(name, stored, data_key_bound(tenant))
    }

    /// What is not sealed at all, as earlier versions left it, stays as it is.
    fn resealed(&self, name: &str, stored: Bytes, bound: Bound<'_>) -> Result<Option<DocumentWrite>, KeyringError> {
        let Ok(sealed) = serde_json::from_slice::<Sealed>(&stored) else { return Ok(None) };
        if sealed.open(self.new, bound).is_ok() {
            return Ok(None);
        }
        let clear = sealed.open(self.old, bound).map_err(|_| KeyringError::WrongMasterKey)?;
        let value = self.sealed(bound, &clear)?;
        Ok(Some(setting(name, Some(value), Expect::Value(stored))))
    }

    fn sealed(&self, bound: Bound<'_>, clear: &[u8]) -> Result<Bytes, KeyringError> {
        let mut nonce = [0; NONCE_BYTES];
        self.entropy.fill(&mut nonce);
        let sealed = Sealed::seal(self.new, nonce, bound, clear).map_err(|_| KeyringError::WrongMasterKey)?;
        let text = serde_json::to_vec(&sealed).map_err(|e| StoreError::Unavailable(e.to_string()))?;
        Ok(text.into())
    }

    async fn setting(&self, tenant: TenantId, name: &str) -> Result<Option<Bytes>, StoreError> {
        self.store.document(tenant, DocumentKind::Setting, name).await
    }

    async fn commit(&self, tenant: TenantId, documents: Vec<DocumentWrite>) -> Result<(), KeyringError> {
        let results = self.store.commit(vec![Transition { tenant, execution: None, documents }]).await;
        let done: Result<(), CommitError> = results.into_iter().collect();
        Ok(done?)
    }
}

fn opens(stored: &[u8], key: &SealingKey, bound: Bound<'_>) -> bool {
    let sealed: Option<Sealed> = serde_json::from_slice(stored).ok();
    sealed.and_then(|sealed| sealed.open(key, bound).ok()).is_some_and(|opened| opened.as_slice() == CHECKED)
}
