//! A client: one connection that stays open, one request at a time.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;

/// Where somebody listens, and the key that it wants.
#[derive(Debug, Clone)]
pub struct Place {
    /// `127.0.0.1:1234`
    pub authority: String,
    /// Empty: none.
    pub key: String,
}

/// What is sent.
#[derive(Debug, Clone)]
pub struct Message {
    pub method: Method,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

impl Message {
    /// A `POST` of JSON.
    pub fn post(path: impl Into<String>, body: &Value) -> Self {
        Self::new(Method::POST, path, ("application/json", body.to_string().into()))
    }

    /// A `GET`.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), headers: Vec::new(), body: Bytes::new() }
    }

    /// Anything with a body.
    pub fn new(method: Method, path: impl Into<String>, (kind, body): (&str, Bytes)) -> Self {
        Self { method, path: path.into(), headers: vec![(CONTENT_TYPE.as_str(), kind.to_owned())], body }
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// An open connection.
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
    place: Place,
}

impl Client {
    /// Connects.
    pub async fn connect(place: &Place) -> anyhow::Result<Self> {
        let stream = tokio::net::TcpStream::connect(&place.authority).await.context("nobody listens")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, place: place.clone() })
    }

    /// The body of an answer that is a success.
    pub async fn send(&mut self, message: &Message) -> anyhow::Result<Bytes> {
        let mut request =
            Request::builder().method(&message.method).uri(&message.path).header(HOST, &self.place.authority);
        if !self.place.key.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {}", self.place.key));
        }
        for (name, value) in &message.headers {
            request = request.header(*name, value);
        }
        self.sender.ready().await?;
        let answer = self.sender.send_request(request.body(Full::new(message.body.clone()))?).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            bail!("{} {}: {status} {}", message.method, message.path, String::from_utf8_lossy(&body));
        }
        Ok(body)
    }

    /// The same, as JSON.
    pub async fn ask(&mut self, message: &Message) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(&self.send(message).await?)?)
    }
}
