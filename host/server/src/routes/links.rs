//! `/approvals/{id}/links` and `/approve/{token}`: a link for one person, and the page behind it (semantics H6).

use super::{App, json};
use crate::audit::Keyless;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{self, Id, Whole};
use crate::openapi::shapes;
use crate::pages::approval::{APPROVE, REJECT, Shown, show};
use crate::pages::form::{Form, Sent};
use crate::pages::{self, is_wanted};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use stepwell_core::ids::TenantId;
use stepwell_engine::{COMMENT_BYTES, Error, LinkedAnswer, LinkedApproval, Scope};
use utoipa::ToSchema;

/// What the body of a request for a link may have, bytes.
const REQUEST_BYTES: usize = 8 << 10;
/// Every byte of a form may be written as `%xx`.
const ESCAPED: usize = 3;
/// Names and values of a page beside the form's data, bytes: each field has a name.
const ENVELOPE_BYTES: usize = ESCAPED * COMMENT_BYTES + (64 << 10);

/// What the page sends.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what a browser sends")]
struct PageBody {
    /// `approve` or `reject`
    decision: String,
    comment: Option<String>,
}

#[derive(Default, Deserialize, ToSchema)]
struct LinkBody {
    #[serde(default)]
    approver: Option<String>,
}

/// `POST /approvals/{id}/links` `{approver?}`: 201 `{approver, url, expiresAt}`. Whoever has the link answers as this person: for somebody else it
/// needs an administrator.
#[utoipa::path(
    post,
    path = "/approvals/{id}/links",
    tag = "approvals",
    params(("id" = String, Path, description = "An approval: appr-…")),
    request_body = Option<LinkBody>,
    responses((status = 201, description = "The link", body = shapes::ApprovalLink))
)]
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Whole(request): Whole,
) -> Result<Response, ApiError> {
    let body: LinkBody = extract::optional(request, (REQUEST_BYTES, "payload_bytes")).await?;
    let who = match body.approver {
        Some(approver) if approver != caller.subject => {
            caller.needs(Scope::Admin)?;
            (approver, Vec::new())
        }
        Some(_) | None => (caller.subject.clone(), caller.groups.clone()),
    };
    let link = app.engine().approval_link(caller.tenant, &id, (&who.0, who.1)).await?;
    json(StatusCode::CREATED, &link)
}

/// `GET /approve/{token}`: the page. Looking answers nothing: programs that look at every link in a mail do no harm.
#[utoipa::path(
    get,
    path = "/approve/{token}",
    tag = "approvals",
    params(("token" = String, Path, description = "It is the permission")),
    responses((status = 200, description = "What is asked", body = String, content_type = "text/html")),
    security(())
)]
pub async fn look(State(app): State<App>, headers: HeaderMap, Id(token): Id) -> Result<Response, ApiError> {
    match app.engine().linked_approval(&token).await {
        Ok(approval) => Ok(show(StatusCode::OK, &approval, &Shown::default())),
        Err(error) => refuse(&headers, named(error)),
    }
}

/// `POST /approve/{token}`: the buttons of the page.
#[utoipa::path(
    post,
    path = "/approve/{token}",
    tag = "approvals",
    params(("token" = String, Path, description = "It is the permission")),
    request_body(content((PageBody = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "What became of it", body = String, content_type = "text/html"), (status = 422, description = "The form again", body = String, content_type = "text/html")),
    security(())
)]
pub async fn decide(State(app): State<App>, Id(token): Id, Whole(request): Whole) -> Result<Response, ApiError> {
    let headers = request.headers().clone();
    match answered(&app, &token, request).await {
        Ok(response) => Ok(response),
        Err(error) => refuse(&headers, error),
    }
}

async fn answered(app: &App, token: &str, request: Request) -> Result<Response, ApiError> {
    // Before the body: who has no link sends us nothing.
    let asked = app.engine().linked_approval(token).await.map_err(named)?;
    let sent = sent(app, asked.tenant, request).await?;
    let approved = match sent.get("decision").map(String::as_str) {
        Some(APPROVE) => true,
        Some(REJECT) => false,
        _ => return Err(ApiError::wrong_shape("decision", format!("`decision` is {APPROVE} or {REJECT}"))),
    };
    let again = |fault: Vec<String>| {
        let shown = Shown { sent: Some(&sent), faults: fault };
        Ok(show(StatusCode::UNPROCESSABLE_ENTITY, &asked, &shown))
    };
    let form = asked.view.get("form").filter(|_| approved).map(Form::of);
    let data = match form.map_or(Ok(None), |form| form.read(&sent)) {
        Ok(data) => data,
        Err(fault) => return again(vec![fault]),
    };
    let comment = sent.get("comment").filter(|comment| !comment.trim().is_empty());
    let comment = comment.map(|comment| comment.replace("\r\n", "\n"));
    match app.engine().answer_by_link(token, LinkedAnswer { approved, comment, data }).await {
        Ok(approval) => {
            let mut response = show(StatusCode::OK, &approval, &Shown::default());
            let LinkedApproval { tenant, id, by, .. } = approval;
            response.extensions_mut().insert(Keyless { tenant, subject: by, action: "approval.answer", target: id });
            Ok(response)
        }
        Err(Error::InvalidInput(violations)) => {
            let line = |violation: &stepwell_engine::schema::Violation| {
                let place = violation.pointer.strip_prefix("/data").unwrap_or(&violation.pointer);
                format!("{}: {}", place.trim_start_matches('/'), violation.message).trim_start_matches(": ").to_owned()
            };
            again(violations.iter().map(line).collect())
        }
        Err(Error::WrongShape { message, .. }) => again(vec![message]),
        Err(error) => Err(named(error)),
    }
}

/// The fields that a page sends; of a name that comes twice, the first.
async fn sent(app: &App, tenant: TenantId, request: Request) -> Result<Sent, ApiError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let message = "answer with the page's buttons, or by the API: POST /approvals/{id} with JSON and a key";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
    }
    let payload = usize::try_from(app.engine().limits_of(tenant).execution.payload_bytes).unwrap_or(usize::MAX);
    let most = payload.saturating_mul(ESCAPED).saturating_add(ENVELOPE_BYTES);
    let bytes = extract::bytes(request, (most, "payload_bytes")).await?;
    let mut sent = Sent::new();
    for (name, value) in form_urlencoded::parse(&bytes) {
        sent.entry(name.into_owned()).or_insert_with(|| value.into_owned());
    }
    Ok(sent)
}

/// Errors without the token, which is a secret.
fn named(error: Error) -> ApiError {
    match error {
        Error::NotFound { .. } => {
            let message = "there is no such approval; open the link as you got it, all of it";
            ApiError::new(StatusCode::NOT_FOUND, "link_not_found", message)
        }
        other => other.into(),
    }
}

/// As a page for people, as JSON for programs.
fn refuse(headers: &HeaderMap, error: ApiError) -> Result<Response, ApiError> {
    if is_wanted(headers) { Ok(pages::error(&error)) } else { Err(error) }
}
