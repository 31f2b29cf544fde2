//! API keys: who asks, for which tenant, and what they may do. The text of a key is shown once; the store has its hash.
//!
//! A key says which tenant's it is ([`text`]), so that it is a document of that tenant, and goes with it. What was found is remembered; a
//! key that is revoked is forgotten before anybody is told that it is ([`Keys::revoke`]). When one was last used is written in the
//! background, at most once a minute ([`uses`]).

mod new;
mod text;
mod uses;

pub use new::NewKey;
pub(crate) use uses::{Use, watch_uses};

use crate::committer::Committer;
use crate::ports::{Clock, DocumentKind, DocumentWrite, Entropy, Expect, Page, Store, Transition};
use crate::{Error, sound};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stepwell_core::ids::{Digest, TenantId};
use stepwell_core::time::Timestamp;
use tokio::sync::{mpsc, watch};

/// `api_keys` of a tenant: a list of them can be read, sorted and looked through.
const KEYS: usize = 1_000;
/// Keys that are remembered; then all are forgotten and read again.
const REMEMBERED: usize = 10_000;
/// How the ids of keys begin.
const ID_PREFIX: &str = "key-";
/// Hexadecimal digits of the hash in an id.
const ID_DIGITS: usize = 32;

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look at everything but keys and the audit log.
    Read,
    /// Start and control executions, publish events.
    Trigger,
    /// Change definitions, functions, agents, secrets.
    Deploy,
    /// Answer approvals.
    Approve,
    /// All of it, and keys and the audit log.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Read, Self::Trigger, Self::Deploy, Self::Approve, Self::Admin];

    /// As the API writes it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Trigger => "trigger",
            Self::Deploy => "deploy",
            Self::Approve => "approve",
            Self::Admin => "admin",
        }
    }

    /// The scope that is written so.
    #[must_use]
    pub fn called(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.word() == word)
    }
}

/// A key as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    subject: String,
    /// Words, so that one of a later version does no harm.
    scopes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
}

/// What may be told of a key.
#[derive(Debug, Clone)]
pub struct KeyFacts {
    /// `key-…`
    pub id: String,
    /// For people.
    pub name: Option<String>,
    /// Its first and last characters; of an early one it is not known.
    pub hint: Option<String>,
    /// In whose name it asks.
    pub subject: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The groups that its holder is in, as `group:x`.
    pub groups: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: Option<String>,
    /// From then on it is refused.
    pub expires_at: Option<Timestamp>,
    /// To the minute.
    pub last_used_at: Option<Timestamp>,
}

/// A part of a list of keys.
#[derive(Debug, Clone)]
pub struct KeyPage {
    /// In the order of their making.
    pub items: Vec<KeyFacts>,
    /// After which id to go on.
    pub next: Option<String>,
}

/// Somebody with a key that there is.
#[derive(Debug)]
pub struct KeyHolder {
    /// Whose data they may use.
    pub tenant: TenantId,
    /// What is known of the key.
    pub facts: KeyFacts,
    hash: Digest,
    /// When a use was last noted, milliseconds.
    noted: AtomicU64,
}

/// The keys of all tenants.
pub struct Keys {
    store: Arc<dyn Store>,
    committer: Committer,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    known: Mutex<Known>,
    /// One is made at a time, so that the limit holds.
    making: tokio::sync::Mutex<()>,
    uses: mpsc::Sender<uses::Use>,
    /// Counts the keys that were revoked, for whoever waits for one.
    told: watch::Sender<u64>,
}

#[derive(Default)]
struct Known {
    holders: HashMap<Digest, Arc<KeyHolder>>,
    /// Counts what was forgotten: what was read from the store before is not kept after it.
    changes: u64,
}

/// What keys need.
pub(crate) struct KeysParts {
    pub store: Arc<dyn Store>,
    pub committer: Committer,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

impl Keys {
    /// Those of this store, and what [`watch_uses`] gets to write.
    pub(crate) fn new(parts: KeysParts) -> (Self, mpsc::Receiver<uses::Use>) {
        let KeysParts { store, committer, clock, entropy } = parts;
        let (uses, waiting) = mpsc::channel(uses::QUEUE);
        let (known, making) = (Mutex::default(), tokio::sync::Mutex::default());
        (Self { store, committer, clock, entropy, known, making, uses, told: watch::Sender::new(0) }, waiting)
    }

    /// Who has this key. It may have expired, and its tenant may be suspended.
    ///
    /// # Errors
    /// The store's.
    pub async fn holder(&self, key: &str) -> Result<Option<Arc<KeyHolder>>, Error> {
        // A text that is no key of ours costs nothing, however many are tried.
        let Some(tenant) = text::tenant(key) else { return Ok(None) };
        let hash = hash(key);
        let changes = {
            let known = self.lock();
            if let Some(holder) = known.holders.get(&hash) {
                return Ok(Some(Arc::clone(holder)));
            }
            known.changes
        };
        let Some(bytes) = self.store.document(tenant, DocumentKind::ApiKey, &hash.hex()).await? else {
            return Ok(None);
        };
        let facts = facts(&hash.hex(), &bytes)?;
        let noted = AtomicU64::new(facts.last_used_at.map_or(0, |at| at.0));
        let holder = Arc::new(KeyHolder { tenant, facts, hash, noted });
        let mut known = self.lock();
        if known.changes == changes {
            if known.holders.len() >= REMEMBERED {
                known.holders.clear();
            }
            known.holders.insert(hash, Arc::clone(&holder));
        }
        Ok(Some(holder))
    }

    /// The keys of a tenant, in the order of their making.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, tenant: TenantId, after: Option<&str>, limit: usize) -> Result<KeyPage, Error> {
        let page = Page { after: None, limit: KEYS };
        let found = sound::listed(&*self.store, (tenant, DocumentKind::ApiKey), "", page).await?;
        let mut all = found.iter().map(|(hash, bytes)| facts(hash, bytes)).collect::<Result<Vec<_>, Error>>()?;
        all.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        let behind = after.map_or(0, |after| all.iter().position(|key| key.id == after).map_or(all.len(), |at| at + 1));
        let mut items = all.split_off(behind);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last| last.id.clone());
        Ok(KeyPage { items, next })
    }

    /// All of them, or none: whether there is a key at all must not be decided without a damaged one.
    async fn all(&self, tenant: TenantId) -> Result<Vec<KeyFacts>, Error> {
        let page = Page { after: None, limit: KEYS };
        let found = self.store.documents(tenant, DocumentKind::ApiKey, "", page).await?;
        found.iter().map(|(hash, bytes)| facts(hash, bytes)).collect()
    }

    /// What may be told of a key.
    ///
    /// # Errors
    /// [`Error::NotFound`]; the store's.
    pub async fn facts(&self, tenant: TenantId, id: &str) -> Result<KeyFacts, Error> {
        let (hash, bytes) = self.stored(tenant, id).await?;
        facts(&hash, &bytes)
    }

    /// From now on this key is refused.
    ///
    /// # Errors
    /// As [`Keys::facts`].
    pub async fn revoke(&self, tenant: TenantId, id: &str) -> Result<(), Error> {
        let (hash, _) = self.stored(tenant, id).await?;
        let write = DocumentWrite { kind: DocumentKind::ApiKey, key: hash, value: None, expect: Expect::Anything };
        self.committer.commit(Transition { tenant, execution: None, documents: vec![write] }).await?;
        let mut known = self.lock();
        known.changes += 1;
        known.holders.retain(|_, holder| holder.tenant != tenant || holder.facts.id != id);
        drop(known);
        self.told.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Told of every key that is revoked.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.told.subscribe()
    }

    /// A key's hash and document.
    async fn stored(&self, tenant: TenantId, id: &str) -> Result<(String, Bytes), Error> {
        let not_found = || Error::NotFound { what: "key", id: id.chars().take(80).collect() };
        let digits = id.strip_prefix(ID_PREFIX).ok_or_else(not_found)?;
        if digits.len() != ID_DIGITS || !digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(not_found());
        }
        let page = Page { after: None, limit: 1 };
        let found = self.store.documents(tenant, DocumentKind::ApiKey, digits, page).await?;
        found.into_iter().next().ok_or_else(not_found)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(key: &str) -> Digest {
    Digest(Sha256::digest(key.as_bytes()).into())
}

fn facts(hash: &str, bytes: &[u8]) -> Result<KeyFacts, Error> {
    let stored: Stored = serde_json::from_slice(bytes).map_err(|e| Error::broken("an API key cannot be read", &e))?;
    Ok(KeyFacts {
        id: format!("{ID_PREFIX}{}", hash.get(..ID_DIGITS).unwrap_or_default()),
        name: stored.name,
        hint: stored.hint,
        subject: stored.subject,
        scopes: stored.scopes.iter().filter_map(|word| Scope::called(word)).collect(),
        groups: stored.groups,
        created_at: stored.created_at,
        created_by: stored.created_by,
        expires_at: stored.expires_at,
        last_used_at: stored.last_used_at,
    })
}
