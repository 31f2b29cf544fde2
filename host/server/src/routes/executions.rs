//! Starting executions and watching them.

use super::listing::page;
use super::{App, json, json_text};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{self, Id, Parameters, Whole};
use crate::openapi::shapes;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use stepwell_core::execution::Trigger;
use stepwell_core::payload::Payload;
use stepwell_engine::{HISTORY_PAGE, LOGS_PAGE, LogPlace, StartRequest};
use utoipa::{IntoParams, ToSchema};

/// What a trigger's body may have beside its input, bytes.
const ENVELOPE_BYTES: usize = 4 << 10;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TriggerBody {
    workflow_id: String,
    /// Missing and null are different inputs (semantics D8).
    #[serde(default, deserialize_with = "extract::present")]
    #[schema(value_type = Option<serde_json::Value>)]
    input: Option<Payload>,
    #[serde(default)]
    idempotency_key: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WaitParameters {
    /// How long to wait for the end, such as `30s`.
    wait: Option<String>,
}

/// `POST /workflows/trigger`: 200 `{executionId}`, or with `?wait=` the whole execution.
#[utoipa::path(
    post,
    path = "/workflows/trigger",
    tag = "executions",
    params(WaitParameters, ("idempotency-key" = Option<String>, Header, description = "The same request with the same key starts nothing twice")),
    request_body = TriggerBody,
    responses((status = 200, description = "The execution, or with `?wait=` all of it", body = shapes::Triggered))
)]
pub async fn trigger(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<WaitParameters>,
    Whole(request): Whole,
) -> Result<Response, ApiError> {
    let wait = extract::wait(query.wait.as_deref())?;
    let in_header = request.headers().get("idempotency-key").map(|key| key.to_str().map(str::to_owned));
    let in_header =
        in_header.transpose().map_err(|_| ApiError::wrong_shape("idempotencyKey", "the key is not ASCII"))?;
    let trace = extract::trace(request.headers());
    let payload = usize::try_from(app.engine().limits_of(caller.tenant).execution.payload_bytes).unwrap_or(usize::MAX);
    let size = (payload.saturating_add(ENVELOPE_BYTES), "payload_bytes");
    let body: TriggerBody = extract::typed(request, size).await?;
    let start = StartRequest {
        workflow: body.workflow_id,
        input: body.input,
        trigger: Trigger::api(Some(caller.subject)).within(trace),
        idempotency_key: in_header.or(body.idempotency_key),
        patient: wait.is_some_and(|wait| !wait.is_zero()),
    };
    let start = app.engine().begin_execution(caller.tenant, start).await?;
    match wait {
        None => json(StatusCode::OK, &json!({"executionId": start.id().to_string()})),
        Some(wait) => Ok(json_text(StatusCode::OK, app.started(&start, wait).await?)),
    }
}

/// `GET /workflows/executions/{id}`
#[utoipa::path(
    get,
    path = "/workflows/executions/{id}",
    tag = "executions",
    params(("id" = String, Path, description = "An execution: exec-…"), WaitParameters),
    responses((status = 200, description = "Where it is", body = shapes::Execution))
)]
pub async fn status(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<WaitParameters>,
) -> Result<Response, ApiError> {
    let wait = extract::wait(query.wait.as_deref())?;
    Ok(json_text(StatusCode::OK, app.execution(caller.tenant, &id, wait).await?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HistoryParameters {
    /// `nextCursor` of the part before.
    cursor: Option<String>,
    /// How many at most.
    limit: Option<usize>,
}

/// `GET /workflows/executions/{id}/history`: `{items, nextCursor}`, the lines of the journal.
#[utoipa::path(
    get,
    path = "/workflows/executions/{id}/history",
    tag = "executions",
    params(("id" = String, Path, description = "An execution: exec-…"), HistoryParameters),
    responses((status = 200, description = "Lines of the journal", body = shapes::Part<serde_json::Value>))
)]
pub async fn history(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<HistoryParameters>,
    address: Uri,
) -> Result<Response, ApiError> {
    let cursor = query.cursor.as_deref().unwrap_or("0").parse();
    let from: u32 = cursor.map_err(|_| ApiError::wrong_shape("cursor", "send a `nextCursor` of an earlier answer"))?;
    let part = app.engine().history(caller.tenant, &id, (from, query.limit.unwrap_or(HISTORY_PAGE))).await?;
    let next = part.next.map(|seq| seq.to_string());
    page(&part.items, next, &address)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogParameters {
    /// Only of this step.
    step: Option<String>,
    /// `nextCursor` of the part before.
    cursor: Option<String>,
    /// How many at most.
    limit: Option<usize>,
}

/// `GET /workflows/executions/{id}/logs`: `{items, nextCursor}`, what functions logged, in the order in which their attempts ended.
#[utoipa::path(
    get,
    path = "/workflows/executions/{id}/logs",
    tag = "executions",
    params(("id" = String, Path, description = "An execution: exec-…"), LogParameters),
    responses((status = 200, description = "What functions logged", body = shapes::Part<shapes::LogLine>))
)]
pub async fn logs(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<LogParameters>,
    address: Uri,
) -> Result<Response, ApiError> {
    let from = query.cursor.as_deref().map(str::parse::<LogPlace>).transpose();
    let from = from.map_err(|_| ApiError::wrong_shape("cursor", "send a `nextCursor` of an earlier answer"))?;
    let part = (from.unwrap_or_default(), query.limit.unwrap_or(LOGS_PAGE));
    let part = app.engine().logs(caller.tenant, (&id, query.step.as_deref()), part).await?;
    let next = part.next.map(|place| place.to_string());
    page(&part.items, next, &address)
}
