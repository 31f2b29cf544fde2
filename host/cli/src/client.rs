//! An HTTP client for one server.

use anyhow::{Context as _, bail};
use serde_json::Value;
use stepwell_server::printable;
use ureq::http::Response;
use ureq::{Agent, Body};

/// Longest message of the server that is shown.
const MESSAGE_BYTES: usize = 2 << 10;

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

    /// An answer in another form, at most so many bytes long.
    pub fn get_text(&self, path: &str, most: u64) -> anyhow::Result<String> {
        let url = format!("{}{path}", self.address);
        let response = self.agent.get(&url).header("authorization", &self.authorization).call();
        let mut response = response.with_context(|| format!("GET {url}"))?;
        if !response.status().is_success() {
            answer(response)?;
            bail!("{url} answered neither a picture nor an error");
        }
        response.body_mut().with_config().limit(most).read_to_string().with_context(|| format!("GET {url}"))
    }

    /// JSON there and back.
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.address);
        let response = self.agent.post(&url).header("authorization", &self.authorization).send_json(body);
        answer(response.with_context(|| format!("POST {path}"))?)
    }

    /// Something goes.
    pub fn delete(&self, path: &str) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.address);
        let response = self.agent.delete(&url).header("authorization", &self.authorization).call();
        answer(response.with_context(|| format!("DELETE {path}"))?)
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
        let message = printable(body["message"].as_str().unwrap_or_default(), MESSAGE_BYTES);
        bail!("{}: {message}", response.status());
    }
    Ok(body)
}
