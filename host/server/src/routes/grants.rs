//! `/grants`: what a tenant allows its functions to use besides computing.

use super::{App, about, json};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{self, Whole};
use crate::openapi::shapes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use stepwell_core::grants::{self, GRANTS_BYTES, GrantFault, Grants};

/// `GET /grants`: a part that is left out allows whatever is asked for.
#[utoipa::path(
    get,
    path = "/grants",
    tag = "grants",
    responses((status = 200, description = "The tenant's policy", body = shapes::GrantPolicy))
)]
pub async fn read(State(app): State<App>, caller: Caller) -> Result<Response, ApiError> {
    json(StatusCode::OK, &*app.engine().policies().of(caller.tenant).await?)
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
    let body = extract::json(request, (GRANTS_BYTES, "grants")).await?;
    let policy = grants::policy(&body.to_value()).map_err(|fault| wrong(&fault))?;
    app.engine().policies().put(caller.tenant, policy.clone()).await?;
    Ok(about(json(StatusCode::OK, &policy)?, "grants"))
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
