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
use stepwell_core::picture::{Answer, Figure, TooLarge, figure, mermaid, svg};
use stepwell_engine::Error;
use stepwell_engine::ports::Clock as _;

/// A picture is for looking at: it may have its colours, and nothing else.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");

/// The forms of a graph.
const GRAPH: [Form; 3] = [Form::Json, Form::Svg, Form::Mermaid];

#[derive(Deserialize)]
pub struct WorkflowParameters {
    format: Option<Form>,
    revision: Option<u32>,
}

/// `GET /workflows/{id}/graph`, of the current revision or of `?revision=`.
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

#[derive(Deserialize)]
pub struct FormParameters {
    format: Option<Form>,
}

/// `GET /workflows/executions/{id}/graph`: the revision that the execution runs, with the state of each step.
pub async fn execution(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<FormParameters>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let form = negotiate::form(query.format, &headers, &GRAPH)?;
    let text = app.engine().status(caller.tenant, &id, None).await?;
    let answer: Answer = serde_json::from_str(&text).map_err(|e| Error::broken("an execution's own answer", &e))?;
    let stored = app.engine().registry().revision(caller.tenant, &answer.workflow_id, answer.revision).await?;
    let now = SystemClock.now();
    let draw = move || {
        let mut figure = figure(&stored.answer());
        answer.onto(&mut figure, now);
        figure
    };
    drawn(&app, form, draw).await
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
