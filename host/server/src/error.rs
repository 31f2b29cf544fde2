//! Every error as JSON: RFC 9457, and beside it what the seed's client reads (http-api.md section 1).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use stepwell_core::definition::Fault;
use stepwell_core::failure::{Failure, Source};
use stepwell_engine::Error;

/// Longest message: as long as a function's may be, and the mark of a cut.
const MESSAGE_BYTES: usize = stepwell_core::failure::MESSAGE_BYTES + '…'.len_utf8();

/// An error on its way out.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: String,
    message: String,
    fields: Vec<FieldError>,
    retry_after_s: Option<u32>,
    /// What a guest's fault adds.
    failure: Option<Box<Failure>>,
}

/// One field at fault.
#[derive(Debug, Clone, Serialize)]
pub struct FieldError {
    /// Its name, for a client that shows it: `steps[0].id`.
    pub field: String,
    /// JSON pointer.
    pub pointer: String,
    /// Stable code.
    pub code: String,
    /// What to change.
    pub message: String,
    /// Where in a script.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub place: Option<Spot>,
}

/// A place in a text, from 1.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Spot {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    code: &'a str,
    message: &'a str,
    status_code: u16,
    errors: &'a [FieldError],
    #[serde(skip_serializing_if = "Option::is_none")]
    retryable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a stepwell_core::payload::Payload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
    request_id: &'a str,
}

/// Where the request went, for `instance` and `requestId`; put into the response by the guard.
#[derive(Debug, Clone)]
pub struct Place {
    /// The path.
    pub path: String,
    /// The request's id.
    pub request_id: String,
}

impl ApiError {
    /// An error with this status and code.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let (code, message) = (code.to_owned(), shortened(message.into()));
        Self { status, code, message, fields: Vec::new(), retry_after_s: None, failure: None }
    }

    /// 400: the body or a field has the wrong shape.
    pub fn wrong_shape(field: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let pointer = if field == "body" { String::new() } else { format!("/{field}") };
        let at = FieldError {
            field: field.to_owned(),
            pointer,
            code: "wrong_shape".to_owned(),
            message: message.clone(),
            place: None,
        };
        Self { fields: vec![at], ..Self::new(StatusCode::BAD_REQUEST, "invalid_request", message) }
    }

    /// 400: these fields have the wrong shape.
    pub fn wrong_shapes(faults: Vec<(String, String)>) -> Self {
        let all = faults.into_iter().flat_map(|(field, message)| Self::wrong_shape(&field, message).fields);
        let named = all.map(|at| match at.pointer.as_str() {
            "" => at,
            pointer => FieldError { field: field_name(pointer), ..at },
        });
        let fields: Vec<FieldError> = named.collect();
        let message = fields.first().map_or_else(String::new, |first| first.message.clone());
        Self { fields, ..Self::new(StatusCode::BAD_REQUEST, "invalid_request", message) }
    }

    /// The same with another code.
    pub fn with_code(mut self, code: &str) -> Self {
        code.clone_into(&mut self.code);
        self
    }

    /// The same code for somebody who may not know more: with this status, message, and no fields.
    pub fn answered(self, status: StatusCode, message: String) -> Self {
        let retry_after_s = if status.is_server_error() { self.retry_after_s.or(Some(1)) } else { self.retry_after_s };
        Self { status, message, fields: Vec::new(), retry_after_s, ..self }
    }

    /// The same, for a limit that is soon free again.
    pub fn soon(self) -> Self {
        Self { retry_after_s: Some(1), ..self }
    }

    /// The same, for what may succeed after so many seconds.
    pub fn later(self, seconds: u32) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// Its stable code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What to do.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Seconds after which a repetition may succeed.
    pub fn retry_after_s(&self) -> Option<u32> {
        self.retry_after_s
    }

    /// 422: a function's bad outcome.
    pub fn guest(failure: Failure) -> Self {
        let status = match failure.source {
            Source::Guest => StatusCode::UNPROCESSABLE_ENTITY,
            Source::Host => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let error = Self::new(status, &failure.code, failure.message.clone());
        Self { failure: Some(Box::new(failure)), ..error }
    }

    /// The body for this place, as JSON text.
    pub fn body(&self, place: &Place) -> String {
        let status = self.status.as_u16();
        let failure = self.failure.as_deref();
        let problem = Problem {
            kind: format!("urn:stepwell:error:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status,
            detail: &self.message,
            instance: &place.path,
            code: &self.code,
            message: &self.message,
            status_code: status,
            errors: &self.fields,
            retryable: failure.map(|failure| failure.retryable),
            details: failure.and_then(|failure| failure.details.as_ref()),
            source: failure.map(|failure| failure.source),
            request_id: &place.request_id,
        };
        serde_json::to_string(&problem)
            .unwrap_or_else(|_| r#"{"message":"the error cannot be written","code":"internal"}"#.to_owned())
    }

    /// The answer for this place.
    pub fn into_problem(self, place: &Place) -> Response {
        let body = self.body(place);
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The guard, which knows the place, turns this into a body.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(Pending(std::sync::Arc::new(std::sync::Mutex::new(Some(self)))));
        response
    }
}

/// An error that waits for its place.
#[derive(Clone)]
pub struct Pending(pub std::sync::Arc<std::sync::Mutex<Option<ApiError>>>);

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::NotFound { what, .. } => Self::new(StatusCode::NOT_FOUND, &format!("{what}_not_found"), message),
            Error::Conflict { code, .. } => Self::new(StatusCode::CONFLICT, code, message),
            Error::WrongShape { field, .. } => Self::wrong_shape(field, message),
            Error::InvalidDefinition(faults) => {
                let fields = faults.into_iter().map(FieldError::from).collect();
                Self { fields, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_definition", message) }
            }
            Error::MissingFunctions(missing) => {
                let fields = missing.into_iter().map(|id| FieldError {
                    field: "function".to_owned(),
                    pointer: String::new(),
                    code: "missing_functions".to_owned(),
                    message: id,
                    place: None,
                });
                let fields = fields.collect();
                Self { fields, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "missing_functions", message) }
            }
            Error::InvalidInput(violations) => {
                let fields = violations.into_iter().map(|violation| FieldError {
                    field: field_name(&violation.pointer),
                    pointer: violation.pointer,
                    code: "schema_violation".to_owned(),
                    message: violation.message,
                    place: None,
                });
                let fields = fields.collect();
                Self { fields, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_input", message) }
            }
            Error::Forbidden { code, .. } => Self::new(StatusCode::FORBIDDEN, code, message),
            Error::PreconditionFailed { .. } => {
                Self::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", message)
            }
            Error::Refused { code, .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message),
            Error::InvalidScript { place, .. } => {
                let at = FieldError {
                    field: "source".to_owned(),
                    pointer: "/source".to_owned(),
                    code: "invalid_script".to_owned(),
                    message: message.clone(),
                    place: place.map(|place| Spot { line: place.line, column: place.column }),
                };
                Self { fields: vec![at], ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_script", message) }
            }
            Error::TooLarge { limit, .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, limit, message),
            Error::LimitReached { limit, .. } => {
                Self { retry_after_s: Some(60), ..Self::new(StatusCode::TOO_MANY_REQUESTS, limit, message) }
            }
            Error::QuotaReached { limit, retry_after_s, .. } => {
                Self { retry_after_s: Some(retry_after_s), ..Self::new(StatusCode::TOO_MANY_REQUESTS, limit, message) }
            }
            Error::NoRoom { code, retry_after_s, .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message).later(retry_after_s)
            }
            Error::Unavailable(_) => {
                Self { retry_after_s: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message) }
            }
            Error::Broken => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message),
        }
    }
}

impl From<Fault> for FieldError {
    fn from(fault: Fault) -> Self {
        let (field, code) = (field_name(&fault.pointer), fault.code.to_owned());
        Self { field, pointer: fault.pointer, code, message: fault.message, place: None }
    }
}

/// Messages quote what was sent, ids for instance; nobody needs all of a long one back.
fn shortened(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES {
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES));
        message.push('…');
    }
    message
}

/// `/steps/0/config/else` as `steps[0].config.else`.
fn field_name(pointer: &str) -> String {
    let mut name = String::new();
    for segment in pointer.split('/').skip(1) {
        if segment.bytes().all(|b| b.is_ascii_digit()) && !segment.is_empty() {
            name.push_str(&format!("[{segment}]"));
        } else {
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(&segment.replace("~1", "/").replace("~0", "~"));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_become_field_names() {
        for (pointer, name) in [("", ""), ("/steps/0/id", "steps[0].id"), ("/a~1b/12", "a/b[12]")] {
            assert_eq!(field_name(pointer), name);
        }
    }
}
