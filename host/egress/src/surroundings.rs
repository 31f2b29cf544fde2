//! Whoever asks may be on any thread, also on one without sockets: each poll happens with the server's own sockets and timers.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::runtime::Handle;

/// A future that finds these sockets and timers wherever it is polled.
pub(crate) struct Inside<F> {
    handle: Handle,
    future: Pin<Box<F>>,
}

impl<F: Future> Inside<F> {
    /// It, with the sockets and timers of this runtime.
    pub(crate) fn new(handle: Handle, future: F) -> Self {
        Self { handle, future: Box::pin(future) }
    }
}

impl<F: Future> Future for Inside<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let handle = self.handle.clone();
        let _entered = handle.enter();
        self.future.as_mut().poll(cx)
    }
}
