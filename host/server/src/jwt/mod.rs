//! Tokens of an issuer whom the operator trusts (JWT, RFC 7519): who asks is not a key of ours, but somebody whom their own directory knows.
//!
//! A token counts if its signature is that of a key of the issuer's set ([`keys`]), made by an algorithm of that very key, if it is this
//! issuer's, for this audience, and neither too old nor too young; and if it names its tenant. One that names none is nobody's: the default
//! tenant is the operator's own.

mod keys;
mod provider;
mod remote;

use crate::auth::Caller;
use crate::system::SystemClock;
use jsonwebtoken::{Validation, decode, decode_header};
use keys::{KeySet, Known};
use remote::Remote;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::sync::Arc;
use stepwell_core::time::Timestamp;
use stepwell_engine::ports::{Clock as _, Egress};
use stepwell_engine::{Scope, Tenants};

pub use keys::SET_BYTES;
pub use remote::JwksUrl;

/// Longest token that is looked at, bytes: those with many groups have a few thousand.
pub const TOKEN_BYTES: usize = 8 << 10;
/// Clocks may differ by so many seconds.
const LEEWAY_S: u64 = 30;
/// Longest subject, and longest name of a group, bytes.
const NAME_BYTES: usize = 512;
/// Groups of one person.
const GROUPS: usize = 100;
/// How groups are written where people stand, too.
const GROUP: &str = "group:";

/// Whom the operator trusts.
#[derive(Debug, Clone)]
pub struct JwtConfig {
    /// `iss`
    pub issuer: String,
    /// `aud`
    pub audience: String,
    /// Where the issuer's public keys are (JWKS, RFC 7517).
    pub jwks: Jwks,
    /// The claim that names the tenant.
    pub tenant_claim: String,
}

/// Where keys are.
#[derive(Debug, Clone)]
pub enum Jwks {
    /// In a file.
    File(PathBuf),
    /// At an address.
    Url(JwksUrl),
}

enum Keys {
    File(KeySet),
    Url(Remote),
}

/// Reads tokens.
pub struct Jwt {
    config: JwtConfig,
    keys: Keys,
}

/// Why a token does not count. What is wrong with it stays in the server's log.
#[derive(Debug, PartialEq, Eq)]
pub struct NoToken;

impl Jwt {
    /// With the keys that the file has now; it is read again when it changes. Of those at an address, which `sender` fetches, none may be there
    /// yet: a start does not wait for somebody else's server to work.
    ///
    /// # Errors
    /// The file cannot be read, or has no key that can be used.
    pub async fn new(config: JwtConfig, sender: Arc<dyn Egress>) -> std::io::Result<Self> {
        provider::install();
        let keys = match config.jwks.clone() {
            Jwks::File(path) => Keys::File(KeySet::open(path).await?),
            Jwks::Url(url) => {
                let keys = Remote::new(url, sender);
                keys.refresh().await;
                Keys::Url(keys)
            }
        };
        Ok(Self { config, keys })
    }

    /// Fetches keys that are at an address again every hour, without an end.
    pub async fn keep_fresh(&self) {
        let Keys::Url(keys) = &self.keys else { return std::future::pending().await };
        loop {
            SystemClock.sleep_until(SystemClock.now().plus(remote::FRESH_MS)).await;
            keys.refresh().await;
        }
    }

    async fn key(&self, id: &str) -> Option<Arc<Known>> {
        match &self.keys {
            Keys::File(keys) => keys.key(id).await,
            Keys::Url(keys) => keys.key(id, SystemClock.now()).await,
        }
    }

    /// Whether a text may be a token, rather than a key.
    pub fn is_one(text: &str) -> bool {
        text.bytes().filter(|b| *b == b'.').count() == 2
    }

    /// Who has this token.
    ///
    /// # Errors
    /// [`NoToken`].
    pub async fn caller(&self, token: &str, tenants: &Tenants) -> Result<Caller, NoToken> {
        let claims = self.claims(token).await?;
        let text = |claim: &str| claims.get(claim).and_then(Value::as_str);
        let tenant = text(&self.config.tenant_claim).and_then(|id| tenants.called(id)).ok_or(NoToken)?;
        let subject = text("sub").filter(|sub| is_name(sub) && !sub.starts_with(GROUP)).ok_or(NoToken)?;
        let (scopes, groups) = (scopes(&claims), groups(&claims));
        let expires_at = claims.get("exp").and_then(Value::as_f64).map(expiry);
        Ok(Caller { tenant: tenant.number, subject: subject.to_owned(), scopes, groups, key: None, expires_at })
    }

    async fn claims(&self, token: &str) -> Result<Map<String, Value>, NoToken> {
        let refused = |error: jsonwebtoken::errors::Error| {
            tracing::debug!(%error, "a token does not count");
            NoToken
        };
        if token.len() > TOKEN_BYTES {
            return Err(NoToken);
        }
        let header = decode_header(token).map_err(refused)?;
        // What must be understood, and is not (RFC 7515, 4.1.11).
        if header.crit.is_some() {
            return Err(NoToken);
        }
        let key = self.key(header.kid.as_deref().ok_or(NoToken)?).await.ok_or(NoToken)?;
        // The key says which algorithms there are, not the token.
        if !key.algorithms.contains(&header.alg) {
            return Err(NoToken);
        }
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_audience(&[&self.config.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_S;
        Ok(decode::<Map<String, Value>>(token, &key.key, &validation).map_err(refused)?.claims)
    }
}

/// `exp`, seconds, by the clock of somebody else.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "what is out of range is cut")]
fn expiry(seconds: f64) -> Timestamp {
    Timestamp((seconds * 1_000.0) as u64).plus(LEEWAY_S * 1_000)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_BYTES && !text.contains(char::is_control)
}

/// `scope`, words with spaces between them, or `scopes`, a list. Words that are none of ours are for others.
fn scopes(claims: &Map<String, Value>) -> Vec<Scope> {
    let words: Vec<&str> = match (claims.get("scope"), claims.get("scopes")) {
        (Some(Value::String(words)), _) => words.split(' ').collect(),
        (_, Some(Value::Array(words))) => words.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    words.into_iter().filter_map(Scope::called).collect()
}

fn groups(claims: &Map<String, Value>) -> Vec<String> {
    let groups = claims.get("groups").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let written = |name: &str| if name.starts_with(GROUP) { name.to_owned() } else { format!("{GROUP}{name}") };
    groups.filter(|name| is_name(name)).take(GROUPS).map(written).collect()
}

#[cfg(test)]
mod tests;
