//! Cancel, pause, resume, retry and rerun of executions.

use super::{App, json, json_text};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{self, Id, Whole};
use crate::openapi::shapes;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use stepwell_core::payload::Payload;
use stepwell_engine::{Control, RerunRequest};
use utoipa::ToSchema;

/// What a body may have beside an input, bytes.
const ENVELOPE_BYTES: usize = 8 << 10;

#[derive(Default, Deserialize, ToSchema)]
struct CancelBody {
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RerunBody {
    #[serde(default)]
    from_step: Option<String>,
    #[serde(default, deserialize_with = "extract::present")]
    #[schema(value_type = Option<serde_json::Value>)]
    input: Option<Payload>,
    #[serde(default)]
    revision: Option<String>,
}

/// `POST /workflows/executions/{id}/cancel` `{reason?}`: the execution as it is afterwards.
#[utoipa::path(
    post,
    path = "/workflows/executions/{id}/cancel",
    tag = "executions",
    params(("id" = String, Path, description = "An execution: exec-…")),
    request_body = Option<CancelBody>,
    responses((status = 200, description = "As it is afterwards", body = shapes::Execution))
)]
pub async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Whole(request): Whole,
) -> Result<Response, ApiError> {
    let body: CancelBody = optional(request, (ENVELOPE_BYTES, "payload_bytes")).await?;
    act(&app, caller, &id, Control::Cancel { reason: body.reason }).await
}

/// `POST /workflows/executions/{id}/pause`
#[utoipa::path(
    post,
    path = "/workflows/executions/{id}/pause",
    tag = "executions",
    params(("id" = String, Path, description = "An execution: exec-…")),
    responses((status = 200, description = "As it is afterwards", body = shapes::Execution))
)]
pub async fn pause(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<Response, ApiError> {
    act(&app, caller, &id, Control::Pause).await
}

/// `POST /workflows/executions/{id}/resume`
#[utoipa::path(
    post,
    path = "/workflows/executions/{id}/resume",
    tag = "executions",
    params(("id" = String, Path, description = "An execution: exec-…")),
    responses((status = 200, description = "As it is afterwards", body = shapes::Execution))
)]
pub async fn resume(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<Response, ApiError> {
    act(&app, caller, &id, Control::Resume).await
}

/// `POST /workflows/executions/{id}/retry`
#[utoipa::path(
    post,
    path = "/workflows/executions/{id}/retry",
    tag = "executions",
    params(("id" = String, Path, description = "An execution: exec-…")),
    responses((status = 200, description = "As it is afterwards", body = shapes::Execution))
)]
pub async fn retry(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<Response, ApiError> {
    act(&app, caller, &id, Control::Retry).await
}

async fn act(app: &App, caller: Caller, id: &str, control: Control) -> Result<Response, ApiError> {
    app.engine().control(caller.tenant, id, control, Some(caller.subject)).await?;
    Ok(json_text(StatusCode::OK, app.execution(caller.tenant, id, None).await?))
}

/// `POST /workflows/executions/{id}/rerun` `{fromStep?, input?, revision: "pinned" or "latest"}`: 200 `{executionId}` of the new execution.
#[utoipa::path(
    post,
    path = "/workflows/executions/{id}/rerun",
    tag = "executions",
    params(("id" = String, Path, description = "An execution: exec-…")),
    request_body = Option<RerunBody>,
    responses((status = 200, description = "The new execution", body = shapes::Started))
)]
pub async fn rerun(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Whole(request): Whole,
) -> Result<Response, ApiError> {
    let payload = usize::try_from(app.engine().limits_of(caller.tenant).execution.payload_bytes).unwrap_or(usize::MAX);
    let body: RerunBody = optional(request, (payload.saturating_add(ENVELOPE_BYTES), "payload_bytes")).await?;
    let latest = match body.revision.as_deref() {
        None | Some("pinned") => false,
        Some("latest") => true,
        Some(_) => return Err(ApiError::wrong_shape("revision", "`revision` is \"pinned\" or \"latest\"")),
    };
    let request =
        RerunRequest { from_step: body.from_step, input: body.input, latest, by: Some(caller.subject.clone()) };
    let new = app.engine().rerun(caller.tenant, &id, request).await?;
    json(StatusCode::OK, &json!({"executionId": new.to_string()}))
}

/// A body that may be left out.
async fn optional<T: DeserializeOwned + Default>(request: Request, size: (usize, &str)) -> Result<T, ApiError> {
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.unwrap_or(0) == 0 && !headers.contains_key(header::TRANSFER_ENCODING) {
        return Ok(T::default());
    }
    extract::typed(request, size).await
}
