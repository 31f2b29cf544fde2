//! Records and the rows that follow from them agree, both ways.

use super::{Check, CheckError};
use crate::indexes::indexes;
use crate::keys::Keys;
use crate::look::Wanted;
use crate::read::unavailable;
use crate::value::decode_record;
use stepwell_engine::ports::{ExecutionKey, Summary};

impl Check<'_> {
    /// Every row that follows from a record is there.
    pub(super) fn expect_indexes(&mut self, of: ExecutionKey, summary: &Summary) -> Result<(), CheckError> {
        for key in indexes(of, summary) {
            if !self.store.tree().contains_key(&key).map_err(unavailable)? {
                self.counts.seen(&key, true);
                if self.repair {
                    self.changes.insert(key, Vec::new());
                }
                let at = (format!("the record of {} of {}", of.id, of.tenant), Some(of));
                let what = "a list, a wake or a start does not find this execution";
                self.tell_repaired("index_missing", at, (what, self.repair));
            }
        }
        Ok(())
    }

    /// What names a file is found by whoever removes files that nothing names.
    pub(super) fn expect_reference(&mut self, key: &[u8], (_, tenant, digest): Wanted) -> Result<(), CheckError> {
        let row = Keys::of(tenant).reference(digest, key);
        if !self.store.tree().contains_key(&row).map_err(unavailable)? {
            if self.repair {
                self.changes.insert(row, Vec::new());
            }
            let at = (format!("a value of {tenant} in the file {}", digest.hex()), None);
            self.tell_repaired(
                "index_missing",
                at,
                ("the file would be taken for one that nothing names", self.repair),
            );
        }
        Ok(())
    }

    /// A row of an index follows from a record. Those of a record that cannot be read are left alone.
    pub(super) fn expect_record(&mut self, key: &[u8], of: ExecutionKey) -> Result<(), CheckError> {
        let record = self.store.tree().get(Keys::of(of.tenant).record(of.id)).map_err(unavailable)?;
        let follows = match record {
            None => false,
            Some(value) => match decode_record(&value, String::new) {
                Err(_) => return Ok(()),
                Ok((summary, _)) => indexes(of, &summary).any(|expected| expected == key),
            },
        };
        if !follows {
            self.counts.seen(key, false);
            if self.repair {
                self.changes.remove(key);
            }
            let at = (format!("an index row of {} of {}", of.id, of.tenant), Some(of));
            self.tell_repaired("index_stale", at, ("it does not follow from a record", self.repair));
        }
        Ok(())
    }
}
