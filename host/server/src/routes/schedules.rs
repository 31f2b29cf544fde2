//! `/schedules`: when workflows start by the clock, and what people do about it.

use super::{App, json, listing};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{self, Id, Parameters, Whole};
use crate::openapi::shapes;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use stepwell_core::time::Timestamp;
use stepwell_engine::{Backfill, Backfilled, ScheduleQuery};
use utoipa::{IntoParams, ToSchema};

/// Largest body: two moments.
const BODY_BYTES: usize = 8 << 10;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// Only of this workflow.
    workflow: Option<String>,
    /// `nextCursor` of the part before.
    cursor: Option<String>,
    /// How many at most.
    #[param(value_type = Option<u32>, minimum = 1)]
    limit: Option<String>,
}

/// `GET /schedules?workflow=&cursor=&limit=`: `{items, nextCursor}`, each with its next five runs.
#[utoipa::path(
    get,
    path = "/schedules",
    tag = "schedules",
    params(ListParameters),
    responses((status = 200, description = "A part of the list", body = shapes::Part<shapes::Schedule>))
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<ListParameters>,
    address: Uri,
) -> Result<Response, ApiError> {
    let wanted = ScheduleQuery {
        workflow: query.workflow.map(listing::workflow).transpose()?,
        after: query.cursor,
        limit: query.limit.as_deref().map_or(Ok(listing::PART), listing::limit)?,
    };
    let part = app.engine().schedules(caller.tenant, &wanted).await?;
    listing::page(&part.items, part.next, &address)
}

/// `GET /schedules/{id}`: with its latest firings.
#[utoipa::path(
    get,
    path = "/schedules/{id}",
    tag = "schedules",
    params(("id" = String, Path, description = "A schedule")),
    responses((status = 200, description = "The schedule and its latest firings", body = shapes::Schedule))
)]
pub async fn read(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<Response, ApiError> {
    json(StatusCode::OK, &app.engine().schedule(caller.tenant, &id).await?)
}

/// `POST /schedules/{id}/pause`: the schedule as it is afterwards.
#[utoipa::path(
    post,
    path = "/schedules/{id}/pause",
    tag = "schedules",
    params(("id" = String, Path, description = "A schedule")),
    responses((status = 200, description = "As it is afterwards", body = shapes::Schedule))
)]
pub async fn pause(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Whole(request): Whole,
) -> Result<Response, ApiError> {
    nothing(request).await?;
    set_paused(&app, caller, &id, true).await
}

/// `POST /schedules/{id}/resume`: the schedule as it is afterwards.
#[utoipa::path(
    post,
    path = "/schedules/{id}/resume",
    tag = "schedules",
    params(("id" = String, Path, description = "A schedule")),
    responses((status = 200, description = "As it is afterwards", body = shapes::Schedule))
)]
pub async fn resume(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Whole(request): Whole,
) -> Result<Response, ApiError> {
    nothing(request).await?;
    set_paused(&app, caller, &id, false).await
}

async fn set_paused(app: &App, caller: Caller, id: &str, paused: bool) -> Result<Response, ApiError> {
    let change = (paused, Some(caller.subject));
    json(StatusCode::OK, &app.engine().pause_schedule(caller.tenant, id, change).await?)
}

/// `POST /schedules/{id}/run`: 200 `{executionId}`.
#[utoipa::path(
    post,
    path = "/schedules/{id}/run",
    tag = "schedules",
    params(("id" = String, Path, description = "A schedule")),
    responses((status = 200, description = "The execution", body = shapes::Started))
)]
pub async fn run(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Whole(request): Whole,
) -> Result<Response, ApiError> {
    nothing(request).await?;
    let execution = app.engine().run_schedule(caller.tenant, &id, Some(caller.subject)).await?;
    json(StatusCode::OK, &json!({"executionId": execution.to_string()}))
}

#[derive(Default, Deserialize)]
struct Nothing {}

/// A body that says nothing, or none. It is read all the same: what is left unread costs its sender the connection.
async fn nothing(request: Request) -> Result<(), ApiError> {
    extract::optional::<Nothing>(request, (BODY_BYTES, "payload_bytes")).await.map(|_| ())
}

#[derive(Deserialize, ToSchema)]
struct BackfillBody {
    from: String,
    to: String,
    #[serde(default)]
    again: bool,
}

/// `POST /schedules/{id}/backfill` `{from, to, again?}`: 202 and each occurrence of that span with its execution.
#[utoipa::path(
    post,
    path = "/schedules/{id}/backfill",
    tag = "schedules",
    params(("id" = String, Path, description = "A schedule")),
    request_body = BackfillBody,
    responses((status = 202, description = "Each occurrence of that span", body = shapes::Backfilled))
)]
pub async fn backfill(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Whole(request): Whole,
) -> Result<Response, ApiError> {
    let body: BackfillBody = extract::typed(request, (BODY_BYTES, "payload_bytes")).await?;
    let span = Backfill {
        from: moment("from", &body.from)?,
        to: moment("to", &body.to)?,
        again: body.again,
        by: Some(caller.subject),
    };
    let occurrences = app.engine().backfill(caller.tenant, &id, span).await?;
    let already = occurrences.iter().filter(|one| one.already).count();
    let items: Vec<Value> = occurrences.iter().map(shown).collect();
    let answer = json!({"occurrences": items.len(), "starting": items.len() - already, "items": items});
    json(StatusCode::ACCEPTED, &answer)
}

fn shown(one: &Backfilled) -> Value {
    json!({"scheduledAt": one.at.rfc3339(), "executionId": one.execution.to_string(), "alreadyRan": one.already})
}

fn moment(field: &str, text: &str) -> Result<Timestamp, ApiError> {
    let message = format!("`{field}` is a moment such as 2026-01-31T08:00:00Z");
    Timestamp::parse_rfc3339(text).ok_or_else(|| ApiError::wrong_shape(field, message))
}
