//! Speaks to a server that may go away at any moment.

use serde_json::Value;
use std::time::Duration;
use ureq::Agent;

/// Long enough for `STEPWELL_ADMIN_KEY`.
pub const KEY: &str = "test-admin-key-0123456789-0123456789";
/// An answer that takes longer does not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer: status and body.
pub type Answer = (u16, Value);

#[derive(Clone)]
pub struct Api {
    agent: Agent,
    address: String,
    key: Option<&'static str>,
}

impl Api {
    pub fn new(address: &str) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
        Self { agent: config.new_agent(), address: address.to_owned(), key: Some(KEY) }
    }

    /// The same without a key, as somebody who was given an address speaks to it.
    pub fn stranger(&self) -> Self {
        Self { key: None, ..self.clone() }
    }

    pub fn get(&self, path: &str) -> Result<Answer, String> {
        self.send("GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Answer, String> {
        self.send("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// A request; the answer, or why there is none.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, String> {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.address));
        if let Some(key) = self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.to_vec()).map_err(|error| error.to_string())?;
        let response = self.agent.run(request).map_err(|error| format!("{method} {path}: {error}"))?;
        let (parts, mut body) = response.into_parts();
        let text = body
            .with_config()
            .limit(256 << 20)
            .read_to_string()
            .map_err(|error| format!("{method} {path}: {error}"))?;
        let body = serde_json::from_str(&text).map_err(|error| format!("{method} {path} answered no JSON: {error}"))?;
        Ok((parts.status.as_u16(), body))
    }
}

/// The body of an answer with this status.
pub fn must(answer: Result<Answer, String>, status: u16) -> Result<Value, String> {
    match answer? {
        (seen, body) if seen == status => Ok(body),
        (seen, body) => Err(format!("{seen} instead of {status}: {body}")),
    }
}
