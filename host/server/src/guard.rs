//! Round every request: its id, its errors as JSON, and a panic that costs one answer, not the server.

use crate::access;
use crate::audit::{self, Trail};
use crate::error::{ApiError, Pending, Place};
use crate::leftovers::Leftovers;
use crate::presence::presence;
use crate::routes::App;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt as _;
use std::panic::AssertUnwindSafe;

const REQUEST_ID: &str = "x-request-id";
/// Longest request id that is taken over from the caller.
const REQUEST_ID_BYTES: usize = 128;

/// Longest path that is repeated in answers and logs.
const PATH_CHARS: usize = 1_024;
/// Routes whose last segment is a permission.
const TOKENS: [&str; 2] = ["/approve/", "/callbacks/"];

/// The middleware.
pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let place = Place { path: without_token(request.uri().path()), request_id: request_id(&app, &request) };
    let method = request.method().clone();
    let (mut request, leftovers) = Leftovers::of(request);
    // Dropped with this future, when whoever asks hangs up.
    let (_here, present) = presence();
    request.extensions_mut().insert(present);
    let answered = if is_told(&request) {
        // Also if the caller hangs up: nobody changes anything without a line.
        let engine = app.engine().clone();
        engine.to_the_end("a change", run(app, request, next, place.clone())).await
    } else {
        Some(run(app, request, next, place.clone()).await)
    };
    let mut response = answered.unwrap_or_else(|| panicked(&place));
    if let Some(leftovers) = leftovers {
        leftovers.clear().await;
    }
    if let Ok(id) = HeaderValue::from_str(&place.request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    tracing::debug!(%method, path = place.path, status = response.status().as_u16(), request_id = place.request_id);
    response
}

/// Whether the audit log may tell of this request.
fn is_told(request: &Request) -> bool {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    // Answers by a link have no caller, and are told all the same.
    access::needed(request.method(), path).action.is_some() || path.starts_with(TOKENS[0])
}

/// The handler's answer, and its line in the audit log.
async fn run(app: App, mut request: Request, next: Next, place: Place) -> Response {
    let (trail, address) = (Trail::default(), audit::address(&request));
    request.extensions_mut().insert(trail.clone());
    request.extensions_mut().insert(place.clone());
    let Ok(response) = AssertUnwindSafe(next.run(request)).catch_unwind().await else { return panicked(&place) };
    let lines = audit::lines((trail, address), &response, &place);
    audit::note(&app, lines).await;
    with_problem(response, &place)
}

/// A handler's panic as an answer.
pub fn panicked(place: &Place) -> Response {
    tracing::error!(request_id = place.request_id, path = place.path, "a request panicked");
    let message = "the server failed; its log says why";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message).into_problem(place)
}

/// What is said of a path in logs and answers. A token in it is a secret.
fn without_token(path: &str) -> String {
    let secret = TOKENS.into_iter().find(|prefix| path.starts_with(prefix));
    secret.map_or_else(|| path.chars().take(PATH_CHARS).collect(), |prefix| format!("{prefix}***"))
}

/// Errors of ours get their body here; a bare error status of the framework becomes one of ours.
pub fn with_problem(response: Response, place: &Place) -> Response {
    if let Some(Pending(error)) = response.extensions().get::<Pending>().cloned() {
        let error = error.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(error) = error {
            return keep_allow(&response, error, place);
        }
    }
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    // A page of ours, for somebody who follows a link. The framework has none.
    let said = kind.ends_with(b"json") || kind.starts_with(b"text/html");
    if (status.is_client_error() || status.is_server_error()) && !said {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_not_repeated() {
        for (path, shown) in [
            ("/approve/abc", "/approve/***"),
            ("/callbacks/abc/d", "/callbacks/***"),
            ("/workflows/approve", "/workflows/approve"),
        ] {
            assert_eq!(without_token(path), shown);
        }
        assert_eq!(without_token(&"/x".repeat(1_000)).len(), PATH_CHARS);
    }
}
