//! Walking the indexes: what is due, and lists of executions.

use crate::counts::count_of;
use crate::keys::{self, Keys};
use crate::read::{Reader, unavailable};
use crate::value::{damaged, decode_record};
use std::iter::Peekable;
use std::ops::Bound;
use stepwell_core::ids::{ExecutionId, Shard, TenantId};
use stepwell_core::time::Timestamp;
use stepwell_engine::ports::{
    Damage, ExecutionFilter, ExecutionKey, ExecutionList, LIST_LOOKS, ListPlace, RecordStatus, StoreError, Summary,
};

impl Reader<'_> {
    pub(crate) fn due(
        &self,
        shard: Shard,
        after: Option<(Timestamp, ExecutionKey)>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, ExecutionKey)>, StoreError> {
        let key = |due, tenant, id: [u8; 16]| {
            keys::wake_at(shard, due, ExecutionKey { tenant: TenantId(tenant), id: ExecutionId::from_bytes(id) })
        };
        let start = match after {
            Some((due, of)) => Bound::Excluded(keys::wake_at(shard, due, of)),
            None => Bound::Included(key(Timestamp(0), 0, [0; 16])),
        };
        let end = key(until, u32::MAX, [u8::MAX; 16]);
        if matches!(&start, Bound::Excluded(start) if *start >= end) {
            return Ok(Vec::new());
        }
        let found = self.tree.range::<Vec<u8>, _>((start, Bound::Included(end))).keys().take(limit);
        let parsed = found.map(|key| {
            let key = key.map_err(unavailable)?;
            keys::parse_wake(&key).ok_or_else(|| damaged(format!("wakes of shard {}", shard.0), "bad key"))
        });
        parsed.collect()
    }

    pub(crate) fn executions(
        &self,
        tenant: TenantId,
        filter: &ExecutionFilter,
        after: Option<ListPlace>,
        limit: usize,
    ) -> Result<ExecutionList, StoreError> {
        let (mut items, mut damaged, mut last) = (Vec::new(), Vec::new(), after);
        let mut lists = self.lists(tenant, filter, after);
        for looked in 0.. {
            let Some(place) = next(&mut lists)? else { break };
            if items.len() >= limit.max(1) || looked == LIST_LOOKS {
                return Ok(ExecutionList { items, damaged, next: last });
            }
            last = Some(place);
            let key = ExecutionKey { tenant, id: place.id };
            // An index may be ahead of what the record said a moment ago.
            match self.summary(key) {
                Ok(found) => items.extend(found.filter(|found| filter.takes(found)).map(|found| (key, found))),
                Err(StoreError::Damaged { at, what }) => damaged.push(Damage { at, what, execution: Some(key) }),
                Err(error) => return Err(error),
            }
        }
        Ok(ExecutionList { items, damaged, next: None })
    }

    pub(crate) fn count(&self, tenant: TenantId, status: RecordStatus) -> Result<u64, StoreError> {
        if let Some(known) = count_of(self.tree, tenant, status) {
            return known;
        }
        let of_status = self.tree.scan_prefix(Keys::of(tenant).of_status(status)).keys();
        of_status.map(|key| key.map(|_| 1).map_err(unavailable)).sum()
    }

    fn summary(&self, key: ExecutionKey) -> Result<Option<Summary>, StoreError> {
        let stored = self.tree.get(Keys::of(key.tenant).record(key.id)).map_err(unavailable)?;
        let at = || format!("the record of {} of {}", key.id, key.tenant);
        stored.map(|stored| Ok(decode_record(&stored, at)?.0)).transpose()
    }

    /// The indexes that together hold all that the filter takes. Each is in the order of places.
    fn lists(
        &self,
        tenant: TenantId,
        filter: &ExecutionFilter,
        after: Option<ListPlace>,
    ) -> Vec<Peekable<impl Iterator<Item = Result<ListPlace, StoreError>> + use<>>> {
        let keys = Keys::of(tenant);
        let wanted = |status: &RecordStatus| filter.statuses.as_ref().is_none_or(|statuses| statuses.contains(status));
        let lists: Vec<_> = match &filter.workflow {
            // No id has one, and a key would end there.
            Some(workflow) if workflow.contains('\0') => Vec::new(),
            Some(workflow) => vec![keys.of_workflow(workflow)],
            None => RecordStatus::ALL.into_iter().filter(wanted).map(|status| keys.of_status(status)).collect(),
        };
        let last =
            ListPlace { created: filter.since.unwrap_or(Timestamp(0)), id: ExecutionId::from_bytes([u8::MAX; 16]) };
        if after.is_some_and(|after| after.order() >= last.order()) {
            return Vec::new();
        }
        let walk = |list: Vec<u8>| {
            let start = match after {
                Some(after) => Bound::Excluded(keys::in_list(list.clone(), after)),
                None => Bound::Included(list.clone()),
            };
            let found = self.tree.range::<Vec<u8>, _>((start, Bound::Included(keys::in_list(list, last)))).keys();
            let parsed = found.map(move |key| {
                let key = key.map_err(unavailable)?;
                keys::parse_place(&key).ok_or_else(|| damaged(format!("lists of {tenant}"), "bad key"))
            });
            parsed.peekable()
        };
        lists.into_iter().map(walk).collect()
    }
}

/// The first place of all lists, taken out of each that has it: an execution may be moving from one to another.
fn next(
    lists: &mut [Peekable<impl Iterator<Item = Result<ListPlace, StoreError>>>],
) -> Result<Option<ListPlace>, StoreError> {
    let mut first: Option<ListPlace> = None;
    for list in lists.iter_mut() {
        match list.peek() {
            Some(Ok(place)) if first.is_none_or(|first| place.order() < first.order()) => first = Some(*place),
            Some(Err(error)) => return Err(error.clone()),
            Some(Ok(_)) | None => {}
        }
    }
    for list in lists {
        list.next_if(|place| place.as_ref().is_ok_and(|place| Some(*place) == first));
    }
    Ok(first)
}
