//! The demo's HTTP client.

use anyhow::{Context as _, bail};
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body};

/// Talks to one server with one key.
pub struct Client {
    agent: Agent,
    address: String,
    authorization: String,
}

impl Client {
    /// For `http://ADDR`.
    pub fn new(address: &str, key: &str) -> Self {
        let agent = Agent::config_builder().http_status_as_error(false).build().new_agent();
        Self { agent, address: address.to_owned(), authorization: format!("Bearer {key}") }
    }

    /// A JSON answer.
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.address);
        let response = self.agent.get(&url).header("authorization", &self.authorization).call();
        answer(response.with_context(|| format!("GET {path}"))?)
    }

    /// JSON there and back.
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.address);
        let response = self.agent.post(&url).header("authorization", &self.authorization).send_json(body);
        answer(response.with_context(|| format!("POST {path}"))?)
    }

    /// An upload.
    pub fn put_wasm(&self, path: &str, wasm: &[u8]) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.address);
        let request = self.agent.put(&url).header("authorization", &self.authorization);
        let response = request.header("content-type", "application/wasm").send(wasm);
        answer(response.with_context(|| format!("PUT {path}"))?)
    }
}

fn answer(mut response: Response<Body>) -> anyhow::Result<Value> {
    let body: Value = response.body_mut().read_json().context("the answer is not JSON")?;
    if !response.status().is_success() {
        bail!("{}: {}", response.status(), body["message"].as_str().unwrap_or_default());
    }
    Ok(body)
}
