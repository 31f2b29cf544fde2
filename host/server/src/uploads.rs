//! Turns for uploads: each holds an artifact of up to 32 MiB in memory, in JSON several times that, while it waits for the one compiler.

use crate::error::ApiError;
use axum::http::StatusCode;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Uploads that are read or compiled at once.
const AT_ONCE: usize = 4;
/// Uploads that wait for their turn; their bodies are still with their senders.
const WAITING: usize = 64;
/// How long one waits.
const LONGEST: Duration = Duration::from_secs(60);

/// Who may upload now.
pub struct Uploads {
    turns: Semaphore,
    waiting: Semaphore,
}

impl Uploads {
    /// Nobody uploads yet.
    pub fn new() -> Self {
        Self { turns: Semaphore::new(AT_ONCE), waiting: Semaphore::new(WAITING) }
    }

    /// A turn, before the body is read; it ends when the answer is there.
    ///
    /// # Errors
    /// 503 `uploads_waiting`, with `Retry-After`, if too many wait, or for too long.
    pub async fn turn(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        let busy = || {
            let message =
                format!("{AT_ONCE} uploads run and others wait (limit `uploads_waiting`, {WAITING}); try again");
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "uploads_waiting", message).soon()
        };
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(turn);
        }
        let _waits = self.waiting.try_acquire().map_err(|_| busy())?;
        match timeout(LONGEST, self.turns.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(busy()), // the semaphore is never closed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::{join_all, poll_immediate};

    #[tokio::test(start_paused = true)]
    async fn uploads_wait_their_turn_and_no_more_than_so_many() {
        let uploads = Uploads::new();
        let running = join_all((0..AT_ONCE).map(|_| uploads.turn())).await;
        let mut waiting: Vec<_> = (0..WAITING).map(|_| Box::pin(uploads.turn())).collect();
        for wait in &mut waiting {
            assert!(poll_immediate(wait.as_mut()).await.is_none(), "it waits");
        }
        let refused = uploads.turn().await.expect_err("too many wait");
        assert_eq!((refused.status().as_u16(), refused.retry_after_s()), (503, Some(1)));
        drop(running);
        assert!(waiting.remove(0).await.is_ok(), "the first that waits is next");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let uploads = Uploads::new();
        let _running = join_all((0..AT_ONCE).map(|_| uploads.turn())).await;
        assert!(uploads.turn().await.is_err());
    }
}
