//! A tenant's secrets: sealed when they come in, opened only to call a function, and taken out of whatever that function says.

mod forms;
mod keyring;
mod redact;
mod reseal;
mod rewrap;
mod seal;

pub(crate) use keyring::Place;
pub use keyring::{Keyring, KeyringError};
pub(crate) use redact::Redactor;
pub(crate) use seal::Sealed;
pub use seal::{NoKey, SealingKey};

use crate::committer::Committer;
use crate::ports::{Clock, CommitError, DocumentKind, DocumentWrite, Expect, Page, Store, Transition};
use crate::{Error, sound};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stepwell_core::ids::{NAME_BYTES, TenantId, is_secret_name};
use stepwell_core::secrets::SecretValues;
use stepwell_core::time::Timestamp;

/// `secret_bytes`: the longest value. A key or a certificate chain fits; what is larger is a file, not a secret.
pub const SECRET_BYTES: usize = 32 << 10;
/// How many secrets a page of the list has, unless fewer are asked for.
pub const SECRETS_PAGE: usize = 100;
/// How often a write is tried again because another one of the same secret came first.
const WRITES_AT_ONCE: u32 = 64;

/// The secrets of all tenants.
pub struct Secrets {
    store: Arc<dyn Store>,
    committer: Committer,
    clock: Arc<dyn Clock>,
    keyring: Arc<Keyring>,
    most: usize,
    /// Held while a tenant's secrets are sealed again.
    rotating: tokio::sync::Mutex<()>,
}

/// What may be told of a secret: everything but its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFacts {
    /// Its name.
    pub name: String,
    /// When it was first set.
    pub created_at: Timestamp,
    /// When its value was last set.
    pub updated_at: Timestamp,
    /// How often its value was set, from 1.
    pub version: u32,
}

/// One page of a list.
#[derive(Debug)]
pub struct SecretList {
    /// In the order of their names.
    pub items: Vec<SecretFacts>,
    /// The name to go on after; `None`: that was all.
    pub next: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    created_at: Timestamp,
    updated_at: Timestamp,
    sealed: Sealed,
}

impl Document {
    fn facts(&self, name: &str) -> SecretFacts {
        let Self { version, created_at, updated_at, .. } = *self;
        SecretFacts { name: name.to_owned(), created_at, updated_at, version }
    }
}

/// What the secrets need.
pub(crate) struct SecretsParts {
    pub store: Arc<dyn Store>,
    pub committer: Committer,
    pub clock: Arc<dyn Clock>,
    pub keyring: Arc<Keyring>,
    pub most: usize,
}

impl Secrets {
    pub(crate) fn new(parts: SecretsParts) -> Self {
        let SecretsParts { store, committer, clock, keyring, most } = parts;
        Self { store, committer, clock, keyring, most, rotating: tokio::sync::Mutex::default() }
    }

    /// Sets a secret's value: 1 to [`SECRET_BYTES`] bytes of text.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that no expression could use, [`Error::WrongShape`], [`Error::TooLarge`], [`Error::LimitReached`].
    pub async fn put(&self, tenant: TenantId, name: &str, value: &str) -> Result<SecretFacts, Error> {
        check_name(name)?;
        check_value(value)?;
        let sealed = self.keyring.seal(tenant, Place::Secret(name), value).await?;
        for _ in 0..WRITES_AT_ONCE {
            if let Some(facts) = self.try_put(tenant, name, &sealed).await? {
                return Ok(facts);
            }
        }
        let message = format!("the secret {name:?} is being changed by other requests; send it again");
        Err(Error::Conflict { code: "concurrent_change", message })
    }

    /// `None` if somebody else changed it in the meantime.
    async fn try_put(&self, tenant: TenantId, name: &str, sealed: &Sealed) -> Result<Option<SecretFacts>, Error> {
        let known = self.store.document(tenant, DocumentKind::Secret, name).await?;
        if known.is_none() {
            self.check_room(tenant).await?;
        }
        let now = self.clock.now();
        let (version, created_at) = match &known {
            None => (1, now),
            Some(bytes) => read(bytes).map(|known| (known.version.saturating_add(1), known.created_at))?,
        };
        let document = Document { version, created_at, updated_at: now, sealed: sealed.clone() };
        let value = serde_json::to_vec(&document).map_err(|e| Error::broken("a secret cannot be written", &e))?;
        let written = self.write(tenant, name, known, Some(value.into())).await?;
        Ok(written.then(|| document.facts(name)))
    }

    async fn check_room(&self, tenant: TenantId) -> Result<(), Error> {
        let page = Page { after: None, limit: self.most };
        if self.store.documents(tenant, DocumentKind::Secret, "", page).await?.len() < self.most {
            return Ok(());
        }
        let message = format!("{} secrets are stored, the most that a tenant may have", self.most);
        Err(Error::LimitReached { limit: "secrets", message })
    }

    /// False if it is no longer as `known`.
    async fn write(
        &self,
        tenant: TenantId,
        name: &str,
        known: Option<Bytes>,
        value: Option<Bytes>,
    ) -> Result<bool, Error> {
        let expect = known.map_or(Expect::Absent, Expect::Value);
        let write = DocumentWrite { kind: DocumentKind::Secret, key: name.to_owned(), value, expect };
        match self.committer.commit(Transition { tenant, execution: None, documents: vec![write] }).await {
            Ok(()) => Ok(true),
            Err(CommitError::Unexpected { .. }) => Ok(false),
            Err(other) => Err(other.into()),
        }
    }

    /// What may be told of one secret.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn facts(&self, tenant: TenantId, name: &str) -> Result<SecretFacts, Error> {
        let bytes = self.stored(tenant, name).await?.ok_or_else(|| not_found(name))?;
        Ok(read(&bytes)?.facts(name))
    }

    /// At most so many secrets, in the order of their names, after this one.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, tenant: TenantId, after: Option<String>, most: usize) -> Result<SecretList, Error> {
        let limit = most.clamp(1, SECRETS_PAGE);
        let page = Page { after, limit: limit + 1 };
        let stored = sound::listed(&*self.store, (tenant, DocumentKind::Secret), "", page).await?;
        let items = stored.iter().take(limit).map(|(name, bytes)| Ok(read(bytes)?.facts(name)));
        let items: Vec<SecretFacts> = items.collect::<Result<_, Error>>()?;
        let next = if stored.len() > limit { items.last().map(|last| last.name.clone()) } else { None };
        Ok(SecretList { items, next })
    }

    /// Forgets a secret.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete(&self, tenant: TenantId, name: &str) -> Result<(), Error> {
        for _ in 0..WRITES_AT_ONCE {
            let known = self.stored(tenant, name).await?.ok_or_else(|| not_found(name))?;
            if self.write(tenant, name, Some(known), None).await? {
                return Ok(());
            }
        }
        let message = format!("the secret {name:?} is being changed by other requests; delete it again");
        Err(Error::Conflict { code: "concurrent_change", message })
    }

    /// The values of those of these secrets that are set.
    ///
    /// # Errors
    /// The store's, or [`Error::Broken`] if one does not open.
    pub(crate) async fn values(
        &self,
        tenant: TenantId,
        names: impl IntoIterator<Item = &String>,
    ) -> Result<SecretValues, Error> {
        let mut values = Vec::new();
        for name in names {
            if let Some(bytes) = self.stored(tenant, name).await? {
                let value = self.keyring.open(tenant, Place::Secret(name), &read(&bytes)?.sealed).await?;
                values.push((name.clone(), value));
            }
        }
        Ok(values.into_iter().collect())
    }

    async fn stored(&self, tenant: TenantId, name: &str) -> Result<Option<Bytes>, Error> {
        if !is_secret_name(name) {
            return Ok(None);
        }
        Ok(self.store.document(tenant, DocumentKind::Secret, name).await?)
    }
}

fn read(bytes: &[u8]) -> Result<Document, Error> {
    serde_json::from_slice(bytes).map_err(|e| Error::broken("a secret cannot be read", &e))
}

fn not_found(name: &str) -> Error {
    Error::NotFound { what: "secret", id: name.to_owned() }
}

/// The name that is a route: `POST /secrets/rotate`.
const RESERVED: &str = "rotate";

fn check_name(name: &str) -> Result<(), Error> {
    if name == RESERVED {
        let message = format!("the name {RESERVED:?} is reserved; choose another, such as ROTATE");
        return Err(Error::Refused { code: "invalid_secret_name", message });
    }
    if is_secret_name(name) {
        return Ok(());
    }
    let message = format!(
        "a secret's name has 1 to {NAME_BYTES} letters (a-z, A-Z), digits and `_`, and does not start with a digit, so that it can stand after `secrets.`"
    );
    Err(Error::Refused { code: "invalid_secret_name", message })
}

fn check_value(value: &str) -> Result<(), Error> {
    if value.trim().is_empty() {
        let message = "`value` is empty; to remove a secret, delete it".to_owned();
        return Err(Error::WrongShape { field: "value", message });
    }
    if value.len() > SECRET_BYTES {
        let message =
            format!("the value has {} bytes; at most {SECRET_BYTES} are kept (limit `secret_bytes`)", value.len());
        return Err(Error::TooLarge { limit: "secret_bytes", message });
    }
    Ok(())
}
