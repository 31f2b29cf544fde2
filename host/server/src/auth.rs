//! Who is asking: bearer keys, and whether they may do this. There is no way to a [`Caller`] but through the table of operations
//! ([`crate::access`]).

use crate::access::{self, Access};
use crate::audit::Trail;
use crate::error::ApiError;
use crate::jwt::{Jwt, NoToken, TOKEN_BYTES};
use crate::routes::App;
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams};
use axum::http::{HeaderMap, StatusCode, header, request::Parts};
use sha2::{Digest as _, Sha256};
use stepwell_core::ids::{Digest, TenantId};
use stepwell_core::time::Timestamp;
use stepwell_engine::ports::Clock as _;
use stepwell_engine::{Error, KeyHolder, Scope};

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
    pub scopes: Vec<Scope>,
    /// The groups that they are in, as `group:x` (semantics H2).
    pub groups: Vec<String>,
    /// The id of their key; the operator's own has none.
    pub key: Option<String>,
    /// When the key or the token stops to count.
    pub expires_at: Option<Timestamp>,
}

impl Caller {
    /// The operator, by `STEPWELL_ADMIN_KEY`.
    fn operator() -> Self {
        let (subject, scopes) = ("admin".to_owned(), vec![Scope::Admin]);
        Self { tenant: TenantId::DEFAULT, subject, scopes, groups: Vec::new(), key: None, expires_at: None }
    }

    /// Whether the key has this scope.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|has| *has == scope || *has == Scope::Admin)
    }

    /// The same as an answer: 403.
    ///
    /// # Errors
    /// The key does not have the scope.
    pub fn needs(&self, scope: Scope) -> Result<(), ApiError> {
        if self.may(scope) {
            return Ok(());
        }
        let message = format!("this needs a key with the scope `{}`", scope.word());
        Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message))
    }

    fn has(&self, access: Access) -> Result<(), ApiError> {
        match access {
            Access::With(scope) => self.needs(scope),
            Access::Operator if self.tenant == TenantId::DEFAULT => self.needs(Scope::Admin),
            Access::Operator => {
                let message = "this is the operator's: it needs a key of the default tenant with the scope `admin`";
                Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message))
            }
        }
    }
}

impl From<&KeyHolder> for Caller {
    fn from(holder: &KeyHolder) -> Self {
        let facts = &holder.facts;
        Self {
            tenant: holder.tenant,
            subject: facts.subject.clone(),
            scopes: facts.scopes.clone(),
            groups: facts.groups.clone(),
            key: Some(facts.id.clone()),
            expires_at: facts.expires_at,
        }
    }
}

/// Why the keys cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The operator's key is too short or has other characters.
    #[error("STEPWELL_ADMIN_KEY needs at least {OWN_KEY_CHARS} printable ASCII characters without spaces")]
    WeakKey,
}

/// Who comes in without a key of the store.
pub struct Entrance {
    /// The hash of the operator's own key, which is never stored.
    own: Option<Digest>,
    /// Whose tokens are taken.
    jwt: Option<Jwt>,
}

impl Entrance {
    /// With the operator's own key, if there is one.
    ///
    /// # Errors
    /// [`KeyError::WeakKey`].
    pub fn new(own: Option<&str>, jwt: Option<Jwt>) -> Result<Self, KeyError> {
        if own.is_some_and(|own| own.len() < OWN_KEY_CHARS || !own.bytes().all(|b| b.is_ascii_graphic())) {
            return Err(KeyError::WeakKey);
        }
        Ok(Self { own: own.map(hash), jwt })
    }

    /// Keeps up with an issuer's keys, without an end.
    pub async fn keep_fresh(&self) {
        match &self.jwt {
            Some(jwt) => jwt.keep_fresh().await,
            None => std::future::pending().await,
        }
    }

    /// Whether the operator brings a key of their own.
    pub fn has_own(&self) -> bool {
        self.own.is_some()
    }
}

/// Hashes are compared, so that the time it takes tells nothing.
fn hash(key: &str) -> Digest {
    Digest(Sha256::digest(key.as_bytes()).into())
}

fn refused(message: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
}

/// What stands behind `Bearer`.
fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let missing = || refused("send an API key: Authorization: Bearer <key>");
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return Err(missing()) };
    let (scheme, key) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(missing)?;
    let key = key.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || key.is_empty() || key.len() > TOKEN_BYTES {
        return Err(missing());
    }
    Ok(key)
}

async fn identify(app: &App, key: &str) -> Result<Caller, ApiError> {
    if app.entrance().own == Some(hash(key)) {
        return Ok(Caller::operator());
    }
    let (keys, tenants) = (app.engine().keys(), app.engine().tenants());
    if let Some(jwt) = app.entrance().jwt.as_ref().filter(|_| Jwt::is_one(key)) {
        let bad = || refused("this token does not count here, or no longer; get a new one from its issuer");
        let caller = jwt.caller(key, tenants).await.map_err(|NoToken| bad())?;
        return admitted(tenants.check(caller.tenant), bad).map(|()| caller);
    }
    let unknown = || refused("this API key is not known");
    let holder = if key.len() > KEY_BYTES { None } else { keys.holder(key).await? };
    let holder = holder.ok_or_else(unknown)?;
    admitted(tenants.check(holder.tenant), unknown)?;
    if is_over(holder.facts.expires_at) {
        let message = "this API key has expired; ask for a new one";
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "key_expired", message));
    }
    keys.note_use(&holder);
    Ok(Caller::from(holder.as_ref()))
}

/// What a tenant's state means for who comes in: of a deleted one there is nobody.
fn admitted(checked: Result<(), Error>, nobody: impl Fn() -> ApiError) -> Result<(), ApiError> {
    checked.map_err(|error| if matches!(error, Error::NotFound { .. }) { nobody() } else { error.into() })
}

fn is_over(expires: Option<Timestamp>) -> bool {
    expires.is_some_and(|at| at <= crate::system::SystemClock.now())
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = identify(app, bearer(&parts.headers)?).await?;
        let path = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let operation = access::needed(&parts.method, path);
        caller.has(operation.access)?;
        app.engine().room_for(operation.need())?;
        if let Some(trail) = parts.extensions.get::<Trail>().cloned() {
            let named = RawPathParams::from_request_parts(parts, app).await.ok();
            let named: Vec<&str> = named.iter().flatten().map(|(_, value)| value).collect();
            trail.enter(&caller, operation, named.join("/"));
        }
        Ok(caller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_admin_scope_includes_all_others_and_no_other_does() {
        let admin = Caller::operator();
        let approver = Caller { scopes: vec![Scope::Approve], ..admin.clone() };
        let nobody = Caller { scopes: Vec::new(), ..admin.clone() };
        let may = |caller: &Caller| (caller.may(Scope::Admin), caller.may(Scope::Approve));
        assert_eq!((may(&admin), may(&approver), may(&nobody)), ((true, true), (false, true), (false, false)));
        assert_eq!(nobody.needs(Scope::Approve).map_err(|error| error.status()), Err(StatusCode::FORBIDDEN));
        let other = Caller { tenant: TenantId(2), ..admin.clone() };
        assert!(admin.has(Access::Operator).is_ok() && other.has(Access::Operator).is_err());
        assert!(other.has(Access::With(Scope::Admin)).is_ok() && approver.has(Access::Operator).is_err());
    }
}
