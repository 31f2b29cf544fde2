//! A store as lines of JSON, and the way back: the way out of every version of this program. `docs/export.md` describes the form.

mod read;
mod write;

pub use read::{ImportError, import};
pub use write::{ExportError, Exported};

/// The version of the form.
const VERSION: u32 = 1;

/// The words for [`stepwell_engine::ports::RecordStatus`], by its number.
const STATUS: [&str; 5] = ["unfinished", "completed", "failed", "quarantined", "parked"];
