//! Values that a tenant's functions keep: by key, with a version that every change raises, so that two never overwrite each other unseen.
//!
//! A key is two documents that are always written together: what is told of it, which is small and decides whether a change may happen, and
//! the value.

use crate::committer::Committer;
use crate::meters::Meters;
use crate::ports::{
    Clock, CommitError, DocumentKind, DocumentWrite, Entropy, Expect, Expected, Page, Store, Transition,
};
use crate::{Error, sound};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use stepwell_core::ids::TenantId;
use stepwell_core::time::Timestamp;

/// `kv_key_bytes`: the longest key. The store's own are a little longer.
pub const KV_KEY_BYTES: usize = 500;
/// `kv_value_bytes`: the longest value. What is larger belongs into a store of files.
pub const KV_VALUE_BYTES: usize = 64 << 10;
/// Most keys of one page.
pub const KV_PAGE: usize = 200;
/// How often a change is tried again because another one of the same key came first.
const CHANGES_AT_ONCE: u32 = 64;
/// Bytes of the version before a value.
const VERSION_BYTES: usize = 8;
/// What is told of so many keys is read at one time when they are counted.
const COUNTED: usize = 1_000;

/// How much of it a tenant may have.
#[derive(Debug, Clone, Copy)]
pub struct KeyValueLimits {
    /// `kv_keys`
    pub keys: u64,
    /// `kv_bytes`: all keys and values together.
    pub bytes: u64,
}

impl Default for KeyValueLimits {
    /// Enough for the state of an integration, and no database.
    fn default() -> Self {
        Self { keys: 100_000, bytes: 256 << 20 }
    }
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValueEntry {
    /// The bytes.
    pub value: Bytes,
    /// Its number.
    pub version: u64,
}

/// What may be told of a key without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValueFacts {
    /// The value's number.
    pub version: u64,
    /// The value's length.
    pub bytes: u64,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A part of the list of keys.
#[derive(Debug)]
pub struct KeyPart {
    /// In the order of the keys.
    pub items: Vec<(String, ValueFacts)>,
    /// Whether there are more.
    pub more: bool,
}

/// How much a tenant has.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    keys: u64,
    bytes: u64,
}

/// The values of all tenants.
pub struct KeyValues {
    store: Arc<dyn Store>,
    committer: Committer,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    limits: KeyValueLimits,
    /// Counts the bytes that are kept with all others of the tenant.
    meters: Arc<Meters>,
    /// Counted when a tenant first writes, kept up to date by its commits.
    sizes: Arc<Mutex<HashMap<TenantId, Size>>>,
}

/// A change of one key.
struct Change<'a> {
    key: &'a str,
    /// `None`: it goes away.
    value: Option<&'a [u8]>,
    expected: Expected,
}

impl KeyValues {
    pub(crate) fn new(
        (store, committer): (Arc<dyn Store>, Committer),
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
        (limits, meters): (KeyValueLimits, Arc<Meters>),
    ) -> Self {
        Self { store, committer, clock, entropy, limits, meters, sizes: Arc::default() }
    }

    /// The value of a key, as far as it is durable.
    ///
    /// # Errors
    /// [`Error::WrongShape`] for what is no key; the store's.
    pub async fn get(&self, tenant: TenantId, key: &str) -> Result<Option<KeyValueEntry>, Error> {
        check_key(key)?;
        let Some(bytes) = self.store.document(tenant, DocumentKind::KeyValue, key).await? else { return Ok(None) };
        // It may be read a moment before it is durable.
        self.committer.settled().await;
        let split = bytes.split_first_chunk::<VERSION_BYTES>();
        let (version, _) = split.ok_or_else(|| Error::broken("a value cannot be read", &"it is too short"))?;
        Ok(Some(KeyValueEntry { version: u64::from_be_bytes(*version), value: bytes.slice(VERSION_BYTES..) }))
    }

    /// What may be told of a key.
    ///
    /// # Errors
    /// As [`KeyValues::get`].
    pub async fn facts(&self, tenant: TenantId, key: &str) -> Result<Option<ValueFacts>, Error> {
        check_key(key)?;
        let known = self.store.document(tenant, DocumentKind::KeyFacts, key).await?;
        known.map(|bytes| read(&bytes)).transpose()
    }

    /// Gives a key a value, and answers the value's version. On return it is durable.
    ///
    /// # Errors
    /// [`Error::WrongShape`], [`Error::TooLarge`], [`Error::LimitReached`]; [`Error::PreconditionFailed`] if it is not as expected.
    pub async fn put(&self, tenant: TenantId, (key, value): (&str, &[u8]), expected: Expected) -> Result<u64, Error> {
        check_key(key)?;
        if value.len() > KV_VALUE_BYTES {
            let message = format!(
                "the value has {} bytes; at most {KV_VALUE_BYTES} are kept (limit `kv_value_bytes`): keep large data elsewhere, and its address here",
                value.len()
            );
            return Err(Error::TooLarge { limit: "kv_value_bytes", message });
        }
        self.change(tenant, &Change { key, value: Some(value), expected }).await
    }

    /// Takes a key away; one that is not there is no error, unless a version is expected. On return that is durable.
    ///
    /// # Errors
    /// [`Error::WrongShape`]; [`Error::PreconditionFailed`] if it is not as expected.
    pub async fn remove(&self, tenant: TenantId, key: &str, expected: Expected) -> Result<(), Error> {
        check_key(key)?;
        self.change(tenant, &Change { key, value: None, expected }).await.map(|_| ())
    }

    /// The keys with this beginning that are greater than `after`, at most so many, and never more than [`KV_PAGE`].
    ///
    /// # Errors
    /// The store's.
    pub async fn keys(
        &self,
        tenant: TenantId,
        prefix: &str,
        (after, limit): (Option<String>, usize),
    ) -> Result<KeyPart, Error> {
        if [Some(prefix), after.as_deref()].into_iter().flatten().any(|text| text.len() > KV_KEY_BYTES) {
            return Err(Error::WrongShape { field: "key", message: KEY_RULE.to_owned() });
        }
        let limit = limit.clamp(1, KV_PAGE);
        let page = Page { after, limit: limit + 1 };
        let mut found = sound::listed(&*self.store, (tenant, DocumentKind::KeyFacts), prefix, page).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let items = found.into_iter().map(|(key, bytes)| read(&bytes).map(|facts| (key, facts)));
        let items = items.collect::<Result<Vec<_>, Error>>()?;
        self.committer.settled().await;
        Ok(KeyPart { items, more })
    }

    async fn change(&self, tenant: TenantId, change: &Change<'_>) -> Result<u64, Error> {
        for _ in 0..CHANGES_AT_ONCE {
            if let Some(version) = self.try_change(tenant, change).await? {
                return Ok(version);
            }
        }
        let message = format!("the key {:?} is being changed by others; try again", change.key);
        Err(Error::Conflict { code: "concurrent_change", message })
    }

    /// `None` if somebody else changed it in the meantime. What was removed has the version 0.
    async fn try_change(&self, tenant: TenantId, change: &Change<'_>) -> Result<Option<u64>, Error> {
        let known = self.store.document(tenant, DocumentKind::KeyFacts, change.key).await?;
        let facts: Option<ValueFacts> = known.as_deref().map(read).transpose()?;
        check_expected(change, facts.as_ref())?;
        let now = self.clock.now();
        let before = facts.as_ref().map_or_else(Size::default, |facts| size(change.key, facts.bytes));
        let next = change.value.map(|value| ValueFacts {
            version: self.next_version(facts.as_ref(), now),
            bytes: value.len() as u64,
            updated_at: now,
        });
        let after = next.as_ref().map_or_else(Size::default, |facts| size(change.key, facts.bytes));
        if known.is_none() && next.is_none() {
            return Ok(Some(0));
        }
        self.check_room(tenant, before, after).await?;
        let documents = documents(change, known, next.as_ref())?;
        let sizes = Arc::clone(&self.sizes);
        let then = Box::new(move || {
            let mut sizes = sizes.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(size) = sizes.get_mut(&tenant) {
                size.keys = size.keys.saturating_add(after.keys).saturating_sub(before.keys);
                size.bytes = size.bytes.saturating_add(after.bytes).saturating_sub(before.bytes);
            }
        });
        match self.committer.commit_then(Transition { tenant, execution: None, documents }, then).await {
            Ok(()) => {
                let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
                self.meters.wrote(tenant, (signed(after.bytes) - signed(before.bytes), 0), now);
                Ok(Some(next.map_or(0, |facts| facts.version)))
            }
            Err(CommitError::Unexpected { .. }) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// It rises, and begins by the clock: a key that comes again after it was removed does not get a number that it had.
    fn next_version(&self, facts: Option<&ValueFacts>, now: Timestamp) -> u64 {
        let mut chance = [0; 1];
        self.entropy.fill(&mut chance);
        let fresh = (now.0 << 10) | u64::from(chance[0]);
        facts.map_or(fresh, |facts| fresh.max(facts.version.saturating_add(1)))
    }

    async fn check_room(&self, tenant: TenantId, before: Size, after: Size) -> Result<(), Error> {
        if after.keys <= before.keys && after.bytes <= before.bytes {
            return Ok(());
        }
        let has = self.size(tenant).await?;
        if has.keys.saturating_add(after.keys).saturating_sub(before.keys) > self.limits.keys {
            let message = format!("{} keys are kept, the most that a tenant may have: remove some", has.keys);
            return Err(Error::LimitReached { limit: "kv_keys", message });
        }
        if has.bytes.saturating_add(after.bytes).saturating_sub(before.bytes) > self.limits.bytes {
            let message = format!(
                "{} bytes are kept, and a tenant may have {}: remove some, or keep large data elsewhere",
                has.bytes, self.limits.bytes
            );
            return Err(Error::LimitReached { limit: "kv_bytes", message });
        }
        Ok(())
    }

    /// How much the tenant has. Two that count at the same time agree: nothing is changed by this tenant before one has counted.
    async fn size(&self, tenant: TenantId) -> Result<Size, Error> {
        if let Some(size) = self.lock().get(&tenant) {
            return Ok(*size);
        }
        let (mut total, mut after) = (Size::default(), None);
        loop {
            let page = Page { after: after.take(), limit: COUNTED };
            let found = self.store.documents(tenant, DocumentKind::KeyFacts, "", page).await?;
            let Some((last, _)) = found.last() else { break };
            after = Some(last.clone());
            for (key, bytes) in &found {
                let one = size(key, read::<ValueFacts>(bytes)?.bytes);
                total = Size { keys: total.keys + one.keys, bytes: total.bytes.saturating_add(one.bytes) };
            }
        }
        Ok(*self.lock().entry(tenant).or_insert(total))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TenantId, Size>> {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a key must be.
const KEY_RULE: &str = "a key has 1 to 500 bytes without control characters (limit `kv_key_bytes`)";

fn check_key(key: &str) -> Result<(), Error> {
    if (1..=KV_KEY_BYTES).contains(&key.len()) && !key.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::WrongShape { field: "key", message: KEY_RULE.to_owned() })
}

fn check_expected(change: &Change<'_>, facts: Option<&ValueFacts>) -> Result<(), Error> {
    let version = facts.map(|facts| facts.version);
    let holds = match change.expected {
        Expected::Anything => true,
        Expected::Absent => version.is_none(),
        Expected::Version(wanted) => version == Some(wanted),
    };
    if holds {
        return Ok(());
    }
    let now = version.map_or_else(|| "has no value".to_owned(), |version| format!("has the version {version}"));
    let message = format!("the key {:?} {now} now; read it again and decide anew", change.key);
    Err(Error::PreconditionFailed { message })
}

fn documents(
    change: &Change<'_>,
    known: Option<Bytes>,
    next: Option<&ValueFacts>,
) -> Result<Vec<DocumentWrite>, Error> {
    let unwritable = |e| Error::broken("a value cannot be written", &e);
    let facts = next.map(serde_json::to_vec).transpose().map_err(unwritable)?.map(Bytes::from);
    let value = next.zip(change.value);
    let value = value.map(|(facts, value)| Bytes::from([&facts.version.to_be_bytes(), value].concat()));
    let expect = known.map_or(Expect::Absent, Expect::Value);
    let key = || change.key.to_owned();
    Ok(vec![
        DocumentWrite { kind: DocumentKind::KeyFacts, key: key(), value: facts, expect },
        DocumentWrite { kind: DocumentKind::KeyValue, key: key(), value, expect: Expect::Anything },
    ])
}

fn size(key: &str, bytes: u64) -> Size {
    Size { keys: 1, bytes: bytes.saturating_add(key.len() as u64) }
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|e| Error::broken("what is told of a key cannot be read", &e))
}
