//! A tenant's configuration: texts that are no secrets, for all of its functions that ask for them by name.

use crate::committer::Committer;
use crate::ports::{Clock, DocumentKind, DocumentWrite, Expect, Page, Store, Transition};
use crate::{Error, sound};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stepwell_core::ids::{NAME_BYTES, TenantId, is_secret_name};
use stepwell_core::time::Timestamp;

/// `config_bytes`: the longest text.
pub const CONFIG_BYTES: usize = 8 << 10;
/// `config_names`: how many a tenant may have. A list of them stays short enough to look through.
const CONFIG_NAMES: usize = 1_000;
/// How many a page of the list has, unless fewer are asked for.
pub const CONFIG_PAGE: usize = 100;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigText {
    /// What it says.
    pub value: String,
    /// When it was last set.
    pub updated_at: Timestamp,
}

/// The configuration of all tenants.
pub struct Configuration {
    store: Arc<dyn Store>,
    committer: Committer,
    clock: Arc<dyn Clock>,
}

impl Configuration {
    pub(crate) fn new(store: Arc<dyn Store>, committer: Committer, clock: Arc<dyn Clock>) -> Self {
        Self { store, committer, clock }
    }

    /// The text of this name; `None` if there is none.
    ///
    /// # Errors
    /// The store's.
    pub async fn get(&self, tenant: TenantId, name: &str) -> Result<Option<ConfigText>, Error> {
        if !is_secret_name(name) {
            return Ok(None);
        }
        let stored = self.store.document(tenant, DocumentKind::Config, name).await?;
        stored.map(|bytes| read(&bytes)).transpose()
    }

    /// Sets it.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that is none, [`Error::TooLarge`], [`Error::LimitReached`].
    pub async fn put(&self, tenant: TenantId, name: &str, value: String) -> Result<ConfigText, Error> {
        check_name(name)?;
        if value.len() > CONFIG_BYTES {
            let message =
                format!("the value has {} bytes; at most {CONFIG_BYTES} are kept (limit `config_bytes`)", value.len());
            return Err(Error::TooLarge { limit: "config_bytes", message });
        }
        if self.store.document(tenant, DocumentKind::Config, name).await?.is_none() {
            self.check_room(tenant).await?;
        }
        let text = ConfigText { value, updated_at: self.clock.now() };
        let bytes = serde_json::to_vec(&text).map_err(|e| Error::broken("configuration cannot be written", &e))?;
        self.write(tenant, name, Some(bytes.into())).await?;
        Ok(text)
    }

    async fn check_room(&self, tenant: TenantId) -> Result<(), Error> {
        let page = Page { after: None, limit: CONFIG_NAMES };
        if self.store.documents(tenant, DocumentKind::Config, "", page).await?.len() < CONFIG_NAMES {
            return Ok(());
        }
        let message = format!("{CONFIG_NAMES} names are set, the most that a tenant may have");
        Err(Error::LimitReached { limit: "config_names", message })
    }

    /// At most so many, in the order of their names, after this one; and whether there are more.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(
        &self,
        tenant: TenantId,
        after: Option<String>,
        most: usize,
    ) -> Result<(Vec<(String, ConfigText)>, bool), Error> {
        let limit = most.clamp(1, CONFIG_PAGE);
        let page = Page { after, limit: limit + 1 };
        let stored = sound::listed(&*self.store, (tenant, DocumentKind::Config), "", page).await?;
        let more = stored.len() > limit;
        let items = stored.into_iter().take(limit).map(|(name, bytes)| read(&bytes).map(|text| (name, text)));
        Ok((items.collect::<Result<_, Error>>()?, more))
    }

    /// Takes it away.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete(&self, tenant: TenantId, name: &str) -> Result<(), Error> {
        if self.get(tenant, name).await?.is_none() {
            return Err(Error::NotFound { what: "config", id: name.to_owned() });
        }
        self.write(tenant, name, None).await
    }

    async fn write(&self, tenant: TenantId, name: &str, value: Option<Bytes>) -> Result<(), Error> {
        let (kind, key) = (DocumentKind::Config, name.to_owned());
        let write = DocumentWrite { kind, key, value, expect: Expect::Anything };
        Ok(self.committer.commit(Transition { tenant, execution: None, documents: vec![write] }).await?)
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    if is_secret_name(name) {
        return Ok(());
    }
    let message = format!(
        "a name of configuration has 1 to {NAME_BYTES} letters (a-z, A-Z), digits and `_`, and does not start with a digit"
    );
    Err(Error::Refused { code: "invalid_config_name", message })
}

fn read(bytes: &[u8]) -> Result<ConfigText, Error> {
    serde_json::from_slice(bytes).map_err(|e| Error::broken("configuration cannot be read", &e))
}
