//! What a function may ask for while it runs, besides computing. The sandbox passes each question on; whoever answers knows the
//! tenant, the grants of the function and the facts of the attempt, and refuses what was not granted.
//!
//! Questions and answers are plain data, so that they can cross the boundary of a process (`--isolation process`).

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use zeroize::Zeroizing;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// The value of a configuration name: [`Answer::Text`].
    Config(String),
    /// The value of a secret: [`Answer::Secret`].
    Secret(String),
    /// A text that stands for a secret, and becomes its value in an outgoing request, outside of the sandbox: [`Answer::Text`].
    SecretReference(String),
    /// A value and its version: [`Answer::Value`].
    Get(String),
    /// Keeps a value: [`Answer::Version`].
    Put {
        /// Its key.
        key: String,
        /// The bytes.
        value: Vec<u8>,
        /// Only if the value that is there is still this one.
        expect: Expected,
    },
    /// Removes a value: [`Answer::Version`] with 0.
    Remove {
        /// Its key.
        key: String,
        /// Only if the value that is there is still this one.
        expect: Expected,
    },
    /// Keys in their order: [`Answer::Keys`].
    Keys {
        /// How they begin.
        prefix: String,
        /// Only keys greater than this one.
        after: Option<String>,
        /// At most so many.
        limit: u32,
    },
    /// Publishes an event: [`Answer::Text`] with its id.
    Publish(Draft),
}

/// What must be true of a key before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expected {
    /// Nothing.
    Anything,
    /// There is no value.
    Absent,
    /// The value has this version.
    Version(u64),
}

/// An event as a function publishes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// Its type: dotted segments.
    pub kind: String,
    /// What names it among the events of this function, so that a repeated attempt publishes nothing twice; `None`: the attempt's
    /// idempotency key and the number of the event among those without an id.
    pub id: Option<String>,
    /// JSON text.
    pub data: String,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// A text, where there is one.
    Text(Option<String>),
    /// The value of a secret, where there is one. It is wiped when it is dropped.
    Secret(Option<SecretText>),
    /// A value of the key-value store and its version, where there is one.
    Value(Option<(Vec<u8>, u64)>),
    /// The version that was written.
    Version(u64),
    /// Keys, and whether there are more.
    Keys(Vec<String>, bool),
}

/// The value of a secret. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(pub Zeroizing<String>);

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for SecretText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// It was not granted.
    Denied,
    /// The question itself is at fault: a name, a key or a text that is not accepted.
    Invalid,
    /// The value is another one by now.
    Conflict,
    /// More than a limit allows.
    Limit,
    /// Not now; another attempt may succeed.
    Unavailable,
}

/// A refusal, with a text for the author of the function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Refused {
    /// What kind of refusal.
    pub why: Refusal,
    /// What to do.
    pub message: String,
}

impl Refused {
    /// A refusal.
    pub fn new(why: Refusal, message: impl Into<String>) -> Self {
        Self { why, message: message.into() }
    }
}

/// `http_request_bytes`: the body of an outgoing request. It is held in memory whole.
pub const HTTP_REQUEST_BYTES: usize = 4 << 20;

/// An outgoing request as the function made it, its body whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// `GET`, `POST`, or any other token.
    pub method: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Host and, where it is given, port.
    pub authority: String,
    /// Path and query; begins with `/`.
    pub path: String,
    /// As given; names in lower case. The host replaces what is its own.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// Longest waits that the function asked for, milliseconds; the host's own limits hold all the same.
    pub timeouts: HttpTimeouts,
}

/// What `wasi:http/types.request-options` says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpTimeouts {
    /// Until there is a connection.
    pub connect_ms: Option<u64>,
    /// Until the head of the answer.
    pub first_byte_ms: Option<u64>,
    /// Between two parts of the answer's body.
    pub between_bytes_ms: Option<u64>,
}

/// The head of an answer; the body comes part by part.
pub struct HttpResponse {
    /// 200 to 599.
    pub status: u16,
    /// Without what belongs to the connection.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The rest of it.
    pub body: Box<dyn HttpBody>,
}

/// The body of an answer. Dropping it ends the connection.
#[async_trait::async_trait]
pub trait HttpBody: Send + Sync {
    /// The next part, never empty, at most 64 KiB; `None` at the end.
    ///
    /// # Errors
    /// [`HttpFault`]: also when the whole is larger than allowed.
    async fn next(&mut self) -> Result<Option<Bytes>, HttpFault>;
}

/// Why a request has no answer: the words of `wasi:http/types.error-code` that a function gets to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HttpFaultKind {
    /// Not granted, or an address that nobody may reach.
    Denied,
    /// The name has no address.
    Dns,
    /// No connection.
    Connect,
    /// The certificate is not accepted, or TLS failed otherwise.
    Tls,
    /// It took too long.
    Timeout,
    /// The request itself is at fault.
    Invalid,
    /// The request's body is larger than allowed.
    RequestTooLarge,
    /// The answer is larger than allowed.
    ResponseTooLarge,
    /// The other side does not speak HTTP, or closed the connection.
    Protocol,
    /// The tenant has as many connections as it may have.
    Limit,
    /// The host's own fault.
    Internal,
}

/// A fault, with a text for the author of the function and for logs. No secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct HttpFault {
    /// What kind of fault.
    pub kind: HttpFaultKind,
    /// What happened, and what to do.
    pub message: String,
}

impl HttpFault {
    /// A fault.
    pub fn new(kind: HttpFaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// One attempt's host. It lives as long as the attempt.
#[async_trait::async_trait]
pub trait Host: Send + Sync + 'static {
    /// Answers a question.
    ///
    /// # Errors
    /// [`Refused`]: data for the function.
    async fn ask(&self, ask: Ask) -> Result<Answer, Refused>;

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// [`HttpFault`]: data for the function.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpFault>;
}

/// A host that grants nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHost;

impl NoHost {
    /// It, as a port.
    #[must_use]
    pub fn shared() -> Arc<dyn Host> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Host for NoHost {
    async fn ask(&self, _ask: Ask) -> Result<Answer, Refused> {
        Err(Refused::new(Refusal::Denied, "nothing is granted to this function"))
    }

    async fn send(&self, _request: HttpRequest) -> Result<HttpResponse, HttpFault> {
        Err(HttpFault::new(HttpFaultKind::Denied, "no outgoing requests are granted to this function"))
    }
}
