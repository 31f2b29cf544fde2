//! How much memory one attempt may use: all linear memories of a store together, unlike wasmtime's own `StoreLimits`,
//! which counts each memory alone.

use crate::engine::{CORE_INSTANCES, MEMORIES, MEMORY_BYTES_CEILING, TABLE_ELEMENTS, TABLES};
use wasmtime::{Error, ResourceLimiter, Result};

/// Counts and refuses. Wasmtime asks it for initial sizes too.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: usize,
    used: usize,
    peak: usize,
    last: usize,
    refused: bool,
}

impl Limiter {
    /// At most `limit` bytes, whatever the operator allowed never more than a slot of the pool holds.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: limit.min(MEMORY_BYTES_CEILING), used: 0, peak: 0, last: 0, refused: false }
    }

    /// Most bytes at one time.
    pub(crate) fn peak(&self) -> usize {
        self.peak
    }

    /// Whether the guest wanted more than it may have. A guest that then ends by itself ended for want of memory.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let more = desired.saturating_sub(current);
        let total = self.used.saturating_add(more);
        if total > self.limit {
            self.refused = true;
            return Ok(false);
        }
        self.used = total;
        self.last = more;
        self.peak = self.peak.max(total);
        Ok(true)
    }

    /// A growth that was allowed did not happen (the memory's own maximum): it does not count.
    fn memory_grow_failed(&mut self, _error: Error) -> Result<()> {
        self.used = self.used.saturating_sub(std::mem::take(&mut self.last));
        Ok(())
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_memories_count_together() {
        let mut limiter = Limiter::new(100);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(limiter.memory_growing(0, 40, None).unwrap());
        assert!(!limiter.refused());
        assert!(!limiter.memory_growing(40, 41, None).unwrap());
        assert!(limiter.refused());
        assert_eq!(limiter.peak(), 100);
    }

    #[test]
    fn a_growth_that_failed_is_given_back() {
        let mut limiter = Limiter::new(100);
        assert!(limiter.memory_growing(0, 90, None).unwrap());
        limiter.memory_grow_failed(Error::msg("no")).unwrap();
        assert!(limiter.memory_growing(0, 90, None).unwrap());
        assert!(!limiter.refused());
    }
}
