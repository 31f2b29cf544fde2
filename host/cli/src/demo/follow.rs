//! Watches one execution and prints a line for each thing that happens to it.

use crate::client::Client;
use anyhow::Context as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use stepwell_server::printable;

/// Longest line that is printed.
const LINE_BYTES: usize = 4 << 10;

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
            let path = format!("/workflows/executions/{}", self.id);
            let ended =
                matches!(client.get(&format!("{path}?wait=50ms"))?["status"].as_str(), Some("completed" | "failed"));
            let history = client.get(&format!("{path}/history?cursor={}", self.seen))?;
            let status = client.get(&path)?;
            let retrying = self.print(&history, &status);
            if ended {
                return Ok(Some(status));
            }
            if retrying && pause == Pause::FirstRetry {
                return Ok(None);
            }
        }
    }

    /// Prints what is new, in the order in which it happened; true if an attempt failed.
    fn print(&mut self, history: &Value, status: &Value) -> bool {
        let mut failed = false;
        for line in history["items"].as_array().into_iter().flatten() {
            self.seen += 1;
            failed |= line["entry"] == "step_failed";
            if let Some(text) = shown(line) {
                println!("   {text}");
            }
            // A condition is evaluated with the entry that leads to it.
            self.print_conditions(status, |step| step["endedAt"] == line["at"]);
        }
        failed
    }

    fn print_conditions(&mut self, status: &Value, wanted: impl Fn(&Value) -> bool) {
        for (id, step) in status["steps"].as_object().into_iter().flatten() {
            let outcome = step["outcome"].as_bool().filter(|_| wanted(step));
            if let Some(outcome) = outcome.filter(|_| self.chosen.insert(id.clone())) {
                println!("   {id:<18} condition is {outcome}");
            }
        }
    }
}

/// One line of a history for a terminal: functions wrote parts of it.
fn shown(line: &Value) -> Option<String> {
    described(line).map(|text| printable(&text, LINE_BYTES))
}

/// One line of a history for a reader.
fn described(line: &Value) -> Option<String> {
    let (step, attempt) = (line["step"].as_str().unwrap_or_default(), &line["attempt"]);
    match line["entry"].as_str()? {
        "step_succeeded" => {
            let ms = line["usage"]["elapsed_us"].as_f64().unwrap_or_default() / 1_000.0;
            Some(format!("{step:<18} attempt {attempt} succeeded in {ms:.2} ms: {}", line["output"]))
        }
        "step_failed" => {
            let text = |key: &str| line["failure"][key].as_str().unwrap_or_default().to_owned();
            Some(format!("{step:<18} attempt {attempt} failed: {} ({})", text("message"), text("code")))
        }
        "attempt_lost" => Some(format!("{step:<18} attempt {attempt} was lost with the server's process")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_function_wrote_cannot_steer_the_terminal() {
        let output =
            json!({"entry": "step_succeeded", "step": "a", "attempt": 1, "output": {"\u{9b}2J": "\u{202e}\u{1b}"}});
        let failed = json!({"entry": "step_failed", "step": "a", "attempt": 1, "failure": {"code": "x", "message": "\u{1b}[2Jy"}});
        for line in [output, failed] {
            let text = shown(&line).expect("a line");
            assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
        }
    }
}
