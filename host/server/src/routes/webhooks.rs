//! `/webhooks/...`: requests from outside that start workflows. The signature is the permission: no API key is needed.

use super::{App, SUSPENDED_RETRY_S, json};
use crate::error::ApiError;
use crate::extract::{self, Whole};
use crate::webhook_body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use stepwell_core::ids::TenantId;
use stepwell_engine::{Error, Incoming, Need, Received, Route};

/// `/webhooks/{path}` of the default tenant, with any method: 202 `{executionId, deliveryId}`.
pub async fn receive(State(app): State<App>, Whole(request): Whole) -> Result<Response, ApiError> {
    let path = request.uri().path().to_owned();
    take(&app, (TenantId::DEFAULT, path), request).await
}

/// `/t/{tenant}/webhooks/{path}`: the same of every tenant.
pub async fn receive_for(State(app): State<App>, Whole(request): Whole) -> Result<Response, ApiError> {
    let named = request.uri().path().strip_prefix("/t/").and_then(|rest| rest.split_once('/'));
    let called = |id: &str| app.engine().tenants().called(id);
    let named = named.and_then(|(tenant, path)| Some((called(tenant)?.number, format!("/{path}"))));
    take(&app, named.ok_or_else(not_found)?, request).await
}

/// Whether a tenant takes webhooks now: its sender tries again later if it is suspended.
fn check(app: &App, tenant: TenantId) -> Result<(), ApiError> {
    let checked = app.engine().tenants().check(tenant).and_then(|()| app.engine().room_for(Need::Growth));
    checked.map_err(|error| match error {
        Error::NotFound { .. } => not_found(),
        full @ Error::NoRoom { .. } => full.into(),
        other => {
            let message = "this webhook is not taken now; send it again later".to_owned();
            ApiError::from(other).answered(StatusCode::SERVICE_UNAVAILABLE, message).later(SUSPENDED_RETRY_S)
        }
    })
}

fn not_found() -> ApiError {
    let message = "there is no webhook at this address; compare it with the trigger's `path` in the workflow";
    ApiError::new(StatusCode::NOT_FOUND, "webhook_not_found", message)
}

async fn take(app: &App, (tenant, path): (TenantId, String), request: Request) -> Result<Response, ApiError> {
    check(app, tenant)?;
    let method = request.method().as_str().to_owned();
    let route = app.engine().webhook(tenant, &path, &method).await?;
    let head = head(&request, (method, path));
    let most = usize::try_from(app.engine().limits_of(tenant).execution.payload_bytes).unwrap_or(usize::MAX);
    // Read in any case: who still sends would not see the answer.
    let body = extract::bytes(request, (most, "payload_bytes")).await;
    let webhook = match route {
        Route::Here(webhook) => webhook,
        Route::OtherMethods(methods) => return Ok(wrong_method(&methods)),
        Route::Nothing => return Err(not_found()),
    };
    let body = match body {
        Ok(body) => body,
        Err(error) => {
            let why = (error.code(), error.message().to_owned());
            app.engine().refuse_webhook(&webhook, &head, why).await;
            return Err(error);
        }
    };
    answer(app.engine().receive(webhook, Incoming { body, ..head }, webhook_body::read).await?)
}

fn wrong_method(methods: &[String]) -> Response {
    let allowed = methods.join(", ");
    let message = format!("this webhook takes {allowed}");
    let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
    let mut response = error.into_response();
    response.headers_mut().extend(HeaderValue::from_str(&allowed).ok().map(|allowed| (header::ALLOW, allowed)));
    response
}

/// All but the body.
fn head(request: &Request, (method, path): (String, String)) -> Incoming {
    let mut query = Map::new();
    for (name, value) in form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()) {
        webhook_body::add(&mut query, &name, &value);
    }
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.as_str().to_owned(), Bytes::copy_from_slice(value.as_bytes())));
    Incoming { method, path, query, headers: headers.collect(), body: Bytes::new() }
}

/// What its sender gets.
pub(super) fn answer(received: Received) -> Result<Response, ApiError> {
    match received {
        Received::Accepted { delivery, execution } => {
            let body = json!({"executionId": execution.to_string(), "deliveryId": delivery});
            json(StatusCode::ACCEPTED, &body)
        }
        Received::Ignored { delivery, code } => {
            let body = json!({"executionId": Value::Null, "deliveryId": delivery, "code": code});
            json(StatusCode::ACCEPTED, &body)
        }
        Received::Challenge(challenge) => json(StatusCode::OK, &json!({"challenge": challenge})),
        Received::NotStarted { delivery, error } => Err(not_started(&delivery, error)),
        Received::Unsigned(unsigned) => {
            Err(ApiError::new(StatusCode::UNAUTHORIZED, unsigned.code(), unsigned.to_string()))
        }
        Received::Unreadable(why) if why.code == "unsupported_media_type" => {
            Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", why.message))
        }
        Received::Unreadable(why) if why.code == "payload_bytes" => {
            Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_bytes", why.message))
        }
        Received::Unreadable(why) => Err(ApiError::wrong_shape("body", why.message).with_code(&why.code)),
    }
}

/// A start that was refused. Its sender may be anybody: the details are in the delivery, for the workflow's owner.
fn not_started(delivery: &str, error: Error) -> ApiError {
    let error = ApiError::from(error);
    let status = match error.status() {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::PAYLOAD_TOO_LARGE => error.status(),
        status if status.is_server_error() => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let message = format!(
        "the request was kept as delivery {delivery}, but its workflow could not be started; GET /webhook-deliveries/{delivery} says why"
    );
    error.answered(status, message)
}
