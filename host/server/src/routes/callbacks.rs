//! `/callbacks`: somebody outside completes a step. The token in the address is the permission.

use super::{App, SUSPENDED_RETRY_S, json};
use crate::error::ApiError;
use crate::extract::{self, Id, Whole};
use crate::openapi::shapes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use stepwell_core::failure::{Failure, MESSAGE_BYTES, Retry, code};
use stepwell_core::payload::Payload;
use stepwell_engine::{Error, SUSPENDED};
use utoipa::ToSchema;

/// What a body may have beside its result, bytes: every character of a message may be written as `\u00xx`.
const ENVELOPE_BYTES: usize = 6 * MESSAGE_BYTES + (4 << 10);

#[derive(Deserialize, ToSchema)]
#[schema(as = CallbackBody)]
struct Body {
    /// Missing and null are different.
    #[serde(default, deserialize_with = "extract::present")]
    #[schema(value_type = Option<serde_json::Value>)]
    result: Option<Payload>,
    #[serde(default)]
    failure: Option<Failed>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ReportedFailure)]
struct Failed {
    #[serde(default)]
    code: Option<String>,
    message: String,
    /// As for a function that fails without saying so: another attempt may end otherwise.
    #[serde(default = "yes")]
    retryable: bool,
    #[serde(default)]
    #[schema(value_type = Option<serde_json::Value>)]
    details: Option<Payload>,
}

fn yes() -> bool {
    true
}

/// `POST /callbacks/{token}` `{result}` or `{failure: {code?, message, retryable?, details?}}`: 200 `{}`.
#[utoipa::path(
    post,
    path = "/callbacks/{token}",
    tag = "executions",
    params(("token" = String, Path, description = "From the function's context; it is the permission")),
    request_body = Body,
    responses((status = 200, description = "The step is completed", body = shapes::Empty)),
    security(())
)]
pub async fn complete(State(app): State<App>, Id(token): Id, Whole(request): Whole) -> Result<Response, ApiError> {
    let payload = usize::try_from(app.engine().limits().ceilings.payload_bytes).unwrap_or(usize::MAX);
    let size = (payload.saturating_add(ENVELOPE_BYTES), "payload_bytes");
    let body: Body = extract::typed(request, size).await?;
    let outcome = match (body.result, body.failure) {
        (Some(result), None) => Ok(result),
        (None, Some(failed)) => Err(failure(failed)),
        (Some(_), Some(_)) | (None, None) => {
            return Err(ApiError::wrong_shape("body", "send either `result` or `failure`"));
        }
    };
    match app.engine().complete(&token, outcome).await {
        Ok(()) => json(StatusCode::OK, &json!({})),
        // The token is a secret: it is not repeated.
        Err(Error::NotFound { .. }) => {
            let message = "there is no such callback; post to the address as the function got it";
            Err(ApiError::new(StatusCode::NOT_FOUND, "callback_not_found", message))
        }
        // Nothing is lost: who calls back tries again later.
        Err(error @ Error::Forbidden { code: SUSPENDED, .. }) => {
            let message = error.to_string();
            Err(ApiError::from(error).answered(StatusCode::SERVICE_UNAVAILABLE, message).later(SUSPENDED_RETRY_S))
        }
        Err(error) => Err(error.into()),
    }
}

fn failure(failed: Failed) -> Failure {
    let retry = if failed.retryable { Retry::Again { after_ms: None } } else { Retry::Never };
    let code = failed.code.as_deref().unwrap_or(code::FUNCTION_ERROR);
    Failure::reported(code, failed.message, failed.details, retry)
}
