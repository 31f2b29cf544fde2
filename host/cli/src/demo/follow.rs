//! Watches one execution and prints a line for each thing that happens to it.

use super::client::Client;
use anyhow::Context as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// When to stop watching before the end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Not at all.
    Never,
    /// When a step waits for its second attempt.
    FirstRetry,
}

/// One execution under watch.
pub struct Follow {
    id: String,
    /// Lines of the history that were printed.
    seen: usize,
    /// Conditions that were printed.
    chosen: BTreeSet<String>,
}

impl Follow {
    /// Triggers a workflow.
    pub fn start(client: &Client, workflow: &str, input: &Value) -> anyhow::Result<Self> {
        let body = json!({"workflowId": workflow, "input": input});
        let started = client.post("/workflows/trigger", &body)?;
        let id = started["executionId"].as_str().context("no execution id")?.to_owned();
        println!("   {id}  input {input}");
        Ok(Self { id, seen: 0, chosen: BTreeSet::new() })
    }

    /// Prints until the execution ends (its answer), or until the pause that is asked for (`None`).
    pub fn until(&mut self, client: &Client, pause: Pause) -> anyhow::Result<Option<Value>> {
        loop {
            // The wait is the server's: it answers at the end, or after a moment.
            let status = client.get(&format!("/workflows/executions/{}?wait=50ms", self.id))?;
            let retrying = self.print_history(client)?;
            self.print_conditions(&status);
            if matches!(status["status"].as_str(), Some("completed" | "failed")) {
                self.print_history(client)?;
                return Ok(Some(status));
            }
            if retrying && pause == Pause::FirstRetry {
                return Ok(None);
            }
        }
    }

    /// Prints what is new in the history; true if an attempt failed.
    fn print_history(&mut self, client: &Client) -> anyhow::Result<bool> {
        let history = client.get(&format!("/workflows/executions/{}/history?cursor={}", self.id, self.seen))?;
        let mut failed = false;
        for line in history["items"].as_array().into_iter().flatten() {
            self.seen += 1;
            let (step, attempt) = (line["step"].as_str().unwrap_or_default(), &line["attempt"]);
            match line["entry"].as_str() {
                Some("step_succeeded") => {
                    let ms = line["usage"]["elapsed_us"].as_f64().unwrap_or_default() / 1_000.0;
                    println!("   {step:<18} attempt {attempt} succeeded in {ms:.2} ms: {}", line["output"]);
                }
                Some("step_failed") => {
                    failed = true;
                    let failure = &line["failure"];
                    let (code, message) = (failure["code"].as_str(), failure["message"].as_str());
                    println!(
                        "   {step:<18} attempt {attempt} failed: {} ({})",
                        message.unwrap_or_default(),
                        code.unwrap_or_default()
                    );
                }
                Some("attempt_lost") => println!("   {step:<18} attempt {attempt} was lost with the server's process"),
                Some(_) | None => {}
            }
        }
        Ok(failed)
    }

    fn print_conditions(&mut self, status: &Value) {
        for (id, step) in status["steps"].as_object().into_iter().flatten() {
            if let Some(outcome) = step["outcome"].as_bool().filter(|_| self.chosen.insert(id.clone())) {
                println!("   {id:<18} condition is {outcome}");
            }
        }
    }
}
