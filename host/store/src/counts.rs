//! How many executions of a tenant have not ended: a row for each tenant, written in the batch that changes it, so that a start need not walk
//! through a million places of lists. A tenant without a row (its store is older) is counted by that walk, and has one from its next change on.

use crate::keys::{self, Keys};
use crate::read::unavailable;
use crate::stage::Writes;
use crate::value::{Body, Kind, damaged, decode, encode};
use bytes::Bytes;
use std::collections::HashMap;
use stepwell_core::ids::TenantId;
use stepwell_engine::ports::{RecordStatus, StoreError};

/// The states that are counted, in the order of the row.
const COUNTED: [RecordStatus; 2] = [RecordStatus::Unfinished, RecordStatus::Parked];

/// So many of each.
pub(crate) type Count = [u64; COUNTED.len()];

/// Those of the tenants that the writer has written for.
#[derive(Default)]
pub(crate) struct Counts(HashMap<TenantId, Count>);

impl Counts {
    /// Adds the row to what is written, if this changes it. What was written before must be in the tree, or have been shown here.
    pub(crate) fn follow(&mut self, tree: &sled::Db, tenant: TenantId, writes: &mut Writes) -> Result<(), StoreError> {
        let mut changed = None;
        for (key, value) in &*writes {
            let Some(place) = place_of(key) else { continue };
            let mut count = match changed.or_else(|| self.0.get(&tenant).copied()) {
                Some(count) => count,
                None => counted(tree, tenant)?,
            };
            step(&mut count, place, value.is_some());
            changed = Some(count);
        }
        if let Some(count) = changed {
            self.0.insert(tenant, count);
            writes.push((Keys::of(tenant).counts(), Some(row(&count))));
        }
        Ok(())
    }
}

/// How many executions of a tenant have this status, if that is known without counting them.
pub(crate) fn count_of(tree: &sled::Db, tenant: TenantId, status: RecordStatus) -> Option<Result<u64, StoreError>> {
    let place = COUNTED.iter().position(|counted| *counted == status)?;
    Some(counted(tree, tenant).map(|count| count.get(place).copied().unwrap_or(0)))
}

/// Which count a place in a list changes that comes or goes.
pub(crate) fn place_of(key: &[u8]) -> Option<usize> {
    let status = keys::parse_status(key)?;
    COUNTED.iter().position(|counted| *counted as u8 == status)
}

/// With one more, or one less.
pub(crate) fn step(count: &mut Count, place: usize, more: bool) {
    if let Some(count) = count.get_mut(place) {
        *count = if more { count.saturating_add(1) } else { count.saturating_sub(1) };
    }
}

/// As it is stored.
pub(crate) fn row(count: &Count) -> Vec<u8> {
    let bytes: Vec<u8> = count.iter().flat_map(|count| count.to_be_bytes()).collect();
    encode(Kind::Meta, &Body::Inline(Bytes::from(bytes)))
}

/// What [`row`] wrote.
pub(crate) fn read(stored: &[u8], tenant: TenantId) -> Result<Count, StoreError> {
    let at = || format!("the count of executions of {tenant}");
    let Body::Inline(bytes) = decode(Kind::Meta, stored, at)? else {
        return Err(damaged(at(), "it is in a file"));
    };
    let mut count = Count::default();
    let (numbers, rest) = bytes.as_chunks();
    if numbers.len() != count.len() || !rest.is_empty() {
        return Err(damaged(at(), "it has the wrong length"));
    }
    count.iter_mut().zip(numbers).for_each(|(count, number)| *count = u64::from_be_bytes(*number));
    Ok(count)
}

/// As the row says. One that cannot be read is made up for: nothing depends on it but the time of a start.
fn counted(tree: &sled::Db, tenant: TenantId) -> Result<Count, StoreError> {
    let stored = tree.get(Keys::of(tenant).counts()).map_err(unavailable)?;
    match stored.map(|stored| read(&stored, tenant)) {
        Some(Ok(count)) => Ok(count),
        Some(Err(error)) => {
            tracing::error!(%error, "executions are counted anew");
            walk(tree, tenant)
        }
        None => walk(tree, tenant),
    }
}

/// Counts the places of lists.
pub(crate) fn walk(tree: &sled::Db, tenant: TenantId) -> Result<Count, StoreError> {
    let mut count = Count::default();
    for (status, count) in COUNTED.into_iter().zip(&mut count) {
        for key in tree.scan_prefix(Keys::of(tenant).of_status(status)).keys() {
            key.map_err(unavailable)?;
            *count += 1;
        }
    }
    Ok(count)
}
