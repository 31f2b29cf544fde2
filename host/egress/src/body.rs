//! The body of an answer, part by part, as fast as it is asked for.

use crate::clock::Limit;
use crate::exchange::{Wire, fault};
use crate::surroundings::Inside;
use crate::turns::Turn;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame, Incoming};
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use stepwell_engine::ports::{HttpBody, HttpFault, HttpFaultKind};
use tokio::runtime::Handle;

/// Longest part.
const PART_BYTES: usize = 64 << 10;

/// The rest of an answer, with its connection and its place among all connections.
pub(crate) struct Rest {
    /// Never locked: whoever asks has it alone. What is on the wire cannot be looked at from two threads.
    open: Mutex<Option<Open>>,
    handle: Handle,
    failed: Option<HttpFault>,
}

pub(crate) struct Open {
    pub(crate) incoming: Incoming,
    pub(crate) wire: Wire,
    /// Received, and longer than one part.
    pub(crate) rest: Bytes,
    /// Bytes that may still come.
    pub(crate) room: Room,
    pub(crate) deadline: Limit,
    pub(crate) between: Duration,
    pub(crate) _turn: Turn,
}

/// How large an answer may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    most: usize,
    left: usize,
}

impl Room {
    /// For a whole answer.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, left: most }
    }

    /// Whether so many bytes more are accepted; they are counted.
    pub(crate) fn take(&mut self, bytes: u64) -> Result<(), HttpFault> {
        let left = usize::try_from(bytes).ok().and_then(|bytes| self.left.checked_sub(bytes));
        self.left = left.ok_or_else(|| {
            let message = format!("the answer is larger than {} bytes (http_response_bytes)", self.most);
            HttpFault::new(HttpFaultKind::ResponseTooLarge, message)
        })?;
        Ok(())
    }
}

impl Rest {
    /// Of this connection. An answer that says itself that it is too large is refused before its first byte is read.
    pub(crate) fn new(open: Open, handle: Handle) -> Result<Self, HttpFault> {
        let mut room = open.room;
        room.take(open.incoming.size_hint().lower())?;
        Ok(Self { open: Mutex::new(Some(open)), handle, failed: None })
    }
}

#[async_trait::async_trait]
impl HttpBody for Rest {
    async fn next(&mut self) -> Result<Option<Bytes>, HttpFault> {
        if let Some(fault) = &self.failed {
            return Err(fault.clone());
        }
        let slot = self.open.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = slot else { return Ok(None) };
        let part = Inside::new(self.handle.clone(), open.next()).await;
        if !matches!(part, Ok(Some(_))) {
            *slot = None;
        }
        self.failed = part.as_ref().err().cloned();
        part
    }
}

impl Open {
    async fn next(&mut self) -> Result<Option<Bytes>, HttpFault> {
        while self.rest.is_empty() {
            let limit = self.deadline.within(self.between, "the answer came too slowly");
            let Some(frame) = limit.keep(frame(&mut self.incoming, &mut self.wire)).await? else {
                self.wire.close();
                return Ok(None);
            };
            // Trailers are left out: nobody asked for them.
            if let Ok(data) = frame.map_err(|error| fault(&error))?.into_data() {
                self.room.take(u64::try_from(data.len()).unwrap_or(u64::MAX))?;
                self.rest = data;
            }
        }
        Ok(Some(self.rest.split_to(self.rest.len().min(PART_BYTES))))
    }
}

async fn frame(incoming: &mut Incoming, wire: &mut Wire) -> Option<Result<Frame<Bytes>, hyper::Error>> {
    let mut frame = pin!(incoming.frame());
    poll_fn(|cx| {
        if let Poll::Ready(frame) = frame.as_mut().poll(cx) {
            return Poll::Ready(frame);
        }
        wire.drive(cx);
        frame.as_mut().poll(cx)
    })
    .await
}
