//! The keys: one master key of the installation, which lies outside of the store, and a data key for each tenant, which lies in the store,
//! sealed with the master key.

use super::rewrap::Rewrap;
use super::seal::{Bound, DoesNotOpen, KEY_BYTES, NONCE_BYTES, Sealed, SealingKey};
use crate::Error;
use crate::ports::{CommitError, DocumentKind, DocumentWrite, Entropy, Expect, Store, StoreError, Transition};
use bytes::Bytes;
use std::sync::Arc;
use stepwell_core::ids::TenantId;
use zeroize::Zeroizing;

/// The setting of the default tenant that tells the right master key from a wrong one.
pub(super) const CHECK: &str = "master-key-check";
/// What is sealed there.
pub(super) const CHECKED: &[u8] = b"this is the master key";
/// The same for a master key that is to take its place: there while that is under way.
pub(super) const NEXT_CHECK: &str = "next-master-key-check";
/// Each tenant's setting that holds its data key.
pub(super) const DATA_KEY: &str = "data-key";
/// The one before: what was sealed with it and not yet again still opens.
pub(super) const DATA_KEY_BEFORE: &str = "data-key-before";
/// There while what was sealed with the one before is sealed again.
const RESEALING: &str = "data-key-resealing";
/// Settings of the installation that are sealed with the master key itself.
pub(crate) const SEALED_SETTINGS: [&str; 1] = ["signing-key"];

/// Why there is no keyring.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The store holds values that were sealed with another master key.
    #[error(
        "this is not the master key that the data was sealed with; start with that key (STEPWELL_MASTER_KEY_FILE or STEPWELL_MASTER_KEY, or master.key in the data folder): without it, secrets cannot be read"
    )]
    WrongMasterKey,
    /// A change of the master key was begun and did not end.
    #[error(
        "the master key is being changed: start with the new key, and with the old one as --old-master-key-file (STEPWELL_OLD_MASTER_KEY_FILE), so that it ends"
    )]
    Changing,
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The check value could not be written.
    #[error("the master key's check value cannot be kept: {0}")]
    Commit(#[from] CommitError),
}

/// Seals and opens for all tenants. Data keys are opened when they are needed and wiped after: nothing stays in memory but the master key.
pub struct Keyring {
    store: Arc<dyn Store>,
    entropy: Arc<dyn Entropy>,
    master: SealingKey,
}

impl Keyring {
    /// Whether a master key was ever used on this store. Then a new one is of no use.
    ///
    /// # Errors
    /// The store's.
    pub async fn is_in_use(store: &dyn Store) -> Result<bool, StoreError> {
        Ok(store.document(TenantId::DEFAULT, DocumentKind::Setting, CHECK).await?.is_some())
    }

    /// The keyring of this master key. The first time, the store keeps a value by which the key is known again.
    ///
    /// # Errors
    /// [`KeyringError::WrongMasterKey`].
    pub async fn new(
        store: Arc<dyn Store>,
        entropy: Arc<dyn Entropy>,
        master: SealingKey,
    ) -> Result<Self, KeyringError> {
        let keyring = Self { store, entropy, master };
        let bound = check_bound();
        if let Some(stored) = keyring.store.document(TenantId::DEFAULT, DocumentKind::Setting, CHECK).await? {
            let sealed: Option<Sealed> = serde_json::from_slice(&stored).ok();
            let opened = sealed.and_then(|sealed| sealed.open(&keyring.master, bound).ok());
            if opened.is_none_or(|opened| opened.as_slice() != CHECKED) {
                return Err(KeyringError::WrongMasterKey);
            }
            let next = keyring.store.document(TenantId::DEFAULT, DocumentKind::Setting, NEXT_CHECK).await?;
            return if next.is_none() { Ok(keyring) } else { Err(KeyringError::Changing) };
        }
        let sealed = keyring.sealed(&keyring.master, bound, CHECKED).map_err(|_| KeyringError::WrongMasterKey)?;
        keyring.keep(TenantId::DEFAULT, CHECK, &sealed).await?;
        Ok(keyring)
    }

    /// Seals all data keys with another master key, or goes on with that after a crash; then [`Keyring::new`] takes the new one, and the
    /// old one is refused. False if there is nothing to do: it ended before, or nothing was ever sealed.
    ///
    /// # Errors
    /// [`KeyringError::WrongMasterKey`] if the old key is not the one that the store knows; [`KeyringError::Changing`] if a change to a third
    /// key is under way.
    pub async fn change_master(
        store: &dyn Store,
        entropy: &dyn Entropy,
        (old, new): (&SealingKey, &SealingKey),
    ) -> Result<bool, KeyringError> {
        Rewrap { store, entropy, old, new }.run().await
    }

    /// Seals a text for this place.
    ///
    /// # Errors
    /// The store's, if the tenant's key cannot be read or made.
    pub(crate) async fn seal(&self, tenant: TenantId, place: Place<'_>, clear: &str) -> Result<Sealed, Error> {
        let key = self.data_key(tenant).await?;
        self.sealed(&key, place.bound(tenant), clear.as_bytes()).map_err(|e| broken(&e))
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// [`Error::Broken`] if it does not open.
    pub(crate) async fn open(
        &self,
        tenant: TenantId,
        place: Place<'_>,
        sealed: &Sealed,
    ) -> Result<Zeroizing<String>, Error> {
        let key = self.data_key(tenant).await?;
        let opened = match sealed.open(&key, place.bound(tenant)) {
            Ok(opened) => opened,
            Err(error) => {
                let before = self.stored_data_key(tenant, DATA_KEY_BEFORE).await?.ok_or_else(|| broken(&error))?;
                sealed.open(&before, place.bound(tenant)).map_err(|e| broken(&e))?
            }
        };
        let text = std::str::from_utf8(&opened).map_err(|e| broken(&e))?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// The same text under the tenant's present key; `None` if it is sealed with that one already.
    ///
    /// # Errors
    /// [`Error::Broken`] if it does not open.
    pub(crate) async fn resealed(
        &self,
        tenant: TenantId,
        place: Place<'_>,
        sealed: &Sealed,
    ) -> Result<Option<Sealed>, Error> {
        let key = self.data_key(tenant).await?;
        if sealed.open(&key, place.bound(tenant)).is_ok() {
            return Ok(None);
        }
        let text = self.open(tenant, place, sealed).await?;
        self.sealed(&key, place.bound(tenant), text.as_bytes()).map(Some).map_err(|e| broken(&e))
    }

    /// Gives a tenant a new data key, and keeps the present one for what is sealed with it. False if it has none: nothing was ever sealed.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn replace_data_key(&self, tenant: TenantId) -> Result<bool, Error> {
        let Some(present) = self.store.document(tenant, DocumentKind::Setting, DATA_KEY).await? else {
            return Ok(false);
        };
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        self.entropy.fill(&mut *bytes);
        let key = SealingKey::new(bytes);
        let sealed = self.sealed(&self.master, data_key_bound(tenant), key.bytes()).map_err(|e| broken(&e))?;
        let value = serde_json::to_vec(&sealed).map_err(|e| broken(&e))?;
        let documents = vec![
            setting(DATA_KEY, Some(value.into()), Expect::Value(present.clone())),
            setting(DATA_KEY_BEFORE, Some(present), Expect::Anything),
            setting(RESEALING, Some(Bytes::from_static(b"{}")), Expect::Anything),
        ];
        self.commit(Transition { tenant, execution: None, documents }).await?;
        Ok(true)
    }

    /// Whether what a tenant sealed is being sealed again.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn is_resealing(&self, tenant: TenantId) -> Result<bool, Error> {
        Ok(self.store.document(tenant, DocumentKind::Setting, RESEALING).await?.is_some())
    }

    /// All of it is sealed with the present key.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn is_resealed(&self, tenant: TenantId) -> Result<(), Error> {
        let documents = vec![setting(RESEALING, None, Expect::Anything)];
        Ok(self.commit(Transition { tenant, execution: None, documents }).await?)
    }

    /// Seals a setting of the installation, with the master key itself.
    pub(crate) fn seal_setting(&self, name: &str, clear: &[u8]) -> Result<Sealed, Error> {
        self.sealed(&self.master, setting_bound(name), clear).map_err(|e| broken(&e))
    }

    /// Opens a setting of the installation.
    pub(crate) fn open_setting(&self, name: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, Error> {
        sealed.open(&self.master, setting_bound(name)).map_err(|e| broken(&e))
    }

    fn sealed(&self, key: &SealingKey, bound: Bound<'_>, clear: &[u8]) -> Result<Sealed, DoesNotOpen> {
        let mut nonce = [0; NONCE_BYTES];
        self.entropy.fill(&mut nonce);
        Sealed::seal(key, nonce, bound, clear)
    }

    /// The tenant's data key; made when it is first needed.
    async fn data_key(&self, tenant: TenantId) -> Result<SealingKey, Error> {
        if let Some(key) = self.stored_data_key(tenant, DATA_KEY).await? {
            return Ok(key);
        }
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        self.entropy.fill(&mut *bytes);
        let key = SealingKey::new(bytes);
        let sealed = self.sealed(&self.master, data_key_bound(tenant), key.bytes()).map_err(|e| broken(&e))?;
        match self.keep(tenant, DATA_KEY, &sealed).await {
            Ok(()) => Ok(key),
            // Somebody else was first: theirs counts.
            Err(CommitError::Unexpected { .. }) => {
                self.stored_data_key(tenant, DATA_KEY).await?.ok_or_else(|| broken(&"a data key came and went"))
            }
            Err(other) => Err(other.into()),
        }
    }

    async fn stored_data_key(&self, tenant: TenantId, name: &str) -> Result<Option<SealingKey>, Error> {
        let stored = self.store.document(tenant, DocumentKind::Setting, name).await?;
        let Some(stored) = stored else { return Ok(None) };
        let sealed: Sealed = serde_json::from_slice(&stored).map_err(|e| broken(&e))?;
        let bytes = sealed.open(&self.master, data_key_bound(tenant)).map_err(|e| broken(&e))?;
        let bytes = <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).map_err(|e| broken(&e))?;
        Ok(Some(SealingKey::new(Zeroizing::new(bytes))))
    }

    async fn keep(&self, tenant: TenantId, key: &str, sealed: &Sealed) -> Result<(), CommitError> {
        let value = serde_json::to_vec(sealed).map_err(|e| StoreError::Unavailable(e.to_string()))?;
        let documents = vec![setting(key, Some(value.into()), Expect::Absent)];
        self.commit(Transition { tenant, execution: None, documents }).await
    }

    async fn commit(&self, transition: Transition) -> Result<(), CommitError> {
        self.store.commit(vec![transition]).await.into_iter().collect()
    }
}

/// Where a sealed text belongs, within its tenant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// The secret of this name.
    Secret(&'a str),
    /// The definition of the workflow with this id.
    Definition(&'a str),
}

impl<'a> Place<'a> {
    fn bound(self, tenant: TenantId) -> Bound<'a> {
        let (kind, name) = match self {
            Self::Secret(name) => ("secret", name),
            Self::Definition(id) => ("definition", id),
        };
        Bound { kind, tenant: tenant.0, name }
    }
}

pub(super) fn setting(key: &str, value: Option<Bytes>, expect: Expect) -> DocumentWrite {
    DocumentWrite { kind: DocumentKind::Setting, key: key.to_owned(), value, expect }
}

pub(super) fn setting_bound(name: &str) -> Bound<'_> {
    Bound { kind: "setting", tenant: TenantId::DEFAULT.0, name }
}

pub(super) fn check_bound() -> Bound<'static> {
    Bound { kind: "check", tenant: TenantId::DEFAULT.0, name: CHECK }
}

pub(super) fn data_key_bound(tenant: TenantId) -> Bound<'static> {
    Bound { kind: "data-key", tenant: tenant.0, name: DATA_KEY }
}

fn broken(why: &dyn std::fmt::Display) -> Error {
    Error::broken("a sealed value cannot be read", why)
}
