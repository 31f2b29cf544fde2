//! What nobody gets below: the disk's own wait, and a request that is answered at once.

use crate::figures::Spread;
use crate::http::{Client, Message, Place};
use crate::process::Running;
use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a step's line of the journal has, about.
const LINE: usize = 400;

/// The floor of one workflow of three steps.
pub struct Floor {
    client: Client,
    file: File,
    _running: Running,
}

impl Floor {
    /// Starts a server that answers at once, in a process of its own, and opens a file.
    pub async fn start(data: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut running = Running::start(command.arg("answer-at-once").stdout(Stdio::piped()))?;
        let mut line = String::new();
        BufReader::new(running.0.stdout.take().context("no output")?).read_line(&mut line)?;
        let place = Place { authority: line.trim().to_owned(), key: String::new() };
        Ok(Self { client: Client::connect(&place).await?, file: tempfile::tempfile_in(data)?, _running: running })
    }

    /// For so long: a request that is answered at once, and four lines appended to a file, each of them synced.
    pub async fn workflows(&mut self, lasting: Duration) -> anyhow::Result<Spread> {
        let message = Message::post("/workflows/trigger?wait=60s", &json!({"workflowId": "three", "input": {"n": 1}}));
        let (end, mut took) = (Instant::now() + lasting, Vec::new());
        while Instant::now() < end {
            let start = Instant::now();
            self.client.send(&message).await?;
            tokio::task::block_in_place(|| (0..4).try_for_each(|_| self.append()))?;
            took.push(start.elapsed());
        }
        Ok(Spread::of(took))
    }

    fn append(&mut self) -> std::io::Result<()> {
        self.file.write_all(&[7; LINE])?;
        self.file.sync_data()
    }
}

/// Never returns: answers each request with a few bytes of JSON.
pub async fn answer_at_once() -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
        tokio::spawn(connection);
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    request.into_body().collect().await?;
    Ok(Response::new(Full::new(Bytes::from_static(b"{\"n\":4}"))))
}
