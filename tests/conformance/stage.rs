//! A server on which a case is played, and which may be killed between two looks at it.

use crate::compiled;
use crate::kills::Kills;
use crate::support::{Client, Server, guest};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How long a run may take, milliseconds, counted by the looks at it.
pub const PATIENCE_MS: u64 = 60_000;

pub struct Stage {
    /// Always there, but for the moment between a kill and the restart.
    server: Option<Server>,
    kills: Option<Kills>,
}

impl Stage {
    pub fn new(kills: Option<Kills>) -> Self {
        Self { server: Some(compiled::server()), kills }
    }

    pub fn client(&self) -> &Client {
        &self.server.as_ref().expect("a server").client
    }

    /// A run begins.
    pub fn begin(&mut self) {
        if let Some(kills) = &mut self.kills {
            kills.begin();
        }
    }

    /// What an execution looks like at its end, or after a time that is at most this. Then may come a kill.
    pub fn look(&mut self, execution: &str, most_ms: u64) -> (Value, u64) {
        let ms = self.kills.as_mut().map_or(most_ms, |kills| kills.look_ms().min(most_ms));
        let seen = self.client().get(&format!("/workflows/executions/{execution}?wait={ms}")).ok(200);
        if self.kills.as_mut().is_some_and(Kills::is_now) {
            eprintln!("{execution}: killed {ms} ms after the last look, which saw {}", seen["state"]);
            self.server = self.server.take().map(Server::kill_and_restart);
        }
        (seen, ms.max(1))
    }

    /// Uploads functions: JavaScript, or a guest by its name.
    pub fn upload(&self, functions: &BTreeMap<String, Value>) {
        for (id, function) in functions {
            let path = format!("/functions/{id}");
            let answer = match function.as_str() {
                Some(source) => {
                    self.client().send("PUT", &path, &[("content-type", "text/javascript")], source.as_bytes())
                }
                None => self.client().put_wasm(&path, &guest(function["wasm"].as_str().expect("a guest's name"))),
            };
            answer.ok(200);
        }
        if !functions.is_empty() {
            compiled::keep(self.server.as_ref().expect("a server"));
        }
    }

    pub fn keep_secrets(&self, secrets: &BTreeMap<String, String>) {
        for (name, value) in secrets {
            let body = json!({"value": value}).to_string();
            let headers = [("content-type", "application/json")];
            let answer = self.client().send("PUT", &format!("/secrets/{name}"), &headers, body.as_bytes());
            assert!((200..300).contains(&answer.status), "{:#}", answer.body);
        }
    }

    /// The approvals of an execution with this status, the newest last; all if it is none.
    pub fn approvals(&self, execution: &str, status: Option<&str>) -> Vec<Value> {
        let query = status.map_or_else(String::new, |status| format!("?status={status}"));
        let answer = self.client().get(&format!("/approvals{query}")).ok(200);
        let mut all = answer["items"].as_array().expect("items").clone();
        all.retain(|approval| approval["executionId"] == execution);
        all.sort_by_key(|approval| approval["createdAt"].as_str().unwrap_or_default().to_owned());
        all
    }
}
