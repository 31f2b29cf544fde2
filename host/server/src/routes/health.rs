//! For load balancers and supervisors; no key needed, nothing told.

use super::{App, json};
use crate::error::ApiError;
use crate::openapi::shapes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;
use stepwell_engine::Room;

/// `GET /healthz`: the process answers.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "service",
    responses((status = 200, description = "It answers", body = shapes::Health)),
    security(())
)]
pub async fn alive() -> Result<Response, ApiError> {
    json(StatusCode::OK, &json!({"status": "ok"}))
}

/// `GET /readyz`: new work can be taken, or at least (on a full disk) what is under way can end.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "service",
    responses((status = 200, description = "It takes work", body = shapes::Health)),
    security(())
)]
pub async fn ready(State(app): State<App>) -> Result<Response, ApiError> {
    app.engine().health().await?;
    let status = match app.engine().disk_room().0 {
        Room::Enough => "ready",
        Room::Low => "disk_low",
        Room::Full => "disk_full",
    };
    json(StatusCode::OK, &json!({ "status": status }))
}
