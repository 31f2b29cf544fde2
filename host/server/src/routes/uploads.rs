//! `/uploads`: those that are under way, and their end.

use super::{App, json};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::Id;
use crate::openapi::shapes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;
use stepwell_engine::Error;

/// `GET /uploads`: `{items, nextCursor}`: the tenant's uploads that are under way, all of them.
#[utoipa::path(
    get,
    path = "/uploads",
    tag = "uploads",
    responses((status = 200, description = "All that are under way", body = shapes::Part<shapes::Uploading>))
)]
pub async fn list(State(app): State<App>, caller: Caller) -> Result<Response, ApiError> {
    json(StatusCode::OK, &json!({"items": app.under_way().of(caller.tenant), "nextCursor": null}))
}

/// `DELETE /uploads/{id}`: `{}`. Its compilation ends, nothing of it is stored, and whoever waits for it is answered 409 `upload_cancelled`.
#[utoipa::path(
    delete,
    path = "/uploads/{id}",
    tag = "uploads",
    params(("id" = String, Path, description = "An upload that is under way: upl-…")),
    responses((status = 200, description = "It ends", body = shapes::Empty))
)]
pub async fn cancel(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<Response, ApiError> {
    match app.under_way().cancel(caller.tenant, &id) {
        Some(true) => json(StatusCode::OK, &json!({})),
        Some(false) => {
            let message = "the upload is being stored already; roll the function back, or delete it";
            Err(ApiError::new(StatusCode::CONFLICT, "upload_stored", message))
        }
        None => Err(Error::NotFound { what: "upload", id }.into()),
    }
}
