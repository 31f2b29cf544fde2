//! What a handler leaves unread of a request's body. A connection with such a rest cannot be used again, and a client that has been sent an answer
//! finds that out with its next request, which is none to blame: so a small rest is read first.

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::timeout;

/// Longest rest that is read, bytes. Behind a longer one the connection ends.
const REST_BYTES: u64 = 64 << 10;
/// How long a rest is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// A body that two have: the handler, and who cleans up behind it.
#[derive(Clone)]
pub struct Leftovers(Arc<Mutex<Body>>);

impl Leftovers {
    /// Takes hold of a request's body; the handler gets it all the same. `None` if there is nothing that could be left.
    pub fn of(request: Request) -> (Request, Option<Self>) {
        // Who asks first whether the body is wanted has not sent it.
        if request.body().is_end_stream() || request.headers().contains_key(header::EXPECT) {
            return (request, None);
        }
        let (parts, body) = request.into_parts();
        let shared = Self(Arc::new(Mutex::new(body)));
        (Request::from_parts(parts, Body::new(shared.clone())), Some(shared))
    }

    /// Reads what is left, if it is little and comes soon.
    pub async fn clear(mut self) {
        if self.is_end_stream() || self.size_hint().lower() > REST_BYTES {
            return;
        }
        let read = async {
            let mut length = 0;
            while let Some(Ok(frame)) = self.frame().await {
                length += frame.data_ref().map_or(0, |data| data.len() as u64);
                if length > REST_BYTES {
                    return;
                }
            }
        };
        // If it does not come, the connection ends.
        let _ = timeout(PATIENCE, read).await;
    }

    fn lock(&self) -> MutexGuard<'_, Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpBody for Leftovers {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut *self.lock()).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().size_hint()
    }
}
