//! Pictures of workflows and executions, as SVG, Mermaid or JSON.

use super::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{Id, Parameters};
use crate::negotiate::{self, Form};
use crate::system::SystemClock;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use std::sync::Arc;
use stepwell_core::picture::{Answer, Figure, TooLarge, about, figure, mermaid, svg, timeline_svg};
use stepwell_engine::ports::Clock as _;
use stepwell_engine::{Error, StoredWorkflow};
use utoipa::IntoParams;

/// A picture is for looking at: it may have its colours, and nothing else.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");

/// The forms of a graph.
const GRAPH: [Form; 3] = [Form::Json, Form::Svg, Form::Mermaid];

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WorkflowParameters {
    /// Before `Accept`.
    #[param(value_type = Option<String>)]
    format: Option<Form>,
    /// Another one than the current.
    revision: Option<u32>,
}

/// `GET /workflows/{id}/graph`, of the current revision or of `?revision=`.
#[utoipa::path(
    get,
    path = "/workflows/{id}/graph",
    tag = "workflows",
    params(("id" = String, Path, description = "A workflow"), WorkflowParameters),
    responses((status = 200, description = "The picture, as `Accept` or `format` asks", content((serde_json::Value = "application/json"), (String = "image/svg+xml"), (String = "text/vnd.mermaid"))))
)]
pub async fn workflow(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<WorkflowParameters>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let form = negotiate::form(query.format, &headers, &GRAPH)?;
    let stored = match query.revision {
        None => app.engine().registry().workflow(caller.tenant, &id).await?,
        Some(revision) => app.engine().registry().revision(caller.tenant, &id, revision).await?,
    };
    drawn(&app, form, move || figure(&stored.answer())).await
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FormParameters {
    /// Before `Accept`.
    #[param(value_type = Option<String>)]
    format: Option<Form>,
}

/// `GET /workflows/executions/{id}/graph`: the revision that the execution runs, with the state of each step.
#[utoipa::path(
    get,
    path = "/workflows/executions/{id}/graph",
    tag = "executions",
    params(("id" = String, Path, description = "An execution: exec-…"), FormParameters),
    responses((status = 200, description = "The picture, as `Accept` or `format` asks", content((serde_json::Value = "application/json"), (String = "image/svg+xml"), (String = "text/vnd.mermaid"))))
)]
pub async fn execution(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<FormParameters>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let form = negotiate::form(query.format, &headers, &GRAPH)?;
    let (answer, stored) = seen(&app, &caller, &id).await?;
    let now = SystemClock.now();
    let draw = move || {
        let mut figure = figure(&stored.answer());
        answer.onto(&mut figure, now);
        figure
    };
    drawn(&app, form, draw).await
}

/// The forms of a timeline.
const TIMELINE: [Form; 2] = [Form::Json, Form::Svg];

/// `GET /workflows/executions/{id}/timeline`: when each step ran.
#[utoipa::path(
    get,
    path = "/workflows/executions/{id}/timeline",
    tag = "executions",
    params(("id" = String, Path, description = "An execution: exec-…"), FormParameters),
    responses((status = 200, description = "The picture, as `Accept` or `format` asks", content((serde_json::Value = "application/json"), (String = "image/svg+xml"))))
)]
pub async fn timeline(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<FormParameters>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let form = negotiate::form(query.format, &headers, &TIMELINE)?;
    let (told, stored) = seen(&app, &caller, &id).await?;
    let bars = app.engine().bars(caller.tenant, &id).await?;
    let timeline = bars.timeline(about(&stored.answer()), told.story(SystemClock.now()));
    let json = || serde_json::to_string(&timeline).map_err(|e| Error::broken("a timeline cannot be written", &e));
    Ok(answer(form, if form == Form::Svg { timeline_svg(&timeline) } else { json()? }))
}

/// An execution's own answer, and the revision of the workflow that it runs.
async fn seen(app: &App, caller: &Caller, id: &str) -> Result<(Answer, Arc<StoredWorkflow>), ApiError> {
    let text = app.engine().status(caller.tenant, id, None).await?;
    let told: Answer = serde_json::from_str(&text).map_err(|e| Error::broken("an execution's own answer", &e))?;
    let stored = app.engine().registry().revision(caller.tenant, &told.workflow_id, told.revision).await?;
    Ok((told, stored))
}

/// Makes the picture, on a thread that serves no requests: the layout of a large one takes a tenth of a second.
async fn drawn(app: &App, form: Form, figure: impl FnOnce() -> Figure + Send + 'static) -> Result<Response, ApiError> {
    let _turn = app.pictures().acquire().await;
    let work = move || written(&figure(), form);
    let written = tokio::task::spawn_blocking(work).await;
    let text = written.map_err(|e| Error::broken("a picture was not drawn", &e))??;
    Ok(answer(form, text))
}

fn written(figure: &Figure, form: Form) -> Result<String, ApiError> {
    match form {
        Form::Json => {
            serde_json::to_string(figure).map_err(|e| Error::broken("a picture cannot be written", &e).into())
        }
        Form::Mermaid => Ok(mermaid(figure)),
        Form::Svg => svg(figure).map_err(too_large),
    }
}

fn too_large(refused: TooLarge) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "picture_too_large", refused.to_string())
}

/// A picture holds what strangers wrote. It is escaped; and a browser is told to run nothing, load nothing and guess nothing all the same.
fn answer(form: Form, text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(form.media_type())),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::VARY, HeaderValue::from_static("accept, authorization")),
    ];
    (StatusCode::OK, headers, text).into_response()
}
