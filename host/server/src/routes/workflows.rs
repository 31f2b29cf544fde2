//! `/workflows`: definitions.

use super::{App, json};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{self, Id, Whole};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

/// `GET /workflows`: a bare array.
pub async fn list(State(app): State<App>, caller: Caller) -> Result<Response, ApiError> {
    let all = app.engine().registry().workflows(caller.tenant).await?;
    json(StatusCode::OK, &all.iter().map(|stored| stored.answer()).collect::<Vec<_>>())
}

/// `POST /workflows`: 201 and the workflow with its id and warnings.
pub async fn create(State(app): State<App>, caller: Caller, Whole(request): Whole) -> Result<Response, ApiError> {
    let most = app.engine().limits().definition_bytes;
    let body = extract::json(request, (most, "definition")).await?;
    let stored = app.engine().registry().create_workflow(caller.tenant, body.to_value()).await?;
    json(StatusCode::CREATED, &stored.answer())
}

/// `GET /workflows/{id}`
pub async fn read(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<Response, ApiError> {
    let stored = app.engine().registry().workflow(caller.tenant, &id).await?;
    json(StatusCode::OK, &stored.answer())
}
