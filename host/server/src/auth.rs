//! Who is asking: bearer keys, hashed at rest, compared by hash.

use crate::error::ApiError;
use crate::routes::App;
use crate::system;
use axum::extract::FromRequestParts;
use axum::http::{StatusCode, header, request::Parts};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use stepwell_core::ids::{Digest, TenantId};
use stepwell_core::time::Timestamp;
use stepwell_engine::ports::{DocumentKind, DocumentWrite, Expect, Page, Store, StoreError, Transition};

/// How our keys begin, so that scanners for leaked keys can find them.
const PREFIX: &str = "swk_";
/// Shortest key that an operator may set (http-api.md section 4).
const OWN_KEY_CHARS: usize = 32;
/// Longest key that is looked at: longer ones cannot be ours.
const KEY_BYTES: usize = 512;

/// Somebody with a valid key.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Whose data they may use.
    pub tenant: TenantId,
    /// Who they are, for `by` in histories.
    pub subject: String,
    /// What they may do.
    pub scopes: Vec<String>,
    /// The groups that they are in, as `group:x` (semantics H2).
    pub groups: Vec<String>,
}

/// The scope that includes all others.
const ADMIN: &str = "admin";

impl Caller {
    /// Somebody who may do everything.
    fn admin(tenant: TenantId) -> Self {
        Self { tenant, subject: "admin".to_owned(), scopes: vec![ADMIN.to_owned()], groups: Vec::new() }
    }

    /// Whether the key has this scope.
    #[must_use]
    pub fn may(&self, scope: &str) -> bool {
        self.scopes.iter().any(|has| has == scope || has == ADMIN)
    }

    /// The same as an answer: 403.
    ///
    /// # Errors
    /// The key does not have the scope.
    pub fn needs(&self, scope: &str) -> Result<(), ApiError> {
        if self.may(scope) {
            return Ok(());
        }
        let message = format!("this needs a key with the scope `{scope}`");
        Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredKey {
    subject: String,
    scopes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    created_at: Timestamp,
}

/// The keys of the default tenant: other tenants come with the admin API.
pub struct Keys {
    store: Arc<dyn Store>,
    known: Mutex<HashMap<Digest, Caller>>,
}

/// Why the keys cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The operator's key is too short or has other characters.
    #[error("STEPWELL_ADMIN_KEY needs at least {OWN_KEY_CHARS} printable ASCII characters without spaces")]
    WeakKey,
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key could not be written.
    #[error("the first admin key cannot be kept: {0}")]
    Refused(String),
}

impl Keys {
    /// The keys in this store, and the operator's own one, which is never stored.
    ///
    /// # Errors
    /// [`KeyError::WeakKey`].
    pub fn new(store: Arc<dyn Store>, own: Option<&str>) -> Result<Self, KeyError> {
        let mut known = HashMap::new();
        if let Some(own) = own {
            if own.len() < OWN_KEY_CHARS || !own.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(KeyError::WeakKey);
            }
            known.insert(hash(own), Caller::admin(TenantId::DEFAULT));
        }
        Ok(Self { store, known: Mutex::new(known) })
    }

    /// Makes the first admin key if there is none at all; it is returned once, in the clear.
    ///
    /// # Errors
    /// The store's.
    pub async fn first_key(&self, now: Timestamp) -> Result<Option<String>, KeyError> {
        let page = Page { after: None, limit: 1 };
        let stored = self.store.documents(TenantId::DEFAULT, DocumentKind::ApiKey, "", page).await?;
        if !stored.is_empty() || !self.lock().is_empty() {
            return Ok(None);
        }
        let key = format!("{PREFIX}{}", system::random_text::<32>());
        let Caller { subject, scopes, groups, .. } = Caller::admin(TenantId::DEFAULT);
        let value = StoredKey { subject, scopes, groups, created_at: now };
        let value = serde_json::to_vec(&value).map_err(|e| KeyError::Refused(e.to_string()))?;
        let write = DocumentWrite {
            kind: DocumentKind::ApiKey,
            key: hash(&key).hex(),
            value: Some(value.into()),
            expect: Expect::Absent,
        };
        let transition = Transition { tenant: TenantId::DEFAULT, execution: None, documents: vec![write] };
        for result in self.store.commit(vec![transition]).await {
            result.map_err(|e| KeyError::Refused(e.to_string()))?;
        }
        Ok(Some(key))
    }

    async fn caller(&self, key: &str) -> Result<Option<Caller>, ApiError> {
        let hash = hash(key);
        if let Some(caller) = self.lock().get(&hash) {
            return Ok(Some(caller.clone()));
        }
        let stored = self.store.document(TenantId::DEFAULT, DocumentKind::ApiKey, &hash.hex()).await;
        let Some(bytes) = stored.map_err(stepwell_engine::Error::from)? else { return Ok(None) };
        let stored: StoredKey = serde_json::from_slice(&bytes)
            .map_err(|e| ApiError::from(stepwell_engine::Error::broken("an API key cannot be read", &e)))?;
        let StoredKey { subject, scopes, groups, .. } = stored;
        let caller = Caller { tenant: TenantId::DEFAULT, subject, scopes, groups };
        self.lock().insert(hash, caller.clone());
        Ok(Some(caller))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Caller>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(key: &str) -> Digest {
    Digest(Sha256::digest(key.as_bytes()).into())
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let refused = |message: &str| ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
        let missing = || refused("send an API key: Authorization: Bearer <key>");
        let mut given = parts.headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (given.next(), given.next()) else { return Err(missing()) };
        let (scheme, key) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(missing)?;
        let key = key.trim();
        if !scheme.eq_ignore_ascii_case("bearer") || key.is_empty() || key.len() > KEY_BYTES {
            return Err(missing());
        }
        app.keys().caller(key).await?.ok_or_else(|| refused("this API key is not known"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_admin_scope_includes_all_others_and_no_other_does() {
        let admin = Caller::admin(TenantId::DEFAULT);
        let scopes = vec!["approve".to_owned()];
        let approver = Caller { scopes, ..admin.clone() };
        let nobody = Caller { scopes: Vec::new(), ..admin.clone() };
        let may = |caller: &Caller| (caller.may("admin"), caller.may("approve"));
        assert_eq!((may(&admin), may(&approver), may(&nobody)), ((true, true), (false, true), (false, false)));
        assert_eq!(nobody.needs("approve").map_err(|error| error.status()), Err(StatusCode::FORBIDDEN));
    }
}
