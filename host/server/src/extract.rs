//! Bodies and parameters, with limits and with errors of ours.

use crate::error::ApiError;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use std::time::Duration;
use stepwell_core::payload::{InvalidPayload, Payload};
use stepwell_core::time::parse_duration;
use stepwell_core::trace::TraceParent;

pub use stepwell_core::payload::present;

/// A body must have arrived after this time, so that slow senders do not collect.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest `?wait=`: proxies commonly cut a silent connection after a minute.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What is read and thrown away of a body that is too long: a client that still sends would not read the answer.
const DRAINED_BYTES: usize = 64 << 20;

/// The bytes of a request's body, at most so many (`limit` names it in the answer).
pub async fn bytes(request: Request, (most, limit): (usize, &str)) -> Result<Bytes, ApiError> {
    let (parts, body) = request.into_parts();
    check_encoding(&parts.headers)?;
    let too_large = || {
        let message = format!("the body is larger than {most} bytes (limit `{limit}`)");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, limit, message)
    };
    if is_hopeless(&parts.headers, most) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_TIMEOUT, read(body, most)).await {
        Err(_) => Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body did not arrive in time")),
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => Err(too_large()),
        Ok(Err(_)) => Err(ApiError::wrong_shape("body", "the body ended before it was complete")),
    }
}

/// Whether a body that says its length need not be read at all: its sender asks first, or it is too long even to be thrown away.
fn is_hopeless(headers: &HeaderMap, most: usize) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let read = if headers.contains_key(header::EXPECT) { most } else { most.saturating_add(DRAINED_BYTES) };
    length.is_some_and(|length| usize::try_from(length).is_ok_and(|length| length > read))
}

fn check_encoding(headers: &HeaderMap) -> Result<(), ApiError> {
    let plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(header::CONTENT_ENCODING).iter().all(plain) {
        return Ok(());
    }
    let message = "send the body as it is, without `Content-Encoding`";
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message))
}

/// `None` if it is longer than `most`.
async fn read(mut body: Body, most: usize) -> Result<Option<Bytes>, axum::Error> {
    let (mut kept, mut length) = (BytesMut::new(), 0usize);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length <= most {
            kept.extend_from_slice(&data);
        } else if length > most.saturating_add(DRAINED_BYTES) {
            break;
        } else {
            kept = BytesMut::new();
        }
    }
    Ok((length <= most).then(|| kept.freeze()))
}

/// The trace that a request belongs to (W3C Trace Context); one that is damaged, or given twice, is none.
pub fn trace(headers: &HeaderMap) -> Option<TraceParent> {
    let mut given = headers.get_all("traceparent").iter();
    let (Some(one), None) = (given.next(), given.next()) else { return None };
    TraceParent::parse(one.to_str().ok()?).ok()
}

/// A JSON body: checked for size, type, syntax and depth; still text.
pub async fn json(request: Request, size: (usize, &str)) -> Result<Payload, ApiError> {
    payload(&unread(request, size).await?)
}

/// A body that says that it is JSON; for [`payload`].
pub async fn unread(request: Request, size: (usize, &str)) -> Result<Bytes, ApiError> {
    check_json_type(request.headers())?;
    bytes(request, size).await
}

/// JSON in these bytes: checked for syntax and depth; still text.
pub fn payload(bytes: &[u8]) -> Result<Payload, ApiError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ApiError::wrong_shape("body", "the body is not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text); // some editors and shells write a byte order mark
    if text.trim().is_empty() {
        return Err(ApiError::wrong_shape("body", "the body is empty; send JSON"));
    }
    Payload::parse(text).map_err(|error| {
        let code = match error {
            InvalidPayload::Syntax(_) => "invalid_json",
            InvalidPayload::TooDeep => "json_depth",
            InvalidPayload::LoneSurrogate(_) | InvalidPayload::NumberRange(_) => "invalid_json_value",
        };
        ApiError::wrong_shape("body", format!("body: {error}")).with_code(code)
    })
}

/// A JSON body of a known form.
pub async fn typed<T: DeserializeOwned>(request: Request, size: (usize, &str)) -> Result<T, ApiError> {
    form(&json(request, size).await?)
}

/// As [`typed`], for a body that may be left out.
pub async fn optional<T: DeserializeOwned + Default>(request: Request, size: (usize, &str)) -> Result<T, ApiError> {
    check_json_type(request.headers())?;
    let bytes = bytes(request, size).await?;
    if bytes.trim_ascii().is_empty() { Ok(T::default()) } else { form(&payload(&bytes)?) }
}

fn form<T: DeserializeOwned>(payload: &Payload) -> Result<T, ApiError> {
    if !payload.as_str().trim_start().starts_with('{') {
        return Err(ApiError::wrong_shape("body", "the body is not a JSON object")); // serde would take a list for one
    }
    let mut deserializer = serde_json::Deserializer::from_str(payload.as_str());
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { "body".to_owned() } else { path };
        let inner = error.into_inner().to_string();
        let what = inner.split(" at line ").next().unwrap_or_default();
        ApiError::wrong_shape(&field, format!("{field}: {what}"))
    })
}

fn check_json_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind == "application/json" || kind.ends_with("+json") {
        return Ok(());
    }
    let message = "send JSON with `Content-Type: application/json`";
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message))
}

/// One segment of the path.
pub struct Id(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(id)| Self(id)).map_err(|_| ApiError::wrong_shape("id", "the id in the path is not valid UTF-8"))
    }
}

/// An id and, behind a fixed word, a number from 1.
pub struct Numbered(pub String, pub u32);

impl<S: Send + Sync> FromRequestParts<S> for Numbered {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((id, number)) =
            path.map_err(|_| ApiError::wrong_shape("id", "the id in the path is not valid UTF-8"))?;
        let number = number.parse().map_err(|_| ApiError::wrong_shape("revision", "a revision is a whole number"))?;
        Ok(Self(id, number))
    }
}

/// Two segments of the path.
pub struct Ids(pub String, pub String);

impl<S: Send + Sync> FromRequestParts<S> for Ids {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let not_text = |_| ApiError::wrong_shape("id", "the ids in the path are not valid UTF-8");
        path.map(|Path((first, second))| Self(first, second)).map_err(not_text)
    }
}

/// The query's parameters.
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(query)| Self(query)).map_err(|error| ApiError::wrong_shape("query", error.body_text()))
    }
}

/// `?wait=30s`, or milliseconds.
pub fn wait(text: Option<&str>) -> Result<Option<Duration>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let ms = text.parse().ok().or_else(|| parse_duration(text));
    let ms = ms.ok_or_else(|| ApiError::wrong_shape("wait", "`wait` is a time such as 30s, or milliseconds"))?;
    Ok(Some(Duration::from_millis(ms).min(LONGEST_WAIT)))
}

/// Takes the whole request, for handlers that read the body themselves.
pub struct Whole(pub Request);

impl<S: Send + Sync> FromRequest<S> for Whole {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        Ok(Self(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt as _, stream};

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        let begun = stream::once(async { Ok::<_, std::io::Error>(Bytes::from_static(b"{")) });
        let request = Request::new(Body::from_stream(begun.chain(stream::pending())));
        let error = bytes(request, (10, "payload_bytes")).await.expect_err("it never ends");
        assert_eq!((error.status(), error.code()), (StatusCode::REQUEST_TIMEOUT, "body_timeout"));
    }
}
