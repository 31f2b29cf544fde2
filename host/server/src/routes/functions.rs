//! `/functions`: uploads, lists, and direct calls.

use super::deploying::{Sent, Wish, deploy};
use super::grants::wanted;
use super::listing::page;
use super::workflows::PageParameters;
use super::{App, json, json_text};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{self, Id, Parameters, Whole};
use crate::openapi::shapes;
use crate::preconditions::{Conditions, conditions, tagged};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Value, json};
use stepwell_core::grants::Grants;
use stepwell_core::ids::TenantId;
use stepwell_core::payload::Payload;
use stepwell_engine::ports::{Artifact, Form};
use stepwell_engine::{Deployed, Error, Function, Precondition, Upload};
use utoipa::{IntoParams, ToSchema};

/// What a body may have beside an artifact or an input, bytes.
const ENVELOPE_BYTES: usize = 4 << 10;
/// The header of an upload that says what it may use.
const GRANTS: &str = "stepwell-grants";
/// Versions of one answer unless the request says otherwise.
const VERSIONS: usize = 50;

/// `GET /functions`: a bare array.
#[utoipa::path(
    get,
    path = "/functions",
    tag = "functions",
    responses((status = 200, description = "All of them", body = Vec<shapes::Function>))
)]
pub async fn list(State(app): State<App>, caller: Caller) -> Result<Response, ApiError> {
    let functions = app.engine().registry().functions(caller.tenant).await?;
    json(StatusCode::OK, &app.engine().all_shown(caller.tenant, functions).await?)
}

/// `GET /functions/{id}`
#[utoipa::path(
    get,
    path = "/functions/{id}",
    tag = "functions",
    params(("id" = String, Path, description = "A function")),
    responses((status = 200, description = "Its current version", body = shapes::Function))
)]
pub async fn read(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<Response, ApiError> {
    let function = app.engine().registry().function(caller.tenant, &id).await?;
    let function = function.ok_or(Error::NotFound { what: "function", id })?;
    let function = app.engine().shown(caller.tenant, Function::clone(&function)).await?;
    Ok(tagged(json(StatusCode::OK, &function)?, function.version))
}

/// `GET /functions/{id}/versions`: `{items, nextCursor}`, oldest first; also of one that was deleted.
#[utoipa::path(
    get,
    path = "/functions/{id}/versions",
    tag = "functions",
    params(("id" = String, Path, description = "A function"), super::workflows::PageParameters),
    responses((status = 200, description = "A part of its history", body = shapes::Part<shapes::Function>))
)]
pub async fn versions(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<PageParameters>,
    address: Uri,
) -> Result<Response, ApiError> {
    let part = app.engine().registry().versions(caller.tenant, &id, query.page(VERSIONS)?).await?;
    let next = part.next.map(|version| version.to_string());
    page(&app.engine().all_shown(caller.tenant, part.items).await?, next, &address)
}

#[derive(Default, Deserialize, ToSchema)]
struct RollbackBody {
    version: Option<u32>,
}

/// `POST /functions/{id}/rollback` `{version?}`: the function, whose new version is what that one was; without a version, the one before.
#[utoipa::path(
    post,
    path = "/functions/{id}/rollback",
    tag = "functions",
    params(("id" = String, Path, description = "A function"), ("if-match" = Option<String>, Header, description = "The `ETag` that the change is meant for")),
    request_body = Option<RollbackBody>,
    responses((status = 200, description = "Its new version", body = shapes::Function))
)]
pub async fn roll_back(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Conditions(conditions): Conditions,
    Whole(request): Whole,
) -> Result<Response, ApiError> {
    let body: RollbackBody = extract::optional(request, (ENVELOPE_BYTES, "payload_bytes")).await?;
    let function = app.engine().registry().roll_back(caller.tenant, (&id, body.version), &conditions).await?;
    let function = app.engine().shown(caller.tenant, function).await?;
    Ok(tagged(json(StatusCode::OK, &function)?, function.version))
}

/// `DELETE /functions/{id}`: `{}`. Executions that pinned it go on.
#[utoipa::path(
    delete,
    path = "/functions/{id}",
    tag = "functions",
    params(("id" = String, Path, description = "A function"), ("if-match" = Option<String>, Header, description = "The `ETag` that the change is meant for")),
    responses((status = 200, description = "It is gone", body = shapes::Empty))
)]
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Conditions(conditions): Conditions,
) -> Result<Response, ApiError> {
    app.engine().registry().delete_function(caller.tenant, &id, &conditions).await?;
    json(StatusCode::OK, &json!({}))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UploadParameters {
    /// Of several functions of a component, only this one, under the id itself.
    function: Option<String>,
}

/// `PUT /functions/{id}` with the bytes of an artifact. `Accept: text/event-stream` tells how far it is: the events `received`, `waiting`, `scanning`, `compiling`
/// and `storing`, each with the upload's id, then `done` with what it came to, or `error`. What is wrong with the request itself is answered with its own status.
#[utoipa::path(
    put,
    path = "/functions/{id}",
    tag = "functions",
    params(("id" = String, Path, description = "A function"), ("if-match" = Option<String>, Header, description = "The `ETag` that the change is meant for"), ("if-none-match" = Option<String>, Header, description = "`*`: only if there is none"), ("stepwell-grants" = Option<String>, Header, description = "What it may use besides computing, as JSON"), UploadParameters),
    request_body(content((Vec<u8> = "application/wasm"), (String = "text/javascript"))),
    responses((status = 200, description = "What it came to, or events that end with it", content((shapes::Deployed = "application/json"), (String = "text/event-stream"))))
)]
pub async fn upload(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<UploadParameters>,
    Whole(request): Whole,
) -> Result<Response, ApiError> {
    let headers = request.headers();
    let (conditions, form, grants) = (conditions(headers), form(headers), grants(headers));
    let sent = Sent::of(&request);
    let turn = sent.turn(&app, caller.tenant).await?;
    // Read in any case: who still sends would not see what is wrong with the headers.
    let most = size(&app, caller.tenant, form.as_ref().map_or(Form::Wasm, |form| *form));
    let bytes = extract::bytes(request, most).await;
    let (conditions, artifact) = (conditions?, Artifact { form: form?, bytes: bytes? });
    let upload = Upload { function: query.function, grants: grants?, ..Upload::new(id, artifact) };
    deploy(app, caller, Wish { upload, conditions, status: StatusCode::OK }, (sent, turn)).await
}

/// What the request says that its body is.
fn form(headers: &HeaderMap) -> Result<Form, ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/wasm" | "application/octet-stream" | "" => Ok(Form::Wasm),
        "text/javascript" | "application/javascript" => Ok(Form::JavaScript),
        _ => {
            let message = "send the bytes of a WebAssembly component or core module with `Content-Type: application/wasm`, or the \
                           source of a JavaScript module with `Content-Type: text/javascript`; OCI references are not supported \
                           by this version";
            Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message))
        }
    }
}

/// What the upload asks for, as JSON.
fn grants(headers: &HeaderMap) -> Result<Grants, ApiError> {
    let mut given = headers.get_all(GRANTS).iter();
    let (Some(text), None) = (given.next(), given.next()) else {
        let several = || ApiError::wrong_shape("grants", "send `Stepwell-Grants` once").with_code("invalid_grants");
        return if headers.contains_key(GRANTS) { Err(several()) } else { Ok(Grants::default()) };
    };
    let no_json = |_| {
        let message = "`Stepwell-Grants` is JSON, such as {\"config\": [\"REGION\"]}";
        ApiError::wrong_shape("grants", message).with_code("invalid_grants")
    };
    let text = extract::payload(text.as_bytes()).map_err(no_json)?;
    wanted(&text.to_value())
}

/// The most bytes of an artifact, with the limit's name.
fn size(app: &App, tenant: TenantId, form: Form) -> (usize, &'static str) {
    match form {
        Form::Wasm => (app.engine().limits_of(tenant).component_bytes, "component_bytes"),
        Form::JavaScript => (app.engine().limits().script_bytes, "script_bytes"),
    }
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NewFunction)]
struct CreateBody {
    id: String,
    wasm: Option<String>,
    source: Option<String>,
    function: Option<String>,
    #[schema(value_type = Option<shapes::Grants>)]
    grants: Option<Value>,
}

/// `POST /functions` `{id, wasm}` or `{id, source}`: 201. `wasm` is base64, `source` the text of a JavaScript module. `Accept: text/event-stream` as for `PUT`.
#[utoipa::path(
    post,
    path = "/functions",
    tag = "functions",
    request_body = CreateBody,
    responses((status = 201, description = "What it came to", body = shapes::Deployed), (status = 200, description = "Events that end with what it came to", body = String, content_type = "text/event-stream"))
)]
pub async fn create(State(app): State<App>, caller: Caller, Whole(request): Whole) -> Result<Response, ApiError> {
    let most = app.engine().limits_of(caller.tenant).component_bytes / 3 * 4 + ENVELOPE_BYTES;
    let sent = Sent::of(&request);
    let turn = sent.turn(&app, caller.tenant).await?;
    let body: CreateBody = extract::typed(request, (most, "component_bytes")).await?;
    let artifact = artifact(body.wasm, body.source)?;
    let grants = body.grants.as_ref().map(wanted).transpose()?.unwrap_or_default();
    let upload = Upload { function: body.function, grants, ..Upload::new(body.id, artifact) };
    let wish = Wish { upload, conditions: Precondition::default(), status: StatusCode::CREATED };
    deploy(app, caller, wish, (sent, turn)).await
}

/// The artifact of a JSON body: just one of the two.
fn artifact(wasm: Option<String>, source: Option<String>) -> Result<Artifact, ApiError> {
    match (wasm, source) {
        (Some(wasm), None) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(wasm.as_bytes());
            let wrong = |error| ApiError::wrong_shape("wasm", format!("`wasm` is not base64: {error}"));
            Ok(Artifact::wasm(bytes.map_err(wrong)?))
        }
        (None, Some(source)) => Ok(Artifact::script(source)),
        (Some(_), Some(_)) => Err(ApiError::wrong_shape("source", "send `wasm` or `source`, not both")),
        (None, None) => {
            let message = "send `source`, the text of a JavaScript module, or `wasm`, the artifact's bytes in base64; `oci` is not \
                           supported by this version";
            Err(ApiError::wrong_shape("source", message))
        }
    }
}

/// One function as itself, several as `{functions}`; the compile time beside.
pub(super) fn answer(status: StatusCode, deployed: &Deployed) -> Result<Response, ApiError> {
    let (mut answer, version) = match deployed.functions.as_slice() {
        [only] => (serde_json::to_value(only).unwrap_or_default(), Some(only.version)),
        several => (json!({ "functions": several }), None),
    };
    answer["compileMs"] = Value::from(deployed.compile_ms);
    answer["warnings"] = json!(deployed.warnings);
    let answer = json(status, &answer)?;
    Ok(match version {
        Some(version) => tagged(answer, version),
        None => answer,
    })
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ExecuteBody {
    function_id: String,
    #[serde(default, deserialize_with = "extract::present")]
    #[schema(value_type = Option<serde_json::Value>)]
    input: Option<Payload>,
}

/// `POST /functions/execute`: the raw output, or 422 with the failure.
#[utoipa::path(
    post,
    path = "/functions/execute",
    tag = "functions",
    request_body = ExecuteBody,
    responses((status = 200, description = "The raw output", body = serde_json::Value))
)]
pub async fn execute(State(app): State<App>, caller: Caller, Whole(request): Whole) -> Result<Response, ApiError> {
    let payload = usize::try_from(app.engine().limits_of(caller.tenant).execution.payload_bytes).unwrap_or(usize::MAX);
    let size = (payload.saturating_add(ENVELOPE_BYTES), "payload_bytes");
    let trace = extract::trace(request.headers());
    let body: ExecuteBody = extract::typed(request, size).await?;
    let input = body.input.unwrap_or_else(Payload::empty_object);
    match app.engine().execute(caller.tenant, (&body.function_id, input), trace.as_ref()).await? {
        Ok(output) => Ok(json_text(StatusCode::OK, output.as_str().to_owned())),
        Err(failure) => Err(ApiError::guest(failure)),
    }
}
