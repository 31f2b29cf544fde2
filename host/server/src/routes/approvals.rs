//! `/approvals`: what people are asked, and their answers.

use super::{App, json, listing};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{self, Id, Parameters, Whole};
use crate::openapi::shapes;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Deserialize;
use stepwell_core::execution::{Answer, ApprovalStatus};
use stepwell_core::payload::Payload;
use stepwell_engine::{ApprovalRequest, COMMENT_BYTES, Scope, is_approval_id};
use utoipa::{IntoParams, ToSchema};

/// What the body of an answer may have beside its data, bytes: every character of a comment may be written as `\u00xx`.
const ENVELOPE_BYTES: usize = 6 * COMMENT_BYTES + (8 << 10);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// One status, or several with commas between them.
    status: Option<String>,
    /// Only of this workflow.
    workflow: Option<String>,
    /// Only of this execution.
    execution: Option<String>,
    /// `nextCursor` of the part before.
    cursor: Option<String>,
    /// How many at most.
    #[param(value_type = Option<u32>, minimum = 1)]
    limit: Option<String>,
}

/// `GET /approvals`: `{items, nextCursor}` in the order of their opening, and the next part as `Link`. `status` is one word or several
/// with commas between them.
#[utoipa::path(
    get,
    path = "/approvals",
    tag = "approvals",
    params(ListParameters),
    responses((status = 200, description = "A part of the list", body = shapes::Part<shapes::Approval>))
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<ListParameters>,
    address: Uri,
) -> Result<Response, ApiError> {
    let request = ApprovalRequest {
        statuses: query.status.as_deref().map(statuses).transpose()?,
        workflow: query.workflow.map(listing::workflow).transpose()?,
        execution: query.execution.as_deref().map(execution).transpose()?,
        after: query.cursor.map(place).transpose()?,
        limit: query.limit.as_deref().map_or(Ok(listing::PART), listing::limit)?,
    };
    let part = app.engine().approvals(caller.tenant, &request).await?;
    listing::page(&part.items, part.next, &address)
}

fn statuses(text: &str) -> Result<Vec<ApprovalStatus>, ApiError> {
    let read = |word: &str| {
        let known = ApprovalStatus::ALL.into_iter().find(|status| status.word() == word);
        let words = ApprovalStatus::ALL.map(ApprovalStatus::word).join(", ");
        known.ok_or_else(|| ApiError::wrong_shape("status", format!("{word:?} is no status; there are {words}")))
    };
    let mut statuses: Vec<ApprovalStatus> = text.split(',').map(read).collect::<Result<_, _>>()?;
    statuses.dedup();
    Ok(statuses)
}

fn execution(id: &str) -> Result<stepwell_core::ids::ExecutionId, ApiError> {
    id.parse().map_err(|_| ApiError::wrong_shape("execution", "`execution` is an execution's id: exec-..."))
}

fn place(cursor: String) -> Result<String, ApiError> {
    let message = "send a `nextCursor` of an earlier answer";
    if is_approval_id(&cursor) { Ok(cursor) } else { Err(ApiError::wrong_shape("cursor", message)) }
}

/// `GET /approvals/{id}`
#[utoipa::path(
    get,
    path = "/approvals/{id}",
    tag = "approvals",
    params(("id" = String, Path, description = "An approval: appr-…")),
    responses((status = 200, description = "The approval", body = shapes::Approval))
)]
pub async fn read(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<Response, ApiError> {
    json(StatusCode::OK, &app.engine().approval(caller.tenant, &id).await?)
}

#[derive(Deserialize, ToSchema)]
struct AnswerBody {
    approved: bool,
    #[serde(default)]
    comment: Option<String>,
    /// Missing and null are different answers.
    #[serde(default, deserialize_with = "extract::present")]
    #[schema(value_type = Option<serde_json::Value>)]
    data: Option<Payload>,
    #[serde(default)]
    by: Option<String>,
}

/// `POST /approvals/{id}` `{approved, comment?, data?, by?}`: 200 and the approval as it is afterwards.
#[utoipa::path(
    post,
    path = "/approvals/{id}",
    tag = "approvals",
    params(("id" = String, Path, description = "An approval: appr-…")),
    request_body = AnswerBody,
    responses((status = 200, description = "As it is afterwards", body = shapes::Approval))
)]
pub async fn answer(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Whole(request): Whole,
) -> Result<Response, ApiError> {
    let payload = usize::try_from(app.engine().limits_of(caller.tenant).execution.payload_bytes).unwrap_or(usize::MAX);
    let size = (payload.saturating_add(ENVELOPE_BYTES), "payload_bytes");
    let body: AnswerBody = extract::typed(request, size).await?;
    let (by, groups) = somebody(&caller, body.by)?;
    let answer = Answer { by, groups, approved: body.approved, comment: body.comment, data: body.data };
    json(StatusCode::OK, &app.engine().answer_approval(caller.tenant, &id, answer).await?)
}

/// Who answers, and their groups: the caller, or whom an administrator names.
fn somebody(caller: &Caller, named: Option<String>) -> Result<(String, Vec<String>), ApiError> {
    match named {
        Some(name) if name != caller.subject => {
            caller.needs(Scope::Admin)?;
            Ok((name, Vec::new()))
        }
        Some(_) | None => Ok((caller.subject.clone(), caller.groups.clone())),
    }
}
