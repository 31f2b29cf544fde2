//! Round every request: its id, its errors as JSON, and a panic that costs one answer, not the server.

use crate::error::{ApiError, Pending, Place};
use crate::routes::App;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt as _;
use std::panic::AssertUnwindSafe;

const REQUEST_ID: &str = "x-request-id";
/// Longest request id that is taken over from the caller.
const REQUEST_ID_BYTES: usize = 128;

/// The middleware.
pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let place =
        Place { path: request.uri().path().chars().take(1_024).collect(), request_id: request_id(&app, &request) };
    let method = request.method().clone();
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let response = answered.unwrap_or_else(|_| {
        tracing::error!(request_id = place.request_id, path = place.path, "a request panicked");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server failed; its log says why")
            .into_problem(&place)
    });
    let mut response = with_problem(response, &place);
    if let Ok(id) = HeaderValue::from_str(&place.request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    tracing::debug!(%method, path = place.path, status = response.status().as_u16(), request_id = place.request_id);
    response
}

/// Errors of ours get their body here; a bare error status of the framework becomes one of ours.
fn with_problem(response: Response, place: &Place) -> Response {
    if let Some(Pending(error)) = response.extensions().get::<Pending>().cloned() {
        let error = error.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(error) = error {
            return keep_allow(&response, error, place);
        }
    }
    let status = response.status();
    let json = response.headers().get("content-type").is_some_and(|kind| kind.as_bytes().ends_with(b"json"));
    if (status.is_client_error() || status.is_server_error()) && !json {
        let reason = status.canonical_reason().unwrap_or("error");
        return keep_allow(
            &response,
            ApiError::new(status, "http_error", format!("the request was refused: {reason}")),
            place,
        );
    }
    response
}

/// The error's own answer, with the list of methods that a 405 must carry (RFC 9110).
fn keep_allow(response: &Response, error: ApiError, place: &Place) -> Response {
    let mut problem = error.into_problem(place);
    if let Some(allow) = response.headers().get(header::ALLOW) {
        problem.headers_mut().insert(header::ALLOW, allow.clone());
    }
    problem
}

fn request_id(app: &App, request: &Request) -> String {
    let given = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let usable = |id: &&str| !id.is_empty() && id.len() <= REQUEST_ID_BYTES && id.bytes().all(|b| b.is_ascii_graphic());
    given.filter(usable).map_or_else(|| format!("req-{}", app.random_text::<16>()), str::to_owned)
}
