//! The body of an answer as `wasi:http` wants it: a part is asked for when the guest asks for one, and not before.

use super::send::Told;
use bytes::Bytes;
use http_body::{Body, Frame};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use stepwell_engine::ports::{HttpBody, HttpFault};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime_wasi_http::Error;

type Part = Result<Option<Bytes>, HttpFault>;
type Pulling = Pin<Box<dyn Future<Output = (Box<dyn HttpBody>, Part)> + Send>>;

/// Pulls from the host's body.
pub(super) struct Pulled {
    place: Place,
    told: Told,
    debt: Arc<AtomicU64>,
}

enum Place {
    /// Nothing was asked for.
    Idle(Box<dyn HttpBody>, OwnedSemaphorePermit),
    /// A part is on its way.
    Busy(Pulling, OwnedSemaphorePermit),
    /// Nothing more comes; the attempt may send another request.
    Over,
}

impl Pulled {
    /// Holds the request's place until the end.
    pub(super) fn new(
        body: Box<dyn HttpBody>,
        told: Told,
        (place, debt): (OwnedSemaphorePermit, Arc<AtomicU64>),
    ) -> Self {
        Self { place: Place::Idle(body, place), told, debt }
    }
}

impl Body for Pulled {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let (mut pulling, place) = match std::mem::replace(&mut self.place, Place::Over) {
            Place::Over => return Poll::Ready(None),
            Place::Busy(pulling, place) => (pulling, place),
            Place::Idle(mut body, place) => {
                let pulling: Pulling = Box::pin(async move {
                    let part = body.next().await;
                    (body, part)
                });
                (pulling, place)
            }
        };
        match pulling.as_mut().poll(cx) {
            Poll::Pending => {
                self.place = Place::Busy(pulling, place);
                Poll::Pending
            }
            Poll::Ready((body, Ok(Some(part)))) => {
                self.debt.fetch_add(part.len() as u64, Ordering::Relaxed);
                self.place = Place::Idle(body, place);
                Poll::Ready(Some(Ok(Frame::data(part))))
            }
            Poll::Ready((_, Ok(None))) => Poll::Ready(None),
            Poll::Ready((_, Err(fault))) => {
                self.told.say(&fault);
                // A stream's error has no code that the library would give to the guest, but it has a text.
                Poll::Ready(Some(Err(Error::InternalError(Some(fault.message)))))
            }
        }
    }
}
