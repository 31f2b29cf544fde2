//! Another tenant, who works while the attacks go on: a workflow of two functions, again and again.

use crate::support::{Client, guest};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The workflow's id.
const WORKFLOW: &str = "honest-work";

/// It works until it is asked.
pub struct Witness {
    stop: Arc<AtomicBool>,
    works: JoinHandle<Vec<Duration>>,
}

impl Witness {
    /// Sets to work, on what [`prepare`] made.
    pub fn start(client: Client) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let works = std::thread::spawn(move || {
            let mut took = Vec::new();
            while took.is_empty() || !told.load(Ordering::Acquire) {
                took.push(work(&client, took.len()));
            }
            took
        });
        Self { stop, works }
    }

    /// How long each execution took. None of them failed.
    pub fn stop(self) -> Vec<Duration> {
        self.stop.store(true, Ordering::Release);
        self.works.join().expect("the other tenant's executions all complete")
    }
}

/// Uploads and composes what the work needs.
pub fn prepare(client: &Client) {
    client.upload("honest", &guest("fixtures/echo"));
    let step = |id: &str, next: Option<&str>| json!({"id": id, "type": "function", "function": "honest", "next": next});
    let mut steps = vec![step("first", Some("second")), step("second", None)];
    steps[1].as_object_mut().expect("an object").remove("next");
    client.put(&format!("/workflows/{WORKFLOW}"), &json!({"name": "Honest work", "steps": steps})).ok(201);
}

/// One execution, from the request to its end.
#[expect(clippy::disallowed_methods, reason = "how long it takes is what is asked")]
pub fn work(client: &Client, number: usize) -> Duration {
    let begun = Instant::now();
    let body = json!({"workflowId": WORKFLOW, "input": {"number": number}});
    let mut ended = client.post("/workflows/trigger?wait=30s", &body).ok(200);
    if ended["status"] == "running" {
        ended = client.end(ended["executionId"].as_str().expect("id"));
    }
    assert_eq!(ended["status"], "completed", "the other tenant notices: {ended:#}");
    assert_eq!(ended["result"]["input"]["number"], number, "{ended:#}");
    begun.elapsed()
}
