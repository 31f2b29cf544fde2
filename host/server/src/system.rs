//! The adapters of time and chance.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stepwell_core::time::Timestamp;
use stepwell_engine::ports::{Clock, Entropy};

/// The system's clock.
pub struct SystemClock;

/// The clock is asked again at least this often, so that a wall clock that was set is noticed.
const LONGEST_SLEEP_MS: u64 = 60_000;

#[async_trait::async_trait]
impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // this is the adapter
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    #[allow(clippy::disallowed_methods)] // this is the adapter
    async fn sleep_until(&self, at: Timestamp) {
        loop {
            let left = at.since(self.now());
            if left == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(left.min(LONGEST_SLEEP_MS))).await;
        }
    }
}

/// The system's random numbers.
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // Without random numbers there are no unique ids and no keys: nothing may go on.
        if getrandom::fill(bytes).is_err() {
            tracing::error!("the system has no random numbers");
            std::process::abort();
        }
    }
}

/// So many random bytes as text of letters and digits, two characters each.
pub fn random_text<const BYTES: usize>() -> String {
    let mut bytes = [0; BYTES];
    SystemEntropy.fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
