//! The only place of this crate that asks the system for the time or waits for it.

use std::future::Future;
use std::time::Duration;
use stepwell_engine::ports::{HttpFault, HttpFaultKind};
use tokio::time::Instant;

/// No wait is longer: deadlines are at most a day ahead.
const LONGEST: Duration = Duration::from_secs(86_400);

/// A moment that something must not pass, and the words for when it does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    at: Instant,
    what: &'static str,
}

impl Limit {
    /// As long as the attempt may take.
    #[allow(clippy::disallowed_methods, reason = "the adapter keeps the deadline of an attempt")]
    pub(crate) fn attempt(at_most: Duration) -> Self {
        Self { at: Instant::now() + at_most.min(LONGEST), what: "the attempt's time is over" }
    }

    /// So far ahead, but never after this limit.
    #[allow(clippy::disallowed_methods, reason = "the adapter limits each wait")]
    pub(crate) fn within(self, wait: Duration, what: &'static str) -> Self {
        let at = Instant::now() + wait.min(LONGEST);
        if at < self.at { Self { at, what } } else { self }
    }

    /// The future's result; it is dropped when the moment comes first, and not begun when the moment is over.
    #[allow(clippy::disallowed_methods, reason = "the adapter keeps the deadline of an attempt")]
    pub(crate) async fn keep<F: Future>(self, future: F) -> Result<F::Output, HttpFault> {
        let late = || HttpFault::new(HttpFaultKind::Timeout, self.what);
        if self.at <= Instant::now() {
            return Err(late());
        }
        tokio::time::timeout_at(self.at, future).await.map_err(|_| late())
    }
}
