//! `/usage`: what a tenant has used, and what it may.

use super::{App, json};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{Id, Parameters};
use crate::openapi::shapes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use stepwell_engine::Error;
use utoipa::IntoParams;

/// Which days.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UsageParameters {
    /// The first day (UTC), `2026-11-01`; by default the first of this month.
    from: Option<String>,
    /// The last day; by default today. At most 366 days are told at one time.
    to: Option<String>,
}

/// `GET /usage`: `{items, month, quotas}`, the sums of days as they were a few seconds ago at the latest.
#[utoipa::path(
    get,
    path = "/usage",
    tag = "usage",
    params(UsageParameters),
    responses((status = 200, description = "What was used, by day, and the quotas", body = shapes::Used))
)]
pub async fn read(
    State(app): State<App>,
    caller: Caller,
    Parameters(days): Parameters<UsageParameters>,
) -> Result<Response, ApiError> {
    let used = app.engine().usage(caller.tenant, (days.from.as_deref(), days.to.as_deref())).await?;
    json(StatusCode::OK, &used)
}

/// `GET /tenants/{id}/usage`: the same of another tenant.
#[utoipa::path(
    get,
    path = "/tenants/{id}/usage",
    tag = "tenants",
    params(("id" = String, Path, description = "A tenant"), UsageParameters),
    responses((status = 200, description = "What was used, by day, and the quotas", body = shapes::Used))
)]
pub async fn of_tenant(
    State(app): State<App>,
    _caller: Caller,
    Id(id): Id,
    Parameters(days): Parameters<UsageParameters>,
) -> Result<Response, ApiError> {
    let tenant = app.engine().tenants().called(&id).ok_or(Error::NotFound { what: "tenant", id })?;
    let used = app.engine().usage(tenant.number, (days.from.as_deref(), days.to.as_deref())).await?;
    json(StatusCode::OK, &used)
}
