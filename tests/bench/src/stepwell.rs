//! The server that is measured.

use crate::http::{Client, Message, Place};
use crate::load::Work;
use crate::process::{self, Running};
use anyhow::{Context as _, ensure};
use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const KEY: &str = "benchmark-admin-key-0123456789-0123456789";

/// Where things are.
#[derive(Debug, Clone)]
pub struct Paths {
    /// The server's program.
    pub program: PathBuf,
    /// The compiled guests.
    pub guests: PathBuf,
    /// Where data folders are made: on the disk that matters.
    pub data: PathBuf,
}

/// A running server with its own folder, and what keeps both.
pub struct Stepwell {
    pub place: Place,
    _running: Running,
    /// Its own process: the running one may be one that watches it.
    pub pid: u32,
    _data: TempDir,
    guests: PathBuf,
}

/// How it is started.
#[derive(Debug, Default, Clone)]
pub struct How<'a> {
    /// More arguments of `serve`.
    pub args: &'a [&'a str],
    /// A command that the program is an argument of.
    pub below: &'a [String],
}

impl Stepwell {
    /// Starts one on an empty folder.
    pub fn start(paths: &Paths, how: &How<'_>) -> anyhow::Result<Self> {
        let data = TempDir::new_in(&paths.data)?;
        let mut command = how.below.split_first().map_or_else(
            || Command::new(&paths.program),
            |(first, more)| {
                let mut command = Command::new(first);
                command.args(more).arg(&paths.program);
                command
            },
        );
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data.path().join("data")).args(how.args);
        for variable in ["STEPWELL_MASTER_KEY", "STEPWELL_MASTER_KEY_FILE"] {
            command.env_remove(variable);
        }
        command.env("STEPWELL_ADMIN_KEY", KEY).env("STEPWELL_LOG", "warn").stdout(Stdio::piped());
        let mut running = Running::start(&mut command)?;
        let stdout = running.0.stdout.take().context("the server has no output")?;
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.strip_prefix("listening on http://").map(str::to_owned));
        let authority = address.context("the server ended before it listened")?;
        let pid = if how.below.is_empty() { running.pid() } else { child_of(running.pid())? };
        let place = Place { authority, key: KEY.to_owned() };
        Ok(Self { place, _running: running, pid, _data: data, guests: paths.guests.clone() })
    }

    /// A connection of the operator's.
    pub async fn client(&self) -> anyhow::Result<Client> {
        Client::connect(&self.place).await
    }

    /// Uploads a fixture under its own name, with what it wants granted.
    pub async fn upload(&self, client: &mut Client, fixture: &str) -> anyhow::Result<()> {
        let path = self.guests.join(format!("fixtures/{fixture}.wasm"));
        let wasm = std::fs::read(&path).with_context(|| format!("{}: `cargo guests` builds it", path.display()))?;
        let wanted = if fixture == "may_write" { json!({"keyValue": "write"}) } else { json!({}) };
        let message =
            Message::new(Method::PUT, format!("/functions/{fixture}"), ("application/wasm", Bytes::from(wasm)));
        client.send(&message.with("stepwell-grants", &wanted.to_string())).await?;
        Ok(())
    }

    /// Makes a workflow.
    pub async fn define(&self, client: &mut Client, definition: &Value) -> anyhow::Result<()> {
        client.send(&Message::post("/workflows", definition)).await?;
        Ok(())
    }

    /// Three steps of this function, one after the other, waited for.
    pub async fn three_steps(&self, function: &str) -> anyhow::Result<Work> {
        let mut client = self.client().await?;
        self.upload(&mut client, function).await?;
        let step = |id: &str| json!({"id": id, "type": "function", "function": function});
        let mut steps = [step("first"), step("second"), step("third")];
        (steps[0]["next"], steps[1]["next"]) = (json!("second"), json!("third"));
        let id = format!("three-{}", function.replace('_', "-"));
        self.define(&mut client, &json!({"id": id, "steps": steps})).await?;
        let work = self.waited_for(&id, r#"{"n":4}"#);
        crate::load::once(&mut client, &work).await?;
        Ok(work)
    }

    /// Executions of a workflow with the input `{"n": 1}`, waited for.
    pub fn waited_for(&self, workflow: &str, proof: &'static str) -> Work {
        let body = json!({"workflowId": workflow, "input": {"n": 1}});
        let message = Message::post("/workflows/trigger?wait=60s", &body);
        Work { place: self.place.clone(), message, proof, pids: vec![self.pid] }
    }
}

impl Drop for Stepwell {
    fn drop(&mut self) {
        // First the server: if the one that watches it ended first, its calls would fail.
        process::kill(self.pid);
    }
}

/// The only child of a process.
fn child_of(pid: u32) -> anyhow::Result<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let children: Vec<&str> = text.split_whitespace().collect();
    ensure!(children.len() == 1, "{path} names {} processes", children.len());
    children.concat().parse().context(path)
}

/// The version that the program says it has.
pub fn version(program: &Path) -> anyhow::Result<String> {
    let output = Command::new(program).arg("--version").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
