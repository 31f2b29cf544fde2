//! What the store says of how many executions have not ended is how many there are.

use super::{Check, CheckError};
use crate::counts::{self, Count, place_of, step};
use crate::keys::{self, Keys};
use crate::read::unavailable;
use std::collections::BTreeMap;
use stepwell_core::ids::TenantId;

/// Places of lists, as they should be: those that are there, those that are missing, without those that follow from nothing.
#[derive(Default)]
pub(super) struct Counts(BTreeMap<TenantId, Count>);

impl Counts {
    /// One more, or one less.
    pub(super) fn seen(&mut self, key: &[u8], more: bool) {
        if let (Some(place), Some(tenant)) = (place_of(key), keys::tenant_of_list(key)) {
            step(self.0.entry(tenant).or_default(), place, more);
        }
    }
}

impl Check<'_> {
    /// A row that is not there is made with the next change of its tenant's executions.
    pub(super) fn end_counts(&mut self) -> Result<(), CheckError> {
        let counts = std::mem::take(&mut self.counts).0;
        for row in self.store.tree().scan_prefix(keys::COUNTS) {
            let (key, stored) = row.map_err(unavailable)?;
            let Some(tenant) = keys::parse_counts(&key) else { continue };
            let expected = counts.get(&tenant).copied().unwrap_or_default();
            let found = counts::read(&stored, tenant);
            if found.as_ref() == Ok(&expected) {
                continue;
            }
            if self.repair {
                self.changes.insert(Keys::of(tenant).counts(), counts::row(&expected));
            }
            if found.is_ok() {
                let at = (format!("the count of executions of {tenant}"), None);
                self.tell_repaired("index_stale", at, ("it is not how many there are", self.repair));
            }
        }
        Ok(())
    }
}
