//! What a function may use besides computing. A function gets what its upload asks for, the tenant allows and the operator allows.
//!
//! [`Grants`] is what is wanted, and what is granted; a [`Policy`] is what may be granted; [`decide`] puts them together.

mod decide;
mod host;
mod http;
mod read;

pub use decide::{By, Decision, RefusedGrant, decide};
pub use host::{HostPattern, host_name, is_address};
pub use http::{HttpGrant, Scheme, Target};
pub use read::{GRANTS_BYTES, GrantFault, grants, policy};

use crate::definition::type_matches;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a function wants, or gets. The default: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Grants {
    /// Outgoing requests.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub http: BTreeSet<HttpGrant>,
    /// Secrets by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretGrant>,
    /// Names of configuration.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub config: BTreeSet<String>,
    /// The tenant's key-value store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_value: Option<KeyValueGrant>,
    /// Patterns of the types of events that it may publish.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub events: BTreeSet<String>,
}

/// What may be done with a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecretGrant {
    /// The hosts that it may be sent to, by a reference, without being seen.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub hosts: BTreeSet<HostPattern>,
    /// Whether the function may see the value.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read: bool,
}

/// What may be done with the key-value store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyValueGrant {
    /// Look.
    Read,
    /// Look and change.
    Write,
}

impl Grants {
    /// Whether it is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What either has.
    #[must_use]
    pub fn union(mut self, other: Self) -> Self {
        self.http.extend(other.http);
        self.config.extend(other.config);
        self.events.extend(other.events);
        self.key_value = self.key_value.max(other.key_value);
        for (name, secret) in other.secrets {
            let known = self.secrets.entry(name).or_default();
            known.hosts.extend(secret.hosts);
            known.read |= secret.read;
        }
        self
    }

    /// Whether a request may be sent.
    #[must_use]
    pub fn allows_request(&self, target: &Target) -> bool {
        self.http.iter().any(|grant| grant.allows(target))
    }

    /// Whether an event of this type may be published.
    #[must_use]
    pub fn allows_event(&self, kind: &str) -> bool {
        self.events.iter().any(|pattern| type_matches(pattern, kind))
    }

    /// Whether the value of this secret may be seen.
    #[must_use]
    pub fn reads_secret(&self, name: &str) -> bool {
        self.secrets.get(name).is_some_and(|secret| secret.read)
    }

    /// Whether this secret may go to this host.
    #[must_use]
    pub fn sends_secret(&self, name: &str, host: &str) -> bool {
        self.secrets.get(name).is_some_and(|secret| secret.hosts.iter().any(|pattern| pattern.matches(host)))
    }
}

/// What a tenant or the operator allows. A part that is left out allows whatever is asked for, except requests to every host.
///
/// Names are names or `*`; hosts may be `*`, which allows a function that asks for every host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Policy {
    /// Outgoing requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<BTreeSet<HttpGrant>>,
    /// Secrets by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<BTreeMap<String, SecretGrant>>,
    /// Names of configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<BTreeSet<String>>,
    /// The tenant's key-value store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_value: Option<KeyValuePolicy>,
    /// Patterns of the types of events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<BTreeSet<String>>,
}

/// What is allowed of the key-value store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyValuePolicy {
    /// Nothing.
    None,
    /// To look.
    Read,
    /// All of it.
    Write,
}
