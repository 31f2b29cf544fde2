//! What a tenant has used, day by day (UTC).

use crate::ports::Usage;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stepwell_core::time::Timestamp;

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;
/// Bytes of the unit of memory.
const MIB: u64 = 1 << 20;

/// The sums of a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DayUsage {
    /// Fuel of all attempts and calls.
    pub fuel: u64,
    /// Mebibytes times milliseconds: the most memory that an attempt had, as long as it took.
    pub mib_ms: u64,
    /// Attempts of steps, and direct calls.
    pub steps: u64,
    /// Executions that were started.
    pub executions: u64,
    /// Bytes that were written to the store.
    pub bytes: u64,
}

impl DayUsage {
    /// With an attempt more.
    pub fn attempt(&mut self, used: &Usage) {
        let elapsed = u64::try_from(used.elapsed.as_millis()).unwrap_or(u64::MAX);
        let memory = (used.memory_bytes as u64).saturating_mul(elapsed) / MIB;
        self.add(&Self { fuel: used.fuel, mib_ms: memory, steps: 1, ..Self::default() });
    }

    /// With another's sums.
    pub fn add(&mut self, other: &Self) {
        self.fuel = self.fuel.saturating_add(other.fuel);
        self.mib_ms = self.mib_ms.saturating_add(other.mib_ms);
        self.steps = self.steps.saturating_add(other.steps);
        self.executions = self.executions.saturating_add(other.executions);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    /// `{fuel, memorySeconds, steps, executions, bytes}`; memory-seconds are mebibytes times seconds.
    #[must_use]
    pub fn shown(&self) -> Value {
        #[expect(clippy::cast_precision_loss, reason = "a double is exact up to 2^53 mebibyte-milliseconds")]
        let memory = self.mib_ms as f64 / 1_000.0;
        json!({
            "fuel": self.fuel, "memorySeconds": memory, "steps": self.steps, "executions": self.executions,
            "bytes": self.bytes
        })
    }
}

/// The day of a moment, `2026-11-22`.
#[must_use]
pub fn day(at: Timestamp) -> String {
    at.rfc3339().chars().take(10).collect()
}

/// The month of a day, `2026-11`.
#[must_use]
pub fn month(day: &str) -> &str {
    day.get(..7).unwrap_or(day)
}

/// Whether somebody means a day.
#[must_use]
pub fn is_day(text: &str) -> bool {
    text.len() == 10 && Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")).is_some_and(|at| day(at) == text)
}

/// Days from one to the other, both of them counted; 0 if the second is the earlier one.
#[must_use]
pub fn days(from: &str, to: &str) -> u64 {
    let at = |day: &str| Timestamp::parse_rfc3339(&format!("{day}T00:00:00Z")).map_or(0, |at| at.0 / DAY_MS);
    (at(to) + 1).saturating_sub(at(from))
}

/// Seconds to the next month, a day at most.
#[must_use]
pub fn to_next_month(now: Timestamp) -> u32 {
    let left = DAY_MS - now.0 % DAY_MS;
    let (today, tomorrow) = (day(now), day(now.plus(left)));
    let ms = if month(&today) == month(&tomorrow) { DAY_MS } else { left };
    u32::try_from(ms.div_ceil(1_000)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).expect("a moment")
    }

    #[test]
    fn days_months_and_what_is_left_of_them() {
        assert_eq!((day(at("2026-11-22T23:59:59Z")).as_str(), month("2026-11-22")), ("2026-11-22", "2026-11"));
        assert!(is_day("2024-02-29") && !is_day("2026-02-29") && !is_day("2026-2-1") && !is_day("2026-02-01T"));
        assert_eq!((days("2026-02-27", "2026-03-01"), days("2026-03-01", "2026-02-27")), (3, 0));
        assert_eq!(to_next_month(at("2026-11-30T23:59:00Z")), 60);
        assert_eq!(to_next_month(at("2026-11-15T12:00:00Z")), 86_400);
        assert_eq!(to_next_month(at("2026-12-31T00:00:00Z")), 86_400);
    }

    #[test]
    fn an_attempt_counts_its_fuel_and_its_memory_for_as_long_as_it_took() {
        let mut sums = DayUsage::default();
        let used = Usage { fuel: 7, memory_bytes: 3 << 20, elapsed: Duration::from_millis(1_500) };
        sums.attempt(&used);
        sums.attempt(&used);
        let shown = json!({"fuel": 14, "memorySeconds": 9.0, "steps": 2, "executions": 0, "bytes": 0});
        assert_eq!(sums.shown(), shown);
    }
}
