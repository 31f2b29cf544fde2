//! `/grants`: what a tenant allows its functions to use besides computing.

use super::tenants::there;
use super::{App, about, json};
use crate::audit::Also;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{self, Id, Whole};
use crate::openapi::shapes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use stepwell_core::grants::{self, By, GRANTS_BYTES, GrantFault, Grants};
use stepwell_core::ids::TenantId;

/// `GET /grants`: a part that is left out allows whatever is asked for.
#[utoipa::path(
    get,
    path = "/grants",
    tag = "grants",
    responses((status = 200, description = "The tenant's policy", body = shapes::GrantPolicy))
)]
pub async fn read(State(app): State<App>, caller: Caller) -> Result<Response, ApiError> {
    json(StatusCode::OK, &*app.engine().policies().of(caller.tenant, By::Tenant).await?)
}

/// `PUT /grants`: it counts for every question from now on, also of executions that run.
#[utoipa::path(
    put,
    path = "/grants",
    tag = "grants",
    request_body = shapes::GrantPolicy,
    responses((status = 200, description = "The tenant's policy", body = shapes::GrantPolicy))
)]
pub async fn put(State(app): State<App>, caller: Caller, Whole(request): Whole) -> Result<Response, ApiError> {
    Ok(about(change(&app, (caller.tenant, By::Tenant), request).await?, "grants"))
}

async fn change(app: &App, whose: (TenantId, By), request: Request) -> Result<Response, ApiError> {
    let body = extract::json(request, (GRANTS_BYTES, "grants")).await?;
    let policy = grants::policy(&body.to_value()).map_err(|fault| wrong(&fault))?;
    app.engine().policies().put(whose, policy.clone()).await?;
    json(StatusCode::OK, &policy)
}

/// `GET /tenants/{id}/grants`: what the operator allows that tenant, beside what holds for all.
#[utoipa::path(
    get,
    path = "/tenants/{id}/grants",
    tag = "tenants",
    operation_id = "grants",
    params(("id" = String, Path, description = "A tenant")),
    responses((status = 200, description = "The operator's policy for it", body = shapes::GrantPolicy))
)]
pub async fn read_for(State(app): State<App>, _caller: Caller, Id(id): Id) -> Result<Response, ApiError> {
    let tenant = there(&app, id)?;
    json(StatusCode::OK, &*app.engine().policies().of(tenant.number, By::Operator).await?)
}

/// `PUT /tenants/{id}/grants`: over whatever the tenant itself allows; it counts for every question from now on.
#[utoipa::path(
    put,
    path = "/tenants/{id}/grants",
    tag = "tenants",
    operation_id = "allow",
    params(("id" = String, Path, description = "A tenant")),
    request_body = shapes::GrantPolicy,
    responses((status = 200, description = "The operator's policy for it", body = shapes::GrantPolicy))
)]
pub async fn put_for(
    State(app): State<App>,
    _caller: Caller,
    Id(id): Id,
    Whole(request): Whole,
) -> Result<Response, ApiError> {
    let tenant = there(&app, id)?;
    let mut response = change(&app, (tenant.number, By::Operator), request).await?;
    response.extensions_mut().insert(Also(tenant.number));
    Ok(response)
}

/// What an upload asks for, as JSON.
pub fn wanted(value: &serde_json::Value) -> Result<Grants, ApiError> {
    if value.to_string().len() > GRANTS_BYTES {
        let message = format!("the grants have more than {GRANTS_BYTES} bytes (limit `grants`)");
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "grants", message));
    }
    grants::grants(value).map_err(|fault| wrong(&fault))
}

fn wrong(fault: &GrantFault) -> ApiError {
    let at = if fault.pointer.is_empty() { "grants" } else { fault.pointer.trim_start_matches('/') };
    let message = format!("{}: {}", if fault.pointer.is_empty() { "/" } else { &fault.pointer }, fault.message);
    ApiError::wrong_shape(at, message).with_code("invalid_grants")
}
