//! `/keys`: a tenant's API keys. A key is shown once, when it is made.

use super::{App, about, json, listing};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{self, Id, Parameters, Whole};
use crate::openapi::shapes;
use crate::system::SystemClock;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;
use stepwell_core::ids::TenantId;
use stepwell_core::time::{Timestamp, parse_duration};
use stepwell_engine::ports::Clock as _;
use stepwell_engine::{KeyFacts, NewKey, Scope};
use utoipa::{IntoParams, ToSchema};

/// What the body of a new key may have, bytes.
const BODY_BYTES: usize = 128 << 10;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewKeyBody)]
pub(super) struct KeyBody {
    /// For people.
    #[serde(default)]
    name: Option<String>,
    /// In whose name it asks; left out, its own id.
    #[serde(default)]
    subject: Option<String>,
    /// `read`, `trigger`, `deploy`, `approve`, `admin`.
    #[schema(min_items = 1)]
    scopes: Vec<String>,
    /// The groups that its holder is in, for approvals.
    #[serde(default)]
    groups: Vec<String>,
    /// RFC 3339; from then on it is refused.
    #[serde(default)]
    expires_at: Option<String>,
    /// The same as a time from now, such as `90d`.
    #[serde(default)]
    expires_in: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    id: &'a str,
    name: Option<&'a str>,
    hint: Option<&'a str>,
    subject: &'a str,
    scopes: &'a [Scope],
    groups: &'a [String],
    created_at: String,
    created_by: Option<&'a str>,
    expires_at: Option<String>,
    last_used_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

impl<'a> Shown<'a> {
    fn of(facts: &'a KeyFacts) -> Self {
        Self {
            id: &facts.id,
            name: facts.name.as_deref(),
            hint: facts.hint.as_deref(),
            subject: &facts.subject,
            scopes: &facts.scopes,
            groups: &facts.groups,
            created_at: facts.created_at.rfc3339(),
            created_by: facts.created_by.as_deref(),
            expires_at: facts.expires_at.map(Timestamp::rfc3339),
            last_used_at: facts.last_used_at.map(Timestamp::rfc3339),
            key: None,
        }
    }
}

/// Makes a key of this tenant, as the request says: its id, and the answer.
pub(super) async fn make(
    app: &App,
    (tenant, caller): (TenantId, &Caller),
    request: Request,
) -> Result<(String, Response), ApiError> {
    let body: KeyBody = extract::typed(request, (BODY_BYTES, "payload_bytes")).await?;
    let scopes = body.scopes.iter().map(|word| scope(word)).collect::<Result<Vec<_>, _>>()?;
    for scope in &scopes {
        caller.needs(*scope)?; // nobody gives away more than they have
    }
    let new = NewKey {
        name: body.name,
        subject: body.subject,
        scopes,
        groups: body.groups,
        expires_at: expiry(body.expires_at.as_deref(), body.expires_in.as_deref())?,
        by: Some(caller.subject.clone()),
    };
    let (text, facts) = app.engine().keys().create(tenant, new).await?;
    let response = json(StatusCode::CREATED, &Shown { key: Some(&text), ..Shown::of(&facts) })?;
    Ok((facts.id, response))
}

fn scope(word: &str) -> Result<Scope, ApiError> {
    let words = || Scope::ALL.map(Scope::word).join(", ");
    Scope::called(word).ok_or_else(|| ApiError::wrong_shape("scopes", format!("`scopes` are of {}", words())))
}

fn expiry(at: Option<&str>, after: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let wrong = |field, message| ApiError::wrong_shape(field, message);
    match (at, after) {
        (None, None) => Ok(None),
        (Some(at), None) => {
            let message = "`expiresAt` is a moment such as 2027-01-31T08:00:00Z";
            Timestamp::parse_rfc3339(at).map(Some).ok_or_else(|| wrong("expiresAt", message))
        }
        (None, Some(after)) => {
            let ms = parse_duration(after).filter(|ms| *ms > 0);
            let ms = ms.ok_or_else(|| wrong("expiresIn", "`expiresIn` is a time such as 12h or 90d"))?;
            Ok(Some(SystemClock.now().plus(ms)))
        }
        (Some(_), Some(_)) => Err(wrong("expiresIn", "send either `expiresAt` or `expiresIn`")),
    }
}

/// `POST /keys` `{name?, subject?, scopes, groups?, expiresAt? or expiresIn?}`: 201 and the key, which is not shown again.
#[utoipa::path(
    post,
    path = "/keys",
    tag = "keys",
    request_body = KeyBody,
    responses((status = 201, description = "The key; its text is not shown again", body = shapes::NewKey))
)]
pub async fn create(State(app): State<App>, caller: Caller, Whole(request): Whole) -> Result<Response, ApiError> {
    let (id, response) = make(&app, (caller.tenant, &caller), request).await?;
    Ok(about(response, &id))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// `nextCursor` of the part before.
    cursor: Option<String>,
    /// How many at most.
    #[param(value_type = Option<u32>, minimum = 1)]
    limit: Option<String>,
}

/// `GET /keys`: `{items, nextCursor}`, in the order of their making.
#[utoipa::path(
    get,
    path = "/keys",
    tag = "keys",
    params(ListParameters),
    responses((status = 200, description = "A part of the list", body = shapes::Part<shapes::Key>))
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<ListParameters>,
    address: Uri,
) -> Result<Response, ApiError> {
    part(&app, caller.tenant, &query, &address).await
}

/// A part of the keys of a tenant.
pub(super) async fn part(
    app: &App,
    tenant: TenantId,
    query: &ListParameters,
    address: &Uri,
) -> Result<Response, ApiError> {
    let limit = query.limit.as_deref().map_or(Ok(listing::PART), listing::limit)?;
    let page = app.engine().keys().list(tenant, query.cursor.as_deref(), limit).await?;
    let items: Vec<Shown> = page.items.iter().map(Shown::of).collect();
    listing::page(&items, page.next.clone(), address)
}

/// `GET /keys/{id}`
#[utoipa::path(
    get,
    path = "/keys/{id}",
    tag = "keys",
    params(("id" = String, Path, description = "A key's id: key-…")),
    responses((status = 200, description = "What may be told of it", body = shapes::Key))
)]
pub async fn read(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<Response, ApiError> {
    let facts = app.engine().keys().facts(caller.tenant, &id).await?;
    json(StatusCode::OK, &Shown::of(&facts))
}

/// `DELETE /keys/{id}`: from the answer on the key is refused.
#[utoipa::path(
    delete,
    path = "/keys/{id}",
    tag = "keys",
    params(("id" = String, Path, description = "A key's id: key-…")),
    responses((status = 200, description = "It is refused from now on", body = shapes::Empty))
)]
pub async fn revoke(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<Response, ApiError> {
    app.engine().keys().revoke(caller.tenant, &id).await?;
    json(StatusCode::OK, &json!({}))
}
