//! The only place of this crate that asks the system for the time or waits for it: deadlines of attempts and measured
//! durations belong to the adapter, not to the rules.

use std::future::Future;
use std::time::{Duration, Instant};

/// This moment, for measuring and for deadlines inside one attempt.
#[allow(clippy::disallowed_methods, reason = "the adapter measures attempts and keeps their deadlines")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// This moment by the calendar, for the scripts that ask: milliseconds since 1970.
#[allow(clippy::disallowed_methods, reason = "the adapter tells a script when its attempt began")]
pub(crate) fn wall_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A moment so far ahead; a century if the sum overflows.
pub(crate) fn after(start: Instant, wait: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
    start.checked_add(wait).unwrap_or(start + CENTURY)
}

/// The future's result, or `None` if the moment comes first; the future is then dropped.
pub(crate) async fn until<F: Future>(deadline: Instant, future: F) -> Option<F::Output> {
    tokio::time::timeout_at(tokio::time::Instant::from_std(deadline), future).await.ok()
}
