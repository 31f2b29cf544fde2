//! `/workflows`: definitions.

use super::listing::page;
use super::{App, json};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{self, Id, Numbered, Parameters, Whole};
use crate::preconditions::{Conditions, tagged};
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;
use stepwell_engine::{Put, StoredWorkflow};

/// Revisions of one answer unless the request says otherwise.
const PAGE: usize = 50;

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
    answer(StatusCode::CREATED, &stored)
}

/// The workflow, tagged with its revision.
fn answer(status: StatusCode, stored: &StoredWorkflow) -> Result<Response, ApiError> {
    Ok(tagged(json(status, &stored.answer())?, stored.workflow.revision))
}

/// `PUT /workflows/{id}`: 201 when it is new, otherwise 200; the same definition again makes no new revision.
pub async fn put(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Conditions(conditions): Conditions,
    Whole(request): Whole,
) -> Result<Response, ApiError> {
    let most = app.engine().limits().definition_bytes;
    let body = extract::json(request, (most, "definition")).await?.to_value();
    match app.engine().registry().put_workflow(caller.tenant, (&id, body), &conditions).await? {
        Put::Created(stored) => answer(StatusCode::CREATED, &stored),
        Put::Stored(stored) => answer(StatusCode::OK, &stored),
    }
}

/// `DELETE /workflows/{id}`: `{}`. Executions that run go on, and its revisions stay readable.
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Conditions(conditions): Conditions,
) -> Result<Response, ApiError> {
    app.engine().registry().delete_workflow(caller.tenant, &id, &conditions).await?;
    json(StatusCode::OK, &json!({}))
}

#[derive(Deserialize)]
pub struct PageParameters {
    cursor: Option<String>,
    limit: Option<usize>,
}

impl PageParameters {
    /// Behind which number the page begins, and how long it is.
    pub fn page(&self, limit: usize) -> Result<(u32, usize), ApiError> {
        let after = self.cursor.as_deref().unwrap_or("0").parse();
        let after = after.map_err(|_| ApiError::wrong_shape("cursor", "send a `nextCursor` of an earlier answer"))?;
        Ok((after, self.limit.unwrap_or(limit)))
    }
}

/// `GET /workflows/{id}/revisions`: `{items, nextCursor}`, oldest first, without the steps.
pub async fn revisions(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<PageParameters>,
    address: Uri,
) -> Result<Response, ApiError> {
    let part = app.engine().registry().revisions(caller.tenant, &id, query.page(PAGE)?).await?;
    let next = part.next.map(|revision| revision.to_string());
    page(&part.items, next, &address)
}

/// `GET /workflows/{id}/revisions/{n}`: the workflow as it was; also of one that was deleted.
pub async fn revision(
    State(app): State<App>,
    caller: Caller,
    Numbered(id, number): Numbered,
) -> Result<Response, ApiError> {
    answer(StatusCode::OK, app.engine().registry().revision(caller.tenant, &id, number).await?.as_ref())
}

/// `GET /workflows/{id}`
pub async fn read(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<Response, ApiError> {
    let stored = app.engine().registry().workflow(caller.tenant, &id).await?;
    answer(StatusCode::OK, &stored)
}
