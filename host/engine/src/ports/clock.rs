//! Time and chance.

use stepwell_core::time::Timestamp;

/// The wall clock. Timers ask it; nothing else may.
#[async_trait::async_trait]
pub trait Clock: Send + Sync + 'static {
    /// This moment.
    fn now(&self) -> Timestamp;

    /// Returns once `now()` has reached `at`.
    async fn sleep_until(&self, at: Timestamp);
}

/// A source of unpredictable bytes.
pub trait Entropy: Send + Sync + 'static {
    /// Fills the buffer.
    fn fill(&self, bytes: &mut [u8]);
}
