//! A connection's socket: a peer that reads nothing loses it, and the refusals of the HTTP library get a body.

use crate::error::{ApiError, Place};
use crate::system;
use axum::http::StatusCode;
use std::io::{IoSlice, Result as IoResult};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// A peer that takes nothing for so long is gone, or wants the answer to stay in our memory.
const STALLED: Duration = Duration::from_secs(30);
/// The library's own refusals are heads of some hundred bytes.
const BARE_BYTES: usize = 256;

/// The socket under the HTTP library.
pub struct Socket<S> {
    stream: S,
    /// Runs while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// What is still to be written of an answer that took the place of a bare one.
    rest: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Over this stream.
    pub fn new(stream: S) -> Self {
        Self { stream, stalled: None, rest: Vec::new() }
    }

    /// The result of a write, or the error when the peer has taken nothing for too long.
    fn timed<T>(&mut self, cx: &mut Context<'_>, written: Poll<IoResult<T>>) -> Poll<IoResult<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let timer = self.stalled.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + STALLED)));
        timer.as_mut().poll(cx).map(|()| Err(std::io::ErrorKind::TimedOut.into()))
    }

    fn write_rest(&mut self, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        while !self.rest.is_empty() {
            let written = Pin::new(&mut self.stream).poll_write(cx, &self.rest);
            let count = ready!(self.timed(cx, written))?;
            if count == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            self.rest.drain(..count);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<IoResult<usize>> {
        ready!(self.write_rest(cx))?;
        if let Some(whole) = with_body(bytes) {
            self.rest = whole;
            return Poll::Ready(Ok(bytes.len())); // the flush that follows writes it
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.timed(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<IoResult<usize>> {
        if let [only] = parts {
            return self.poll_write(cx, only);
        }
        ready!(self.write_rest(cx))?;
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.timed(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        ready!(self.write_rest(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        ready!(self.write_rest(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The HTTP library refuses what is no request by a head without a body, before any route sees it; clients parse every
/// body as JSON (http-api.md section 1). Answers of ours always have a body, so none of them is taken for such a head.
fn with_body(head: &[u8]) -> Option<Vec<u8>> {
    if head.len() > BARE_BYTES || !head.starts_with(b"HTTP/1.1 4") || !head.ends_with(b"\r\n\r\n") {
        return None;
    }
    let text = std::str::from_utf8(head).ok()?;
    let bare = text.split("\r\n").any(|line| line.eq_ignore_ascii_case("content-length: 0"));
    let status = StatusCode::from_bytes(text.as_bytes().get(9..12)?).ok().filter(|_| bare)?;
    Some(closing(&ApiError::new(status, "http_error", why(status))))
}

fn why(status: StatusCode) -> &'static str {
    match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            "the request's head is too large: send fewer and shorter headers"
        }
        StatusCode::URI_TOO_LONG => "the request's address is too long",
        _ => "this is not a valid HTTP/1.1 request",
    }
}

/// A whole answer, head and body, after which the connection ends.
pub fn closing(error: &ApiError) -> Vec<u8> {
    let place = Place { path: "/".to_owned(), request_id: format!("req-{}", system::random_text::<16>()) };
    let (status, body) = (error.status(), error.body(&place));
    let reason = status.canonical_reason().unwrap_or("Error");
    let retry = error.retry_after_s().map(|seconds| format!("retry-after: {seconds}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {} {reason}\r\nconnection: close\r\ncontent-type: application/problem+json\r\nx-request-id: {}\r\n{retry}content-length: {}\r\n\r\n",
        status.as_u16(),
        place.request_id,
        body.len()
    );
    (head + &body).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const BARE: &[u8] =
        b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_nothing_is_given_up() {
        let (ours, _theirs) = tokio::io::duplex(16);
        let error = Socket::new(ours).write_all(&[0; 100]).await.expect_err("it is full");
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_peer_gets_everything() {
        let (ours, mut theirs) = tokio::io::duplex(16);
        let mut socket = Socket::new(ours);
        let writing = async {
            socket.write_all(&[7; 100]).await.expect("writes");
            drop(socket);
        };
        let reading = async {
            let mut all = Vec::new();
            while all.len() < 100 {
                tokio::time::advance(STALLED / 2).await;
                all.push(theirs.read_u8().await.expect("reads"));
            }
            all
        };
        assert_eq!(tokio::join!(writing, reading).1, [7; 100]);
    }

    #[tokio::test]
    async fn a_bare_refusal_gets_a_body_even_over_a_narrow_pipe() {
        let (ours, mut theirs) = tokio::io::duplex(16);
        let mut socket = Socket::new(ours);
        let writing = async {
            socket.write_all(BARE).await.expect("writes");
            socket.shutdown().await.expect("ends");
        };
        let mut text = String::new();
        let reading = theirs.read_to_string(&mut text);
        assert!(tokio::join!(writing, reading).1.is_ok());
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(
            head.starts_with("HTTP/1.1 431 ") && head.contains(&format!("content-length: {}", body.len())),
            "{head}"
        );
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!((&body["statusCode"], &body["code"]), (&serde_json::json!(431), &serde_json::json!("http_error")));
    }

    #[test]
    fn answers_with_a_body_stay_as_they_are() {
        for head in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\n",
            b"{}",
        ] {
            assert!(with_body(head).is_none());
        }
    }
}
