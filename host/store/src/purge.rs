//! A tenant is removed: first what the index has of it, then its files, which nothing names any more.

use crate::durability::Durability;
use crate::files::Files;
use crate::freeze::Writes;
use crate::keys::{self, Keys};
use crate::read::unavailable;
use crate::value::decode_record;
use std::fs::File;
use stepwell_core::ids::TenantId;
use stepwell_engine::ports::StoreError;

/// What a purge works on. Nobody writes for the tenant any more, so it needs no turn of the committer's.
pub(crate) struct Purge<'a> {
    pub(crate) tree: &'a sled::Db,
    pub(crate) file: &'a File,
    pub(crate) files: &'a Files,
    pub(crate) durability: &'a Durability,
    pub(crate) writes: &'a Writes,
}

impl Purge<'_> {
    /// At most so many keys, or files once there are no more keys; how many it were.
    pub(crate) fn some(&self, tenant: TenantId, limit: usize) -> Result<usize, StoreError> {
        let gone = self.keys(tenant, limit)?;
        if gone > 0 {
            return Ok(gone);
        }
        if self.writes.keeps_files() {
            return Err(StoreError::Unavailable("a backup is being made, which may need a file".to_owned()));
        }
        let gone = self.files.purge(tenant, limit);
        gone.map_err(|error| StoreError::Unavailable(format!("a tenant's files cannot be removed: {error}")))
    }

    fn keys(&self, tenant: TenantId, limit: usize) -> Result<usize, StoreError> {
        let (mut batch, mut gone) = (Vec::new(), 0);
        for start in Keys::of(tenant).all() {
            for found in self.tree.scan_prefix(&start).take(limit - gone) {
                let (key, value) = found.map_err(unavailable)?;
                // A record that cannot be read any more leaves its wake, which then wakes nothing.
                let wake = keys::parse_record(&key).and_then(|of| {
                    let (summary, _) = decode_record(&value, String::new).ok()?;
                    Some(Keys::of(tenant).wake(summary.wake?, of.id))
                });
                batch.extend(wake.into_iter().chain([key.to_vec()]).map(|key| (key, None)));
                gone += 1;
            }
            if gone >= limit {
                break;
            }
        }
        if gone > 0 {
            self.writes.apply(self.tree, batch).map_err(unavailable)?;
            self.durability.index(self.tree, self.file);
        }
        Ok(gone)
    }
}
