//! One size: a start, its memory, and what the server then does beside an empty one.

use crate::resident::mebibytes;
use crate::support::{Client, KEY, Server};
use serde_json::json;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Clients that start executions and wait for their ends.
const CLIENTS: usize = 16;
/// Rounds of each server, in turns: the first one of each is not counted.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(4);
/// How long a server that has just become ready is left alone before its memory is read: it reads the wakes of the next minute meanwhile.
const SETTLE: Duration = Duration::from_secs(5);
/// The store's cache, MiB.
const CACHE: f64 = 64.0;
/// Lists and histories that are timed.
const READS: usize = 200;

/// What is printed of one size.
pub struct Figures {
    stored: usize,
    ready: Duration,
    /// MiB when it is ready, and after some seconds; of an empty server.
    resident: f64,
    settled: f64,
    empty: f64,
    /// MiB after all rounds.
    worked: f64,
    /// Executions per second.
    full_rate: f64,
    empty_rate: f64,
    /// Milliseconds, the median.
    list: f64,
    history: f64,
    disk: f64,
}

impl Figures {
    pub const HEAD: &str = "stored | ready s | RSS MiB ready / settled / without cache | empty server RSS | after work | exec/s | empty | ratio | list ms | history ms | disk MiB";
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} | {:.2} | {:.0} / {:.0} / {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {:.0}",
            self.stored,
            self.ready.as_secs_f64(),
            self.resident,
            self.settled,
            (self.settled - CACHE.min(self.disk)).max(0.0),
            self.empty,
            self.worked,
            self.full_rate,
            self.empty_rate,
            self.full_rate / self.empty_rate,
            self.list,
            self.history,
            self.disk
        )
    }
}

/// Starts both servers and has them work in turns.
pub fn measure(full: &Arc<TempDir>, empty: &Arc<TempDir>, stored: usize) -> Figures {
    let began = Instant::now();
    let server = Server::on(Arc::clone(full), Vec::new(), Some(KEY));
    let ready = began.elapsed();
    let resident = mebibytes(server.pid());
    let beside = Server::on(Arc::clone(empty), Vec::new(), Some(KEY));
    watch(&server.client, SETTLE);
    let (settled, empty) = (mebibytes(server.pid()), mebibytes(beside.pid()));
    let (mut rates, mut empty_rates) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (one, other) = (rate(&beside.client), rate(&server.client));
        if round > 0 {
            empty_rates.push(one);
            rates.push(other);
        }
    }
    let started = server.client.post("/workflows/trigger?wait=10s", &json!({"workflowId": "work"})).ok(200);
    let id = started["executionId"].as_str().expect("id").to_owned();
    let list = median(&server.client, "/workflows/executions?limit=50&workflow=person");
    let history = median(&server.client, &format!("/workflows/executions/{id}/history"));
    Figures {
        stored,
        ready,
        resident,
        settled,
        empty,
        worked: mebibytes(server.pid()),
        full_rate: middle(rates),
        empty_rate: middle(empty_rates),
        list,
        history,
        disk: size(&full.path().join("data/store")),
    }
}

/// Asks how the server is until so much time has passed.
pub fn watch(client: &Client, time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        assert_eq!(client.exchange("GET", "/readyz", &[], b"").0.status, 200);
    }
}

/// Executions per second that end while clients start one after the other.
fn rate(client: &Client) -> f64 {
    let done = AtomicUsize::new(0);
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while began.elapsed() < ROUND {
                    let body = json!({"workflowId": "work"}).to_string();
                    // Not held to the description: that would cost more than what is measured.
                    let headers = [("content-type", "application/json")];
                    let (parts, text) =
                        client.exchange("POST", "/workflows/trigger?wait=30s", &headers, body.as_bytes());
                    assert!(parts.status == 200 && text.contains("\"completed\""), "{text}");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    done.into_inner() as f64 / began.elapsed().as_secs_f64()
}

fn median(client: &Client, path: &str) -> f64 {
    let took = (0..READS).map(|_| {
        let began = Instant::now();
        assert_eq!(client.exchange("GET", path, &[], b"").0.status, 200);
        began.elapsed().as_secs_f64() * 1_000.0
    });
    middle(took.collect())
}

fn middle(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// MiB of a folder.
fn size(folder: &std::path::Path) -> f64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0.0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => size(&entry.path()),
        Ok(found) => found.len() as f64 / f64::from(1 << 20),
        Err(_) => 0.0,
    });
    sizes.sum()
}
