//! The listener: so many connections at once, each bounded in the time that a request's head may take.

use crate::error::ApiError;
use crate::socket::{Socket, closing};
use axum::Router;
use axum::http::StatusCode;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A request's head must be complete after this time; a connection without a request ends after it, too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest head of a request, bytes: a path, a key and what browsers and proxies add.
const HEAD_BYTES: usize = 64 << 10;
/// Connections that are told that there are too many, at once; further ones are just closed.
const REFUSALS: usize = 64;
/// How long one of them is listened to, so that its answer is not lost with what it still sends.
const REFUSAL: Duration = Duration::from_secs(1);
/// After the listener failed (no file descriptors, for instance) it is left alone so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// File descriptors that are kept for the store, components and compilers.
const OTHER_FILES: u64 = 256;

/// Accepts and answers until `closing`; then ends idle connections, and returns when the last answer is out. Dropping the future ends
/// all connections.
pub async fn serve(listener: TcpListener, app: Router, limit: usize, mut closing: watch::Receiver<bool>) {
    let free = Arc::new(Semaphore::new(affordable(limit)));
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = told(&mut closing) => break,
            Some(ended) = connections.join_next() => {
                seen(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                pause().await;
                continue;
            }
        };
        // Answers are small and wait for nothing; an error means that the peer is gone already.
        let _ = stream.set_nodelay(true);
        if let Ok(permit) = Arc::clone(&free).try_acquire_owned() {
            connections.spawn(connection((stream, Some(Peer(address))), app.clone(), closing.clone(), permit));
        } else if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
            connections.spawn(refuse(stream, limit, permit));
        }
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        seen(ended);
    }
}

/// Waits until this is true. An error means that the sender is gone: then it is time to stop, too.
pub async fn told(signal: &mut watch::Receiver<bool>) {
    let _ = signal.wait_for(|told| *told).await;
}

/// As many connections as file descriptors allow; each needs one, and the store must not go without.
fn affordable(limit: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // The usual soft limit of 1,024 is meant for programs that use `select`.
    let raised = current != maximum && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let files = if raised { maximum } else { current }.unwrap_or(u64::MAX);
    let most = usize::try_from(files.saturating_sub(OTHER_FILES).max(files / 2)).unwrap_or(usize::MAX);
    if most < limit {
        tracing::warn!(
            files,
            connections = most,
            "few files may be open; fewer connections are accepted (`ulimit -n`)"
        );
    }
    limit.min(most).min(Semaphore::MAX_PERMITS)
}

fn seen(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task failed");
    }
}

#[allow(clippy::disallowed_methods)] // a pause of the listener, not of the engine: no clock is asked
async fn pause() {
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// Who is at the other end of a request's connection: themselves, or the proxy before us.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// One connection: its requests, one after the other.
async fn connection<S>(
    (stream, peer): (S, Option<Peer>),
    app: Router,
    mut closing: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_header_size(HEAD_BYTES);
    let app = TowerToHyperService::new(app);
    let service = service_fn(move |mut request: Request<Incoming>| {
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        app.call(request)
    });
    let connection = builder.serve_connection(TokioIo::new(Socket::new(stream)), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = told(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// 503 for one connection too many.
async fn refuse(mut stream: TcpStream, limit: usize, _permit: OwnedSemaphorePermit) {
    let message = format!("{limit} connections are open already (limit `connections`); try again");
    let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "connections", message).soon();
    let talk = async {
        stream.write_all(&closing(&error)).await?;
        stream.shutdown().await?;
        // What was sent and not read would turn the end into a reset, and the peer would not see the answer.
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    // It was refused whether or not it listened.
    let _ = timeout(REFUSAL, talk).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::routing::get;
    use futures_util::{StreamExt as _, stream};

    /// What a peer gets that sends this and then nothing, and keeps the connection open.
    async fn answer(sent: &[u8]) -> String {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let (_tell, closing) = watch::channel(false);
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().expect("free");
        let app = Router::new().route("/", get(async || "here")).route("/minutes", get(minutes));
        theirs.write_all(sent).await.expect("sends");
        let mut text = String::new();
        let (_, read) = tokio::join!(connection((ours, None), app, closing, permit), theirs.read_to_string(&mut text));
        read.expect("reads");
        text
    }

    /// A word each minute, for an hour.
    async fn minutes() -> Body {
        let minutes = tokio::time::interval(Duration::from_secs(60));
        Body::from_stream(
            stream::unfold(minutes, |mut minutes| async move {
                minutes.tick().await;
                Some((Ok::<_, std::convert::Infallible>("tick"), minutes))
            })
            .take(60),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_goes_on_is_not_cut() {
        let hour = answer(b"GET /minutes HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(hour.matches("tick").count() == 60 && hour.ends_with("\r\n0\r\n\r\n"), "{hour}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_end_and_a_silent_connection_are_ended() {
        assert_eq!(answer(b"").await, "");
        assert_eq!(answer(b"GET / HTTP/1.1\r\nhost: x\r\nslow: ").await, "");
        let idle = answer(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(idle.starts_with("HTTP/1.1 200 ") && idle.ends_with("here"), "{idle}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_is_too_large_is_told_so() {
        let long = format!("GET / HTTP/1.1\r\nhost: x\r\nlong: {}\r\n\r\n", "x".repeat(HEAD_BYTES));
        let text = answer(long.as_bytes()).await;
        assert!(text.starts_with("HTTP/1.1 431 ") && text.contains("fewer and shorter headers"), "{text}");
    }
}
