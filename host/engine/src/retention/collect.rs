//! Room that large values took and nothing names any more: the store gives it back part by part.

use super::EVERY_MS;
use crate::engine::Engine;
use stepwell_core::time::Timestamp;

/// Parts that one look takes: all of them in sixteen looks, so that a quarter of an hour lies between two looks at one.
const PARTS: u8 = 16;

/// Which parts are next, and when.
#[derive(Default)]
pub(super) struct Parts {
    first: u8,
    not_before: Timestamp,
}

impl Parts {
    /// The next ones, if it is time.
    fn next(&mut self, now: Timestamp) -> Option<std::ops::RangeInclusive<u8>> {
        if now < self.not_before {
            return None;
        }
        let first = self.first;
        (self.first, self.not_before) = (first.wrapping_add(PARTS), now.plus(EVERY_MS));
        Some(first..=first.saturating_add(PARTS - 1))
    }
}

impl Engine {
    pub(super) async fn collect(&self, parts: &mut Parts) {
        let Some(parts) = parts.next(self.now()) else { return };
        for tenant in self.inner.tenants.all() {
            for part in parts.clone() {
                match self.inner.ports.store.collect(tenant.number, part).await {
                    Ok(0) => {}
                    Ok(gone) => tracing::debug!(tenant = tenant.id, part, gone, "files that nothing names are removed"),
                    Err(error) => {
                        tracing::warn!(tenant = tenant.id, %error, "files that nothing names are removed later");
                        break;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_comes_again_and_never_soon() {
        let (mut parts, mut last, mut now) = (Parts::default(), [None::<u64>; 256], 5);
        for _ in 0..100 {
            for part in parts.next(Timestamp(now)).expect("it is time") {
                let before = last[usize::from(part)].replace(now);
                assert!(before.is_none_or(|before| now - before >= 15 * EVERY_MS), "{part}");
            }
            assert_eq!(parts.next(Timestamp(now + EVERY_MS - 1)), None);
            now += EVERY_MS;
        }
        assert!(last.iter().all(Option::is_some));
    }
}
