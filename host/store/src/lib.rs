//! The `Store` port on one disk: small values in sled, large ones in files of their own, durable before acknowledged.
//!
//! sled's `flush()` alone does not survive a loss of power, and large values make a sled store unopenable after one
//! (`storage.md`, section 0). So everything goes through the rails of this crate:
//!
//! - one thread writes ([`committer`]): it takes what waits in a bounded queue, writes it as one batch, waits for the
//!   disk once, and only then answers;
//! - every wait for the disk is in [`durability`]; one that fails ends the process;
//! - no value in sled exceeds 4 KiB ([`value`]); what is larger is in a file named by its digest ([`files`]), complete
//!   and durable before the batch that refers to it;
//! - what breaks sled at its start is removed before it opens ([`open`]);
//! - a file keeps the room that opening on a full disk needs ([`ballast`]).
//!
//! Reads go to sled directly and never wait for the committer; they may see a transition a moment before its answer.
//!
//! Files that nothing refers to any more (of refused transitions, replaced documents, old records, what was erased) are removed bit by bit
//! when [`collect`] is asked to. [`scrub`] reads everything again, a part at a time, and tells what is not what was written. Temporary files of an interrupted write are removed at the next open.
//!
//! Folder: `lock`, `ballast`, `head` (how far the store has got), `sled/` (one tree), `files/values/` and `files/blobs/` by tenant, `files/new/` for unfinished ones.

mod backup;
mod ballast;
mod check;
mod collect;
mod committer;
mod counts;
mod durability;
mod erase;
mod export;
mod files;
mod freeze;
mod head;
mod holds;
mod indexes;
mod keys;
mod lists;
mod look;
mod named;
mod notes;
mod offline;
mod open;
mod pack;
mod prepare;
mod purge;
mod read;
mod scrub;
mod sizes;
mod stage;
mod store;
mod value;

#[cfg(test)]
mod tests;

pub use backup::{BackupError, End, Header, MakeError, restore, verify};
pub use check::{CheckError, FINDINGS, Finding, Report};
pub use export::{ExportError, Exported, ImportError, import};
pub use look::Meaning;
pub use notes::FileNotes;
pub use offline::Offline;
pub use open::{OpenError, SledConfig};
pub use sizes::{Amount, Sizes, TenantSizes, folder_bytes};
pub use store::SledStore;
