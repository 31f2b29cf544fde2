//! An HTTP client for one server.

use anyhow::{Context as _, bail};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read};
use stepwell_server::printable;
use ureq::http::Response;
use ureq::{Agent, Body};

/// Longest message of the server that is shown.
const MESSAGE_BYTES: usize = 2 << 10;

/// Most bytes of an answer that goes on.
const ANSWER_BYTES: u64 = 64 << 20;

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

    /// An answer of any length, as it comes.
    pub fn get_stream(&self, path: &str) -> anyhow::Result<impl Read> {
        let url = format!("{}{path}", self.address);
        let response = self.agent.get(&url).header("authorization", &self.authorization).call();
        let response = response.with_context(|| format!("GET {url}"))?;
        if !response.status().is_success() {
            answer(response)?;
            bail!("{url} answered neither a backup nor an error");
        }
        Ok(response.into_body().into_reader())
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

    /// An upload in the given form, with the grants that it asks for; `told` hears of each phase.
    pub fn upload(
        &self,
        path: &str,
        (kind, grants, bytes): (&str, Option<&str>, &[u8]),
        told: impl FnMut(&str, &Value),
    ) -> anyhow::Result<Value> {
        let request = self.agent.put(format!("{}{path}", self.address)).header("authorization", &self.authorization);
        let mut request = request.header("content-type", kind).header("accept", "text/event-stream");
        if let Some(grants) = grants {
            request = request.header("stepwell-grants", grants);
        }
        events(request.send(bytes).with_context(|| format!("PUT {path}"))?, told)
    }

    /// An upload.
    pub fn put_wasm(&self, path: &str, wasm: &[u8]) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.address);
        let request = self.agent.put(&url).header("authorization", &self.authorization);
        let response = request.header("content-type", "application/wasm").send(wasm);
        answer(response.with_context(|| format!("PUT {path}"))?)
    }
}

/// What the server says while it is at it, and at the end.
fn events(mut response: Response<Body>, mut told: impl FnMut(&str, &Value)) -> anyhow::Result<Value> {
    let is_event = |kind: &str| kind.starts_with("text/event-stream");
    let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
    if !kind.is_some_and(is_event) {
        return answer(response);
    }
    let mut kind = String::new();
    for line in BufReader::new(response.body_mut().as_reader().take(ANSWER_BYTES)).lines() {
        let line = line.context("the answer breaks off")?;
        if let Some(event) = line.strip_prefix("event: ") {
            event.clone_into(&mut kind);
        } else if let Some(data) = line.strip_prefix("data: ") {
            let data: Value = serde_json::from_str(data).context("an event is not JSON")?;
            match kind.as_str() {
                "done" => return Ok(data),
                "error" => bail!("{}: {}", data["status"], message(&data)),
                phase => told(phase, &data),
            }
        }
    }
    bail!("the answer ended before the upload did")
}

fn message(problem: &Value) -> String {
    printable(problem["message"].as_str().unwrap_or_default(), MESSAGE_BYTES)
}

fn answer(mut response: Response<Body>) -> anyhow::Result<Value> {
    let body: Value = response.body_mut().read_json().context("the answer is not JSON")?;
    if !response.status().is_success() {
        bail!("{}: {}", response.status(), message(&body));
    }
    Ok(body)
}
