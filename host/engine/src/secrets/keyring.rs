//! The keys: one master key of the installation, which lies outside of the store, and a data key for each tenant, which lies in the store,
//! sealed with the master key.

use super::seal::{Bound, DoesNotOpen, KEY_BYTES, NONCE_BYTES, Sealed, SealingKey};
use crate::Error;
use crate::ports::{CommitError, DocumentKind, DocumentWrite, Entropy, Expect, Store, StoreError, Transition};
use std::sync::Arc;
use stepwell_core::ids::TenantId;
use zeroize::Zeroizing;

/// The setting of the default tenant that tells the right master key from a wrong one.
const CHECK: &str = "master-key-check";
/// What is sealed there.
const CHECKED: &[u8] = b"this is the master key";
/// Each tenant's setting that holds its data key.
const DATA_KEY: &str = "data-key";

/// Why there is no keyring.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The store holds values that were sealed with another master key.
    #[error(
        "this is not the master key that the data was sealed with; start with that key (STEPWELL_MASTER_KEY_FILE or STEPWELL_MASTER_KEY, or master.key in the data folder): without it, secrets cannot be read"
    )]
    WrongMasterKey,
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
            return if opened.is_some_and(|opened| opened.as_slice() == CHECKED) {
                Ok(keyring)
            } else {
                Err(KeyringError::WrongMasterKey)
            };
        }
        let sealed = keyring.sealed(&keyring.master, bound, CHECKED).map_err(|_| KeyringError::WrongMasterKey)?;
        keyring.keep(TenantId::DEFAULT, CHECK, &sealed).await?;
        Ok(keyring)
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
        let opened = sealed.open(&key, place.bound(tenant)).map_err(|e| broken(&e))?;
        let text = std::str::from_utf8(&opened).map_err(|e| broken(&e))?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    fn sealed(&self, key: &SealingKey, bound: Bound<'_>, clear: &[u8]) -> Result<Sealed, DoesNotOpen> {
        let mut nonce = [0; NONCE_BYTES];
        self.entropy.fill(&mut nonce);
        Sealed::seal(key, nonce, bound, clear)
    }

    /// The tenant's data key; made when it is first needed.
    async fn data_key(&self, tenant: TenantId) -> Result<SealingKey, Error> {
        if let Some(key) = self.stored_data_key(tenant).await? {
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
                self.stored_data_key(tenant).await?.ok_or_else(|| broken(&"a data key came and went"))
            }
            Err(other) => Err(other.into()),
        }
    }

    async fn stored_data_key(&self, tenant: TenantId) -> Result<Option<SealingKey>, Error> {
        let stored = self.store.document(tenant, DocumentKind::Setting, DATA_KEY).await?;
        let Some(stored) = stored else { return Ok(None) };
        let sealed: Sealed = serde_json::from_slice(&stored).map_err(|e| broken(&e))?;
        let bytes = sealed.open(&self.master, data_key_bound(tenant)).map_err(|e| broken(&e))?;
        let bytes = <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).map_err(|e| broken(&e))?;
        Ok(Some(SealingKey::new(Zeroizing::new(bytes))))
    }

    async fn keep(&self, tenant: TenantId, key: &str, sealed: &Sealed) -> Result<(), CommitError> {
        let value = serde_json::to_vec(sealed).map_err(|e| StoreError::Unavailable(e.to_string()))?;
        let write = DocumentWrite {
            kind: DocumentKind::Setting,
            key: key.to_owned(),
            value: Some(value.into()),
            expect: Expect::Absent,
        };
        let transition = Transition { tenant, execution: None, documents: vec![write] };
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

fn check_bound() -> Bound<'static> {
    Bound { kind: "check", tenant: TenantId::DEFAULT.0, name: CHECK }
}

fn data_key_bound(tenant: TenantId) -> Bound<'static> {
    Bound { kind: "data-key", tenant: tenant.0, name: DATA_KEY }
}

fn broken(why: &dyn std::fmt::Display) -> Error {
    Error::broken("a sealed value cannot be read", why)
}
