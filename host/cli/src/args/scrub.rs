//! How a running server looks through its store.

use std::time::Duration;
use stepwell_server::ScrubPace;

/// Part of the options of `serve`.
#[derive(Debug, clap::Args)]
pub struct ScrubOptions {
    /// Read everything in the store again and check it, from the start of the server on, every so many hours; 0: never. What is damaged is
    /// logged, and told by GET /store
    #[arg(long, env = "STEPWELL_SCRUB_EVERY", value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u16).range(..=8_760))]
    pub scrub_every: u16,
    /// So many MiB of it per second at most; less while others write
    #[arg(long, env = "STEPWELL_SCRUB_RATE", value_name = "MIB", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub scrub_rate: u16,
}

impl ScrubOptions {
    /// For the server.
    pub fn pace(&self) -> ScrubPace {
        ScrubPace {
            every: Duration::from_secs(u64::from(self.scrub_every) * 3_600),
            bytes_per_second: u64::from(self.scrub_rate) << 20,
        }
    }
}
