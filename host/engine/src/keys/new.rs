//! A key is made.

use super::text::{self, RANDOM_BYTES};
use super::{DocumentKind, DocumentWrite, Expect, KEYS, KeyFacts, Keys, Scope, Stored, Transition, facts, hash};
use crate::Error;
use crate::answers::check_name;
use stepwell_core::ids::TenantId;
use stepwell_core::time::Timestamp;
use zeroize::Zeroizing;

/// Longest name, bytes.
const NAME_BYTES: usize = 200;
/// Groups of one holder.
const GROUPS: usize = 100;
/// How groups are written where people stand, too.
const GROUP: &str = "group:";
/// Whoever made the first key of all.
const FIRST: &str = "admin";

/// What a key is to be.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    /// For people.
    pub name: Option<String>,
    /// In whose name it asks; left out, the key's own id.
    pub subject: Option<String>,
    /// What it may do: at least one.
    pub scopes: Vec<Scope>,
    /// The groups that its holder is in, with or without `group:`.
    pub groups: Vec<String>,
    /// From then on it is refused.
    pub expires_at: Option<Timestamp>,
    /// Who makes it.
    pub by: Option<String>,
}

impl Keys {
    /// Makes a key: its text, which nobody can show again, and what is known of it.
    ///
    /// # Errors
    /// [`Error::WrongShape`]; [`Error::LimitReached`] `api_keys`; the store's.
    pub async fn create(&self, tenant: TenantId, new: NewKey) -> Result<(Zeroizing<String>, KeyFacts), Error> {
        let now = self.clock.now();
        let groups = check(&new, now)?;
        let _one = self.making.lock().await;
        if self.all(tenant).await?.len() >= KEYS {
            let message = format!("there are {KEYS} keys already (limit `api_keys`): revoke those that nobody uses");
            return Err(Error::LimitReached { limit: "api_keys", message });
        }
        let mut random = Zeroizing::new([0; RANDOM_BYTES]);
        self.entropy.fill(&mut *random);
        let text = Zeroizing::new(text::key(tenant, &random));
        let hash = hash(&text).hex();
        let id = || format!("{}{}", super::ID_PREFIX, hash.get(..super::ID_DIGITS).unwrap_or_default());
        let mut scopes = new.scopes;
        scopes.sort_unstable();
        scopes.dedup();
        let stored = Stored {
            subject: new.subject.unwrap_or_else(id),
            scopes: scopes.iter().map(|scope| scope.word().to_owned()).collect(),
            groups,
            created_at: now,
            name: new.name,
            hint: Some(text::hint(&text)),
            created_by: new.by,
            expires_at: new.expires_at,
            last_used_at: None,
        };
        let value = serde_json::to_vec(&stored).map_err(|e| Error::broken("an API key cannot be written", &e))?;
        let facts = facts(&hash, &value)?;
        let write =
            DocumentWrite { kind: DocumentKind::ApiKey, key: hash, value: Some(value.into()), expect: Expect::Absent };
        self.committer.commit(Transition { tenant, execution: None, documents: vec![write] }).await?;
        Ok((text, facts))
    }

    /// The first admin key of all, if there is no key at all; it is given once, in the clear.
    ///
    /// # Errors
    /// The store's.
    pub async fn first(&self) -> Result<Option<Zeroizing<String>>, Error> {
        if !self.all(TenantId::DEFAULT).await?.is_empty() {
            return Ok(None);
        }
        let new = NewKey { subject: Some(FIRST.to_owned()), scopes: vec![Scope::Admin], ..NewKey::default() };
        let (text, _) = self.create(TenantId::DEFAULT, new).await?;
        Ok(Some(text))
    }
}

/// The groups as they are kept.
fn check(new: &NewKey, now: Timestamp) -> Result<Vec<String>, Error> {
    let wrong = |field, message: String| Err(wrong_shape(field, message));
    if new.scopes.is_empty() {
        let words = Scope::ALL.map(Scope::word).join(", ");
        return wrong("scopes", format!("`scopes` says what the key may do, at least one of {words}"));
    }
    let fits = |name: &String| !name.is_empty() && name.len() <= NAME_BYTES && !name.contains(char::is_control);
    if !new.name.as_ref().is_none_or(fits) {
        return wrong("name", format!("`name` has 1 to {NAME_BYTES} bytes on one line"));
    }
    if let Some(subject) = &new.subject {
        check_name("subject", subject)?;
        if subject.starts_with(GROUP) {
            return wrong(
                "subject",
                "`subject` is a person or a program; what they belong to stands in `groups`".into(),
            );
        }
    }
    if new.expires_at.is_some_and(|at| at <= now) {
        return wrong("expiresAt", "`expiresAt` is in the past".to_owned());
    }
    if new.groups.len() > GROUPS {
        return wrong("groups", format!("`groups` has at most {GROUPS} names"));
    }
    let group = |name: &String| {
        let name = if name.starts_with(GROUP) { name.clone() } else { format!("{GROUP}{name}") };
        check_name("groups", &name)?;
        if name == GROUP { Err(wrong_shape("groups", "a group has a name".to_owned())) } else { Ok(name) }
    };
    new.groups.iter().map(group).collect()
}

fn wrong_shape(field: &'static str, message: String) -> Error {
    Error::WrongShape { field, message }
}
