//! `/workflows`: definitions.

use super::listing::{self, page};
use super::{App, about, json};
use crate::auth::Caller;
use crate::error::{ApiError, FieldError};
use crate::extract::{self, Id, Numbered, Parameters, Whole};
use crate::openapi::shapes;
use crate::preconditions::{Conditions, tagged};
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::future::Future;
use stepwell_core::definition::{Survey, Warning};
use stepwell_engine::{Engine, Error, Put, StoredWorkflow, Validation};
use tokio::runtime::Handle;
use utoipa::IntoParams;

/// Revisions of one answer unless the request says otherwise.
const PAGE: usize = 50;

/// A definition of more bytes is a large one: most have a hundredth of this.
const LARGE_BYTES: usize = 32 << 10;

/// `GET /workflows`: a bare array.
#[utoipa::path(
    get,
    path = "/workflows",
    tag = "workflows",
    responses((status = 200, description = "All of them", body = Vec<shapes::Workflow>))
)]
pub async fn list(State(app): State<App>, caller: Caller) -> Result<Response, ApiError> {
    let all = app.engine().registry().workflows(caller.tenant).await?;
    Ok(listing::array(all.into_iter().map(|stored| stored.answer())))
}

/// `POST /workflows`: 201 and the workflow with its id and warnings.
#[utoipa::path(
    post,
    path = "/workflows",
    tag = "workflows",
    request_body = shapes::Definition,
    responses((status = 201, description = "The workflow with its id", body = shapes::Workflow))
)]
pub async fn create(State(app): State<App>, caller: Caller, Whole(request): Whole) -> Result<Response, ApiError> {
    let create =
        move |engine: Engine, body| async move { engine.registry().create_workflow(caller.tenant, body).await };
    let stored = checked(&app, request, create).await?;
    Ok(about(answer(StatusCode::CREATED, &stored)?, &stored.workflow.id))
}

/// Does this with the definition that was sent. A large one is read and checked on a thread that serves no requests: it takes a tenth of a
/// second.
async fn checked<T, F>(
    app: &App,
    request: Request,
    work: impl FnOnce(Engine, serde_json::Value) -> F + Send + 'static,
) -> Result<T, ApiError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send,
{
    let engine = app.engine().clone();
    let body = extract::unread(request, (engine.limits().definition_bytes, "definition")).await?;
    let is_large = body.len() > LARGE_BYTES;
    let work = async move { Ok(work(engine, extract::payload(&body)?.to_value()).await?) };
    if !is_large {
        return work.await;
    }
    let _turn = app.definitions().acquire().await;
    let threads = Handle::current();
    let done = tokio::task::spawn_blocking(move || threads.block_on(work)).await;
    done.map_err(|error| Error::broken("a definition was not checked", &error))?
}

/// The workflow, tagged with its revision.
fn answer(status: StatusCode, stored: &StoredWorkflow) -> Result<Response, ApiError> {
    Ok(tagged(json(status, &stored.answer())?, stored.workflow.revision))
}

/// `PUT /workflows/{id}`: 201 when it is new, otherwise 200; the same definition again makes no new revision.
#[utoipa::path(
    put,
    path = "/workflows/{id}",
    tag = "workflows",
    params(("id" = String, Path, description = "A workflow"), ("if-match" = Option<String>, Header, description = "The `ETag` that the change is meant for"), ("if-none-match" = Option<String>, Header, description = "`*`: only if there is none")),
    request_body = shapes::Definition,
    responses((status = 201, description = "It is new", body = shapes::Workflow), (status = 200, description = "Its next revision, or the current one", body = shapes::Workflow))
)]
pub async fn put(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Conditions(conditions): Conditions,
    Whole(request): Whole,
) -> Result<Response, ApiError> {
    let put = move |engine: Engine, body| async move {
        engine.registry().put_workflow(caller.tenant, (&id, body), &conditions).await
    };
    match checked(&app, request, put).await? {
        Put::Created(stored) => answer(StatusCode::CREATED, &stored),
        Put::Stored(stored) => answer(StatusCode::OK, &stored),
    }
}

#[derive(Serialize)]
struct Validated {
    valid: bool,
    errors: Vec<FieldError>,
    warnings: Vec<Warning>,
    #[serde(flatten)]
    survey: Survey,
}

/// `POST /workflows/validate`: 200 `{valid, errors, warnings, joins, loops, parallels, unreachable, truncated}`, whatever is wrong with the
/// definition; nothing is stored.
#[utoipa::path(
    post,
    path = "/workflows/validate",
    tag = "workflows",
    request_body = shapes::Definition,
    responses((status = 200, description = "What is to be said of it", body = shapes::Validated))
)]
pub async fn validate(State(app): State<App>, caller: Caller, Whole(request): Whole) -> Result<Response, ApiError> {
    let validate = move |engine: Engine, body| async move { engine.registry().validate(caller.tenant, body).await };
    let Validation { faults, warnings, survey } = checked(&app, request, validate).await?;
    let errors: Vec<FieldError> = faults.into_iter().map(FieldError::from).collect();
    json(StatusCode::OK, &Validated { valid: errors.is_empty(), errors, warnings, survey })
}

/// `DELETE /workflows/{id}`: `{}`. Executions that run go on, and its revisions stay readable.
#[utoipa::path(
    delete,
    path = "/workflows/{id}",
    tag = "workflows",
    params(("id" = String, Path, description = "A workflow"), ("if-match" = Option<String>, Header, description = "The `ETag` that the change is meant for")),
    responses((status = 200, description = "It is gone", body = shapes::Empty))
)]
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Conditions(conditions): Conditions,
) -> Result<Response, ApiError> {
    app.engine().registry().delete_workflow(caller.tenant, &id, &conditions).await?;
    json(StatusCode::OK, &json!({}))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParameters {
    /// `nextCursor` of the part before.
    cursor: Option<String>,
    /// How many at most.
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
#[utoipa::path(
    get,
    path = "/workflows/{id}/revisions",
    tag = "workflows",
    params(("id" = String, Path, description = "A workflow"), PageParameters),
    responses((status = 200, description = "A part of its history", body = shapes::Part<shapes::Revision>))
)]
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
#[utoipa::path(
    get,
    path = "/workflows/{id}/revisions/{number}",
    tag = "workflows",
    params(("id" = String, Path, description = "A workflow"), ("number" = u32, Path, description = "From 1")),
    responses((status = 200, description = "As it was", body = shapes::Workflow))
)]
pub async fn revision(
    State(app): State<App>,
    caller: Caller,
    Numbered(id, number): Numbered,
) -> Result<Response, ApiError> {
    answer(StatusCode::OK, app.engine().registry().revision(caller.tenant, &id, number).await?.as_ref())
}

/// `GET /workflows/{id}`
#[utoipa::path(
    get,
    path = "/workflows/{id}",
    tag = "workflows",
    params(("id" = String, Path, description = "A workflow")),
    responses((status = 200, description = "Its current revision", body = shapes::Workflow))
)]
pub async fn read(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<Response, ApiError> {
    let stored = app.engine().registry().workflow(caller.tenant, &id).await?;
    answer(StatusCode::OK, &stored)
}
