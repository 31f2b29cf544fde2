//! `/workflows`: definitions.

use super::{App, json};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{self, Id, Whole};
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;

/// `GET /workflows`: a bare array, written workflow by workflow: a thousand definitions are up to a gigabyte, and a caller may read slowly.
pub async fn list(State(app): State<App>, caller: Caller) -> Result<Response, ApiError> {
    let all = app.engine().registry().workflows(caller.tenant).await?;
    let items = all.into_iter().enumerate().map(|(at, stored)| {
        let comma = if at == 0 { "" } else { "," };
        Ok(format!("{comma}{}", serde_json::to_string(&stored.answer())?))
    });
    let end = |text: &str| std::iter::once(Ok::<_, serde_json::Error>(text.to_owned()));
    let body = Body::from_stream(stream::iter(end("[").chain(items).chain(end("]"))));
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body).into_response())
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
