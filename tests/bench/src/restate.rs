//! What the server is compared with: Restate, with the worker of `tests/bench/restate`.

use crate::http::{Client, Message, Place};
use crate::load::{Work, once};
use crate::process::{Running, free_port};
use anyhow::{Context as _, bail};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Its programs.
#[derive(Debug, Clone)]
pub struct Programs {
    pub server: PathBuf,
    pub worker: PathBuf,
}

/// A running server with a worker.
pub struct Restate {
    pub work: Work,
    _server: Running,
    _worker: Running,
    _data: TempDir,
}

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(90);

impl Restate {
    /// Starts both on an empty folder, and makes them known to each other.
    pub async fn start(programs: &Programs, partitions: u16, data: &Path) -> anyhow::Result<Self> {
        let data = TempDir::new_in(data)?;
        let (worker_at, admin, ingress, own) = (free_port()?, free_port()?, free_port()?, free_port()?);
        let at = |port: u16| format!("127.0.0.1:{port}");
        let worker = Running::start(Command::new(&programs.worker).arg(at(worker_at)))?;
        let mut command = Command::new(&programs.server);
        command.args(["--no-logo", "--listen-mode", "tcp", "--node-name", "bench", "--bind-ip", "127.0.0.1"]);
        command.args(["--bind-port", &own.to_string(), "--default-num-partitions", &partitions.to_string()]);
        command.arg("--base-dir").arg(data.path());
        command
            .env("RESTATE_ADMIN__BIND_PORT", admin.to_string())
            .env("RESTATE_INGRESS__BIND_PORT", ingress.to_string());
        command.env("RESTATE_DISABLE_TELEMETRY", "true").env("RUST_LOG", "error").env("DO_NOT_TRACK", "1");
        let server = Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
        register(&at(admin), &at(worker_at)).await?;
        let work = Work {
            place: Place { authority: at(ingress), key: String::new() },
            message: Message::post("/Bench/three", &json!({"n": 1})),
            proof: r#"{"n":4}"#,
            pids: vec![server.pid(), worker.pid()],
        };
        until(|| async { once(&mut Client::connect(&work.place).await?, &work).await.map(drop) }).await?;
        Ok(Self { work, _server: server, _worker: worker, _data: data })
    }
}

async fn register(admin: &str, worker: &str) -> anyhow::Result<()> {
    let place = Place { authority: admin.to_owned(), key: String::new() };
    let message = Message::post("/deployments", &json!({"uri": format!("http://{worker}")}));
    until(|| async { Client::connect(&place).await?.send(&message).await.map(drop) }).await
}

/// Tries until it works.
async fn until<F: Future<Output = anyhow::Result<()>>>(attempt: impl Fn() -> F) -> anyhow::Result<()> {
    let (end, mut pauses) = (Instant::now() + PATIENCE, tokio::time::interval(Duration::from_millis(100)));
    loop {
        pauses.tick().await;
        match attempt().await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > end => bail!(error.context("Restate does not start")),
            Err(_) => {}
        }
    }
}

/// What the server says that it is.
pub fn version(programs: &Programs) -> anyhow::Result<String> {
    let output = Command::new(&programs.server).arg("--version").output().context("Restate's server does not start")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
