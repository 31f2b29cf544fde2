//! Numbers made of measurements.

use std::time::Duration;

/// Sorted durations.
#[derive(Debug, Default, Clone)]
pub struct Spread(Vec<Duration>);

impl Spread {
    /// Of these.
    pub fn of(mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        Self(took)
    }

    /// Together with others.
    pub fn add(&mut self, more: Self) {
        self.0.extend(more.0);
        self.0.sort_unstable();
    }

    /// Milliseconds; not a number if there are none.
    pub fn percentile(&self, percent: usize) -> f64 {
        let at = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(at).map_or(f64::NAN, |took| took.as_secs_f64() * 1_000.0)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// What a number of clients saw that asked without a pause, perhaps in several rounds.
#[derive(Debug, Default, Clone)]
pub struct Load {
    pub latencies: Spread,
    pub wall: Duration,
    /// Of the processes that served them.
    pub cpu: Duration,
}

impl Load {
    /// Another round.
    pub fn add(&mut self, more: Self) {
        self.latencies.add(more.latencies);
        self.wall += more.wall;
        self.cpu += more.cpu;
    }

    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.wall.as_secs_f64()
    }

    /// Milliseconds of processor time for one answer.
    pub fn cpu_ms(&self) -> f64 {
        self.cpu.as_secs_f64() * 1_000.0 / self.latencies.len() as f64
    }
}
