//! Files of large values that nothing refers to any more are removed.
//!
//! Whatever is written with a value in a file leaves a row beside it, in the same batch: the digest, and the key of the value
//! ([`Keys::reference`]). So all that may refer to a file is found by its digest, without reading the tree. Rows are never removed with what
//! they stand for, so that nothing more is read when something is written: a row counts only if the value at its key still names the file.
//!
//! Why no file is removed that a commit is about to refer to:
//!
//! - Whoever writes a large value takes a *hold* on its digest ([`crate::files::Holds`]) before it looks whether the file is there, and the
//!   committer lets go of it after its batch is in the tree (or the transition is refused). So at any moment a digest that is referred
//!   to, or will be, has a hold, or a row with its value in the tree, or both.
//! - The collector keeps the holds locked while it looks: nobody takes one meanwhile. What has no hold and no value then is not referred to,
//!   and is not going to be by anybody who has seen the file. It unlinks before it unlocks; who comes afterwards finds no file and writes one.
//!
//! Why a loss of power brings no reference back: still under the lock the index is synced before anything is unlinked, so what took the
//! references away is durable. An unlink that is lost leaves a file without references, which is found again.
//!
//! Why nobody who reads finds a file missing: a file goes only if it was unreferenced at the look before, too. Between two looks at the
//! same part lie minutes; between reading a reference and opening its file, nothing that waits.

use crate::durability::Durability;
use crate::files::{Area, Files, Place};
use crate::freeze::Writes;
use crate::keys::{self, Keys};
use crate::read::unavailable;
use crate::value::filed;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::sync::{Mutex, PoisonError};
use stepwell_core::ids::{Digest, TenantId};
use stepwell_engine::ports::StoreError;

/// What nothing referred to at the last look, by tenant and part.
#[derive(Default)]
pub(crate) struct Suspects(Mutex<HashMap<(TenantId, u8), BTreeSet<Digest>>>);

/// What a collection works on.
pub(crate) struct Collection<'a> {
    pub(crate) tree: &'a sled::Db,
    pub(crate) file: &'a File,
    pub(crate) files: &'a Files,
    pub(crate) durability: &'a Durability,
    pub(crate) suspects: &'a Suspects,
    pub(crate) writes: &'a Writes,
}

impl Collection<'_> {
    /// Looks at the files of a tenant whose digests begin with this byte; how many it removed.
    pub(crate) fn part(&self, tenant: TenantId, part: u8) -> Result<usize, StoreError> {
        let place = Place { area: Area::Values, tenant };
        let failed = |error| StoreError::Unavailable(format!("files cannot be collected: {error}"));
        let mut unused = BTreeSet::new();
        for digest in self.files.part(place, part).map_err(failed)? {
            if !self.is_used(tenant, digest)? {
                unused.insert(digest);
            }
        }
        let mut suspects = self.suspects.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = suspects.remove(&(tenant, part)).unwrap_or_default();
        let gone: Vec<Digest> = unused.intersection(&before).copied().collect();
        unused.retain(|digest| !before.contains(digest));
        if !unused.is_empty() {
            suspects.insert((tenant, part), unused);
        }
        drop(suspects);
        if gone.is_empty() { Ok(0) } else { self.remove(place, gone) }
    }

    fn remove(&self, place: Place, gone: Vec<Digest>) -> Result<usize, StoreError> {
        if self.writes.keeps_files() {
            return Ok(0); // a backup may still name them; they are found again
        }
        let holds = self.files.holds().lock();
        let (mut batch, mut free) = (Vec::new(), Vec::new());
        for digest in gone {
            if holds.has(place.tenant, digest) || self.is_used(place.tenant, digest)? {
                continue;
            }
            for row in self.tree.scan_prefix(Keys::of(place.tenant).references(digest)).keys() {
                batch.push((row.map_err(unavailable)?.to_vec(), None));
            }
            free.push(digest);
        }
        if free.is_empty() {
            return Ok(0);
        }
        self.writes.apply(self.tree, batch).map_err(unavailable)?;
        self.durability.index(self.tree, self.file);
        for digest in &free {
            let removed = self.files.remove(place, *digest);
            removed.map_err(|error| StoreError::Unavailable(format!("a file cannot be removed: {error}")))?;
        }
        Ok(free.len())
    }

    /// Whether a value in the tree names this file.
    fn is_used(&self, tenant: TenantId, digest: Digest) -> Result<bool, StoreError> {
        for row in self.tree.scan_prefix(Keys::of(tenant).references(digest)).keys() {
            let row = row.map_err(unavailable)?;
            let stored = self.tree.get(keys::referring(&row)).map_err(unavailable)?;
            if stored.is_some_and(|stored| filed(&stored) == Some(digest)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Writes the rows of a store that has none yet: one walk through the whole tree.
pub(crate) fn write_rows(tree: &sled::Db) -> sled::Result<()> {
    let (mut batch, mut waiting) = (sled::Batch::default(), 0);
    for found in tree.iter() {
        let (key, value) = found?;
        let (Some(tenant), Some(digest)) = (keys::tenant_of_value(&key), filed(&value)) else { continue };
        batch.insert(Keys::of(tenant).reference(digest, &key), Vec::<u8>::new());
        waiting += 1;
        if waiting == 1_000 {
            tree.apply_batch(std::mem::take(&mut batch))?;
            waiting = 0;
        }
    }
    tree.apply_batch(batch)
}
