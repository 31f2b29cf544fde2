//! What functions may use besides computing.

use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What a function wants, or gets; a part that is left out is nothing.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Grants {
    /// Outgoing requests, such as `GET,POST https://api.example.com:8443` or `https://*.example.org`.
    #[schema(required = false)]
    pub http: Option<Vec<String>>,
    /// Secrets by name.
    #[schema(required = false)]
    pub secrets: Option<BTreeMap<String, SecretGrant>>,
    /// Names of configuration.
    #[schema(required = false)]
    pub config: Option<Vec<String>>,
    /// `read` or `write`.
    #[schema(required = false)]
    pub key_value: Option<String>,
    /// Types of events, also as patterns, that it may publish.
    #[schema(required = false)]
    pub events: Option<Vec<String>>,
}

/// What may be done with a secret.
#[derive(ToSchema)]
pub struct SecretGrant {
    /// Hosts that it may be sent to, unseen by the function.
    #[schema(required = false)]
    pub hosts: Option<Vec<String>>,
    /// Whether the function may see it.
    #[schema(required = false)]
    pub read: Option<bool>,
}

/// What a tenant allows: as grants, with `*` for every name and host; a part that is left out allows whatever is asked for.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct GrantPolicy {
    /// Outgoing requests.
    #[schema(required = false)]
    pub http: Option<Vec<String>>,
    /// Secrets by name.
    #[schema(required = false)]
    pub secrets: Option<BTreeMap<String, SecretGrant>>,
    /// Names of configuration.
    #[schema(required = false)]
    pub config: Option<Vec<String>>,
    /// `none`, `read` or `write`.
    #[schema(required = false)]
    pub key_value: Option<String>,
    /// Types of events, also as patterns.
    #[schema(required = false)]
    pub events: Option<Vec<String>>,
}

/// What becomes of a function's wish.
#[derive(ToSchema)]
pub struct GrantsShown {
    /// What it asks for.
    pub wanted: Grants,
    /// What it gets, by the policies of this moment.
    pub granted: Grants,
    /// What it does not get, or not all of.
    pub refused: Vec<RefusedGrant>,
}

/// A grant that is refused.
#[derive(ToSchema)]
pub struct RefusedGrant {
    /// What was wanted.
    pub grant: Value,
    /// `tenant` or `operator`.
    pub by: String,
    /// Why, and what to do.
    pub message: String,
}

/// A key of the key-value store.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct StoredKey {
    /// The key.
    pub key: String,
    /// It rises with each change.
    pub version: u64,
    /// The value's length.
    pub bytes: u64,
    /// RFC 3339.
    pub updated_at: String,
}

/// A value.
#[derive(ToSchema)]
pub struct KeyValue {
    /// The key.
    pub key: String,
    /// It rises with each change.
    pub version: u64,
    /// The value, if it is text.
    #[schema(required = false)]
    pub value: Option<String>,
    /// The value's bytes, if it is not.
    #[schema(required = false)]
    pub base64: Option<String>,
}

/// What a change came to.
#[derive(ToSchema)]
pub struct KeyVersion {
    /// The key.
    pub key: String,
    /// The value's number.
    pub version: u64,
}

/// A text of configuration.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ConfigText {
    /// What functions ask for.
    pub name: String,
    /// What it says.
    pub value: String,
    /// RFC 3339.
    pub updated_at: String,
}

/// What a rotation came to.
#[derive(ToSchema)]
pub struct Resealed {
    /// Texts that were sealed again.
    pub resealed: u64,
}
