//! `/tenants`: what the operator does with tenants.

use super::{App, about, json, keys, listing};
use crate::audit::Also;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{self, Id, Ids, Parameters, Whole};
use crate::openapi::shapes;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwell_engine::{Error, NewTenant, Quotas, Tenant, TenantChange, TenantStatus};
use utoipa::{IntoParams, ToSchema};

/// What the body of a tenant may have, bytes.
const BODY_BYTES: usize = 64 << 10;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewTenantBody)]
struct CreateBody {
    /// Small letters, digits and `-`.
    #[schema(pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    id: String,
    /// For people.
    #[serde(default)]
    name: Option<String>,
    /// What the operator wants to know about it.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// The numbers of the limits page that differ from the defaults.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, u64>>)]
    quotas: Quotas,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = TenantChangeBody)]
struct ChangeBody {
    /// Null: none any more.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    name: Option<Option<String>>,
    /// All of them.
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    /// All numbers that differ from the defaults.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, u64>>)]
    quotas: Option<Quotas>,
    /// `active` or `suspended`
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    status: Option<Wanted>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wanted {
    Active,
    Suspended,
}

/// Missing and null are different.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    id: &'a str,
    name: Option<&'a str>,
    labels: &'a BTreeMap<String, String>,
    status: TenantStatus,
    quotas: &'a Quotas,
    created_at: String,
}

impl<'a> Shown<'a> {
    fn of(tenant: &'a Tenant) -> Self {
        let Tenant { number: _, id, name, labels, status, quotas, created_at } = tenant;
        let created_at = created_at.rfc3339();
        Self { id, name: name.as_deref(), labels, status: *status, quotas, created_at }
    }
}

/// `POST /tenants` `{id, name?, labels?, quotas?}`: 201 and the tenant. It has no key yet.
#[utoipa::path(
    post,
    path = "/tenants",
    tag = "tenants",
    request_body = CreateBody,
    responses((status = 201, description = "The tenant", body = shapes::Tenant))
)]
pub async fn create(State(app): State<App>, _caller: Caller, Whole(request): Whole) -> Result<Response, ApiError> {
    let body: CreateBody = extract::typed(request, (BODY_BYTES, "payload_bytes")).await?;
    let CreateBody { id, name, labels, quotas } = body;
    let tenant = app.engine().create_tenant(NewTenant { id, name, labels, quotas }).await?;
    Ok(about(json(StatusCode::CREATED, &Shown::of(&tenant))?, &tenant.id))
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

/// `GET /tenants`: `{items, nextCursor}`, in the order of their ids.
#[utoipa::path(
    get,
    path = "/tenants",
    tag = "tenants",
    params(ListParameters),
    responses((status = 200, description = "A part of the list", body = shapes::Part<shapes::Tenant>))
)]
pub async fn list(
    State(app): State<App>,
    _caller: Caller,
    Parameters(query): Parameters<ListParameters>,
    address: Uri,
) -> Result<Response, ApiError> {
    let limit = query.limit.as_deref().map_or(Ok(listing::PART), listing::limit)?;
    let mut found = app.engine().tenants().list(query.cursor.as_deref(), limit + 1);
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| last.id.clone());
    let items: Vec<Shown> = found.iter().map(|tenant| Shown::of(tenant)).collect();
    listing::page(&items, next, &address)
}

/// `GET /tenants/{id}`
#[utoipa::path(
    get,
    path = "/tenants/{id}",
    tag = "tenants",
    params(("id" = String, Path, description = "A tenant")),
    responses((status = 200, description = "The tenant", body = shapes::Tenant))
)]
pub async fn read(State(app): State<App>, _caller: Caller, Id(id): Id) -> Result<Response, ApiError> {
    let tenant = app.engine().tenants().called(&id).ok_or(Error::NotFound { what: "tenant", id })?;
    json(StatusCode::OK, &Shown::of(&tenant))
}

/// `PATCH /tenants/{id}` `{name?, labels?, quotas?, status?}`: what is there is changed, the rest stays.
#[utoipa::path(
    patch,
    path = "/tenants/{id}",
    tag = "tenants",
    params(("id" = String, Path, description = "A tenant")),
    request_body = ChangeBody,
    responses((status = 200, description = "As it is now", body = shapes::Tenant))
)]
pub async fn change(
    State(app): State<App>,
    _caller: Caller,
    Id(id): Id,
    Whole(request): Whole,
) -> Result<Response, ApiError> {
    let body: ChangeBody = extract::typed(request, (BODY_BYTES, "payload_bytes")).await?;
    let status = body.status.map(|wanted| match wanted {
        Wanted::Active => TenantStatus::Active,
        Wanted::Suspended => TenantStatus::Suspended,
    });
    let change = TenantChange { name: body.name, labels: body.labels, quotas: body.quotas, status };
    json(StatusCode::OK, &Shown::of(&*app.engine().change_tenant(&id, change).await?))
}

/// `DELETE /tenants/{id}`: its keys and executions end at once; its data is removed afterwards.
#[utoipa::path(
    delete,
    path = "/tenants/{id}",
    tag = "tenants",
    params(("id" = String, Path, description = "A tenant")),
    responses((status = 200, description = "It is being removed", body = shapes::Empty))
)]
pub async fn delete(State(app): State<App>, _caller: Caller, Id(id): Id) -> Result<Response, ApiError> {
    app.engine().delete_tenant(&id).await?;
    json(StatusCode::OK, &json!({}))
}

/// `POST /tenants/{id}/suspend`: its keys are refused, nothing of it begins, nothing is lost.
#[utoipa::path(
    post,
    path = "/tenants/{id}/suspend",
    tag = "tenants",
    params(("id" = String, Path, description = "A tenant")),
    responses((status = 200, description = "As it is now", body = shapes::Tenant))
)]
pub async fn suspend(State(app): State<App>, _caller: Caller, Id(id): Id) -> Result<Response, ApiError> {
    turn(&app, &id, TenantStatus::Suspended).await
}

/// `POST /tenants/{id}/resume`: what waited goes on.
#[utoipa::path(
    post,
    path = "/tenants/{id}/resume",
    tag = "tenants",
    params(("id" = String, Path, description = "A tenant")),
    responses((status = 200, description = "As it is now", body = shapes::Tenant))
)]
pub async fn resume(State(app): State<App>, _caller: Caller, Id(id): Id) -> Result<Response, ApiError> {
    turn(&app, &id, TenantStatus::Active).await
}

async fn turn(app: &App, id: &str, status: TenantStatus) -> Result<Response, ApiError> {
    let change = TenantChange { status: Some(status), ..TenantChange::default() };
    json(StatusCode::OK, &Shown::of(&*app.engine().change_tenant(id, change).await?))
}

/// `POST /tenants/{id}/keys`: 201 and a key of that tenant, as `POST /keys` makes them; so a new tenant gets its first one.
#[utoipa::path(
    post,
    path = "/tenants/{id}/keys",
    tag = "tenants",
    params(("id" = String, Path, description = "A tenant")),
    request_body = keys::KeyBody,
    responses((status = 201, description = "The key; its text is not shown again", body = shapes::NewKey))
)]
pub async fn key(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Whole(request): Whole,
) -> Result<Response, ApiError> {
    let tenant = there(&app, id)?;
    let (key, response) = keys::make(&app, (tenant.number, &caller), request).await?;
    let mut response = about(response, &format!("{}/{key}", tenant.id));
    // Its own administrators see that somebody else has a key.
    response.extensions_mut().insert(Also(tenant.number));
    Ok(response)
}

/// A tenant that is not being removed.
pub(super) fn there(app: &App, id: String) -> Result<Arc<Tenant>, ApiError> {
    let tenant = app.engine().tenants().called(&id).filter(|tenant| tenant.status != TenantStatus::Deleting);
    tenant.ok_or_else(|| Error::NotFound { what: "tenant", id }.into())
}

/// `GET /tenants/{id}/keys`: the keys of that tenant, as `GET /keys` lists one's own.
#[utoipa::path(
    get,
    path = "/tenants/{id}/keys",
    tag = "tenants",
    params(("id" = String, Path, description = "A tenant"), keys::ListParameters),
    responses((status = 200, description = "A part of the list", body = shapes::Part<shapes::Key>))
)]
pub async fn keys_of(
    State(app): State<App>,
    _caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<keys::ListParameters>,
    address: Uri,
) -> Result<Response, ApiError> {
    keys::part(&app, there(&app, id)?.number, &query, &address).await
}

/// `DELETE /tenants/{id}/keys/{key}`: from the answer on that tenant's key is refused.
#[utoipa::path(
    delete,
    path = "/tenants/{id}/keys/{key}",
    tag = "tenants",
    params(("id" = String, Path, description = "A tenant"), ("key" = String, Path, description = "A key's id: key-…")),
    responses((status = 200, description = "It is refused from now on", body = shapes::Empty))
)]
pub async fn revoke(State(app): State<App>, _caller: Caller, Ids(id, key): Ids) -> Result<Response, ApiError> {
    let tenant = there(&app, id)?;
    app.engine().keys().revoke(tenant.number, &key).await?;
    let mut response = json(StatusCode::OK, &json!({}))?;
    response.extensions_mut().insert(Also(tenant.number));
    Ok(response)
}
