//! The client over `wasi:http`.

use super::url::Url;
use super::{Request, Response};
use crate::Error;
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions,
    Scheme,
};
use wasip2::io::streams::StreamError;

/// Bytes that are asked for at a time.
const PART: u64 = 64 << 10;

/// Sends it, and waits for all of the answer.
pub(super) fn send(request: &Request, url: &Url<'_>) -> Result<Response, Error> {
    let invalid = |what: &str| Error::permanent("http_invalid_request", format!("{}: {what}", request.url));
    let headers = Fields::new();
    for (name, value) in &request.headers {
        headers.append(name, value).map_err(|_| invalid(&format!("the header {name:?} is not accepted")))?;
    }
    let outgoing = OutgoingRequest::new(headers);
    let scheme = if url.is_secure { Scheme::Https } else { Scheme::Http };
    outgoing.set_method(&method(&request.method)).map_err(|()| invalid("the method is not accepted"))?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| invalid("the scheme is not accepted"))?;
    outgoing.set_authority(Some(url.authority)).map_err(|()| invalid("the host is not accepted"))?;
    outgoing.set_path_with_query(Some(&url.path)).map_err(|()| invalid("the path is not accepted"))?;
    let body = outgoing.body().map_err(|()| invalid("there is no body"))?;
    let answer = handle(outgoing, options(request)).map_err(|code| failed(&request.url, &code))?;
    write(body, &request.body);
    read(&request.url, &head(&request.url, &answer)?)
}

fn method(text: &str) -> Method {
    match text {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn options(request: &Request) -> Option<RequestOptions> {
    let wait = u64::try_from(request.timeout?.as_nanos()).unwrap_or(u64::MAX);
    let options = RequestOptions::new();
    // Where the host does not take one of them, its own limit holds.
    let _ = options.set_connect_timeout(Some(wait));
    let _ = options.set_first_byte_timeout(Some(wait));
    let _ = options.set_between_bytes_timeout(Some(wait));
    Some(options)
}

/// Writes all of it. Where the other side takes no more, the answer says why.
fn write(body: OutgoingBody, bytes: &[u8]) {
    if let Ok(stream) = body.write() {
        let mut rest = bytes;
        while !rest.is_empty() {
            match stream.check_write() {
                Ok(0) => stream.subscribe().block(),
                Ok(room) => {
                    let (part, after) = rest.split_at(rest.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
                    if stream.write(part).is_err() {
                        break;
                    }
                    rest = after;
                }
                Err(_) => break,
            }
        }
    }
    let _ = OutgoingBody::finish(body, None);
}

fn head(url: &str, answer: &FutureIncomingResponse) -> Result<IncomingResponse, Error> {
    loop {
        match answer.get() {
            Some(Ok(Ok(head))) => return Ok(head),
            Some(Ok(Err(code))) => return Err(failed(url, &code)),
            Some(Err(())) => return Err(broken(url, "the answer was taken already")),
            None => answer.subscribe().block(),
        }
    }
}

fn read(url: &str, head: &IncomingResponse) -> Result<Response, Error> {
    let (status, headers) = (head.status(), head.headers().entries());
    let body = head.consume().map_err(|()| broken(url, "the answer was taken already"))?;
    let stream = body.stream().map_err(|()| broken(url, "the answer was taken already"))?;
    let mut whole = Vec::new();
    loop {
        match stream.blocking_read(PART) {
            Ok(part) => whole.extend_from_slice(&part),
            Err(StreamError::Closed) => return Ok(Response { status, headers, body: whole }),
            Err(StreamError::LastOperationFailed(error)) => return Err(broken(url, &error.to_debug_string())),
        }
    }
}

fn broken(url: &str, why: &str) -> Error {
    Error::retryable("http_failed", format!("{}: the answer broke off: {why}", place(url)))
}

/// Without the query: it may hold what does not belong into a message.
fn place(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

fn failed(url: &str, code: &ErrorCode) -> Error {
    let place = place(url);
    match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => Error::permanent(
            "http_denied",
            format!("{place}: the request was refused; the attempt's log says what was not granted"),
        ),
        ErrorCode::HttpRequestUriInvalid | ErrorCode::HttpRequestMethodInvalid | ErrorCode::HttpRequestUriTooLong => {
            Error::permanent(
                "http_invalid_request",
                format!("{place}: the request is not accepted; the attempt's log says why"),
            )
        }
        ErrorCode::HttpRequestBodySize(_) => {
            Error::permanent("http_too_large", format!("{place}: the request is too large"))
        }
        ErrorCode::HttpResponseBodySize(_) => {
            Error::permanent("http_too_large", format!("{place}: the answer is too large"))
        }
        ErrorCode::HttpResponseTimeout | ErrorCode::ConnectionTimeout => {
            Error::retryable("http_timeout", format!("{place}: it took too long"))
        }
        ErrorCode::DnsError(why) => {
            let why = why.rcode.as_deref().unwrap_or("the name was not found");
            Error::retryable("http_failed", format!("{place}: {why}"))
        }
        ErrorCode::InternalError(Some(why)) => Error::retryable("http_failed", format!("{place}: {why}")),
        ErrorCode::ConnectionRefused => Error::retryable("http_failed", format!("{place}: nobody accepts connections")),
        ErrorCode::ConnectionLimitReached => Error::retryable("http_failed", format!("{place}: too many connections")),
        ErrorCode::TlsCertificateError => {
            Error::retryable("http_failed", format!("{place}: TLS failed; the attempt's log says why"))
        }
        other => Error::retryable("http_failed", format!("{place}: {other:?}")),
    }
}
