//! Tenants, and the keys with which they come.

use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Who owns what.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Tenant {
    /// What the API calls it.
    pub id: String,
    /// For people.
    #[schema(required = true)]
    pub name: Option<String>,
    /// What the operator wants to know about it.
    pub labels: BTreeMap<String, String>,
    /// `active`, `suspended`, or `deleting` until nothing is left of it.
    pub status: String,
    /// The numbers of the limits page that differ from the defaults.
    pub quotas: BTreeMap<String, u64>,
    /// RFC 3339.
    pub created_at: String,
}

/// What may be told of an API key.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Key {
    /// `key-…`
    pub id: String,
    /// For people.
    #[schema(required = true)]
    pub name: Option<String>,
    /// Its first and last characters.
    #[schema(required = true)]
    pub hint: Option<String>,
    /// In whose name it asks.
    pub subject: String,
    /// What it may do: `read`, `trigger`, `deploy`, `approve`, `admin`.
    pub scopes: Vec<String>,
    /// The groups that its holder is in, as `group:x`.
    pub groups: Vec<String>,
    /// RFC 3339.
    pub created_at: String,
    /// Who made it.
    #[schema(required = true)]
    pub created_by: Option<String>,
    /// RFC 3339; from then on it is refused.
    #[schema(required = true)]
    pub expires_at: Option<String>,
    /// RFC 3339, to the minute.
    #[schema(required = true)]
    pub last_used_at: Option<String>,
}

/// A line of the audit log.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Change {
    /// RFC 3339.
    pub at: String,
    /// Who.
    pub subject: String,
    /// With which key; none: with the operator's own, or by a link.
    #[schema(required = true)]
    pub key_id: Option<String>,
    /// Where the connection came from: theirs, or a proxy's.
    #[schema(required = true)]
    pub address: Option<String>,
    /// As `x-request-id`.
    pub request_id: String,
    /// What: `x-audit` of the operation.
    pub action: String,
    /// To what.
    pub target: String,
    /// `done`, or the code of a server's error after which nobody knows.
    pub outcome: String,
}

/// A key that was just made.
#[derive(ToSchema)]
pub struct NewKey {
    /// What may be told of it.
    #[schema(inline)]
    #[serde(flatten)]
    pub facts: Key,
    /// The key itself. It is not shown again.
    pub key: String,
}
