//! Files: every one that is named is there and what its name says; those that nothing names are counted.

use super::{Check, CheckError};
use crate::files::{Area, FileError, Place};
use stepwell_engine::ports::StoreError;

impl Check<'_> {
    pub(super) fn files(&mut self) -> Result<(), CheckError> {
        for found in self.store.files().all()? {
            let (file, bytes) = found?;
            let (area, tenant, digest) = file;
            self.report.files += 1;
            self.report.file_bytes += bytes;
            if !self.wanted.remove(&file) {
                self.report.unreferenced += 1;
                self.report.unreferenced_bytes += bytes;
                // While anything is wrong, it may be what named this file.
                if self.repair && self.report.is_well() {
                    self.store.files().remove(Place { area, tenant }, digest)?;
                    self.report.removed = true;
                }
                continue;
            }
            if self.read.contains(&file) {
                continue; // told with its row
            }
            match self.store.files().get(Place { area, tenant }, digest) {
                Ok(_) => {}
                Err(FileError::Damaged(_)) => {
                    self.tell(
                        "file_damaged",
                        (place(file.0, &digest.to_string(), &tenant.to_string()), None),
                        "it is not what its name says",
                    );
                }
                Err(FileError::Io(error)) => return Err(StoreError::Unavailable(error.to_string()).into()),
            }
        }
        let mut missing: Vec<_> = self.wanted.drain().filter(|(area, ..)| *area == Area::Blobs).collect();
        missing.sort_by_key(|(_, tenant, digest)| (*tenant, digest.0));
        for (area, tenant, digest) in missing {
            let at = place(area, &digest.to_string(), &tenant.to_string());
            self.tell("file_missing", (at, None), "something names it, and it is not there");
        }
        Ok(())
    }
}

fn place(area: Area, digest: &str, tenant: &str) -> String {
    match area {
        Area::Values => format!("the large value {digest} of {tenant}"),
        Area::Blobs => format!("the blob {digest} of {tenant}"),
    }
}
