//! Outgoing HTTP requests: a small client that waits for the whole answer.
//!
//! ```
//! use stepwell::{Error, function, http};
//!
//! #[function]
//! fn rate(input: String) -> Result<f64, Error> {
//!     let answer = http::get(format!("https://rates.example.com/v1/{input}")).send()?.success()?;
//!     answer.json()
//! }
//!
//! // Natively there is no host: a test says what is answered.
//! http::answer_with(|request| {
//!     assert_eq!(request.url(), "https://rates.example.com/v1/EUR");
//!     Ok(http::Response::new(200, "1.08"))
//! });
//! # fn main() {
//! assert_eq!(rate("EUR".to_owned()).unwrap(), 1.08);
//! # }
//! ```
//!
//! A function reaches only what was granted to it, and never a private network unless the operator allows it. Redirects are answers
//! like any other. A request's body has at most 4 MiB, an answer's at most 8 MiB, and everything ends with the attempt's deadline.
//! A component that sends requests in another way, with `wasi:http`, is treated the same.

#[cfg(not(target_arch = "wasm32"))]
mod native;
mod url;
#[cfg(target_arch = "wasm32")]
mod wasi;

use crate::Error;
#[cfg(not(target_arch = "wasm32"))]
pub use native::answer_with;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A request that is not sent yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "it is sent by `send`"]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    timeout: Option<Duration>,
}

/// An answer, with its whole body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 200 to 599.
    pub status: u16,
    /// Names in lower case. A name may occur more than once.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body as it came: nothing is decompressed.
    pub body: Vec<u8>,
}

/// A request for what is there.
pub fn get(url: impl Into<String>) -> Request {
    Request::new("GET", url)
}

impl Request {
    /// A request with any method. The URL is `http://` or `https://`, with everything encoded that has to be (`%20`).
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self { method: method.into(), url: url.into(), headers: Vec::new(), body: Vec::new(), timeout: None }
    }

    /// `GET`
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// `POST`
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// `PUT`
    pub fn put(url: impl Into<String>) -> Self {
        Self::new("PUT", url)
    }

    /// `PATCH`
    pub fn patch(url: impl Into<String>) -> Self {
        Self::new("PATCH", url)
    }

    /// `DELETE`
    pub fn delete(url: impl Into<String>) -> Self {
        Self::new("DELETE", url)
    }

    /// One more header. `host`, `content-length` and those of the connection are the host's.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// A body in JSON, and the header that says so.
    ///
    /// # Errors
    /// The permanent failure `http_invalid_request`: the value has no form in JSON.
    pub fn json(self, value: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_vec(value)
            .map_err(|error| Error::permanent("http_invalid_request", format!("the body has no JSON form: {error}")))?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// Longest wait for the connection, for the head of the answer, and between two parts of its body. Without it, and at most, it is
    /// what the host allows.
    pub fn timeout(mut self, wait: Duration) -> Self {
        self.timeout = Some(wait);
        self
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The URL as it was given.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The headers that were added.
    #[must_use]
    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        &self.headers
    }

    /// The body's bytes.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.body
    }

    /// Sends it, and waits for the whole answer. Any status is an answer: [`Response::success`] judges it.
    ///
    /// # Errors
    /// Permanent: `http_denied` (not granted, or an address that nobody may reach), `http_invalid_request`, `http_too_large`. Retryable:
    /// `http_timeout`, `http_failed` (no connection, no answer). The attempt's log says more.
    pub fn send(self) -> Result<Response, Error> {
        let parts = url::Url::parse(&self.url).map_err(|why| Error::permanent("http_invalid_request", why))?;
        #[cfg(target_arch = "wasm32")]
        return wasi::send(&self, &parts);
        #[cfg(not(target_arch = "wasm32"))]
        native::send(&self, &parts)
    }
}

impl Response {
    /// An answer for a test.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// The first header of this name, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        value.and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Itself, if its status is 2xx.
    ///
    /// # Errors
    /// `http_status`, with `status` in its details: retryable for 408, 425, 429 and 5xx, after `Retry-After` where that is a number of
    /// seconds; otherwise permanent.
    pub fn success(self) -> Result<Self, Error> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let message = format!("the server answered {}", self.status);
        let details = serde_json::json!({"status": self.status});
        if !matches!(self.status, 408 | 425 | 429 | 500..) {
            return Err(Error::permanent("http_status", message).details(details));
        }
        let error = Error::retryable("http_status", message).details(details);
        let pause = self.header("retry-after").and_then(|text| text.trim().parse::<u32>().ok());
        Err(pause.map_or(error.clone(), |seconds| error.retry_after(Duration::from_secs(seconds.into()))))
    }

    /// The body as text.
    ///
    /// # Errors
    /// The permanent failure `http_unreadable`: it is not UTF-8.
    pub fn text(&self) -> Result<&str, Error> {
        let text = std::str::from_utf8(&self.body);
        text.map_err(|error| Error::permanent("http_unreadable", format!("the answer is not UTF-8: {error}")))
    }

    /// The body, read as JSON.
    ///
    /// # Errors
    /// The permanent failure `http_unreadable`: it is not JSON, or not of this form.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let mut reader = serde_json::Deserializer::from_slice(&self.body);
        let value = serde_path_to_error::deserialize(&mut reader);
        let value = value.map_err(|error| {
            Error::permanent("http_unreadable", format!("the answer is not the JSON that is expected: {error}"))
        })?;
        let end = reader.end();
        end.map_err(|error| Error::permanent("http_unreadable", format!("the answer is not JSON: {error}")))?;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)]) -> Result<Response, Error> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        Response { headers: headers.collect(), ..Response::new(status, "") }.success()
    }

    #[test]
    fn a_status_says_whether_another_attempt_may_help() {
        assert!(answer(204, &[]).is_ok());
        for (status, again) in
            [(301, false), (400, false), (404, false), (408, true), (429, true), (500, true), (503, true)]
        {
            let error = answer(status, &[]).unwrap_err();
            assert_eq!((error.code(), error.is_retryable(), error.pause()), ("http_status", again, None), "{status}");
        }
        let error = answer(503, &[("Retry-After", "7")]).unwrap_err();
        assert_eq!(error.pause(), Some(Duration::from_secs(7)));
        let date = answer(503, &[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")]).unwrap_err();
        assert!(date.is_retryable() && date.pause().is_none());
    }

    #[test]
    fn bodies_are_read_or_say_why_not() {
        assert_eq!(Response::new(200, "[1,2]").json::<Vec<u8>>().unwrap(), [1, 2]);
        for bad in ["", "[1", "[1] x", "{\"a\":1}"] {
            assert_eq!(Response::new(200, bad).json::<Vec<u8>>().unwrap_err().code(), "http_unreadable", "{bad}");
        }
        assert_eq!(Response::new(200, vec![0xff]).text().unwrap_err().code(), "http_unreadable");
    }

    #[test]
    fn a_test_answers_itself() {
        let sent = Request::post("http://a.example/x?y#z").header("x-a", "1").json(&[1]).unwrap();
        assert_eq!(get("http://a.example").send().unwrap_err().code(), "http_denied");
        answer_with(|request| {
            assert_eq!(
                (request.method(), request.url(), request.content()),
                ("POST", "http://a.example/x?y#z", &b"[1]"[..])
            );
            assert_eq!(request.headers().len(), 2);
            Ok(Response::new(201, "done"))
        });
        assert_eq!(sent.send().unwrap().text().unwrap(), "done");
        assert_eq!(get("ftp://a.example").send().unwrap_err().code(), "http_invalid_request");
    }
}
