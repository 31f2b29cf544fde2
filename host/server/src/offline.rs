//! The store without a server: what the command needs to check, save, restore and measure one.

use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use stepwell_core::ids::{Digest, TenantId};
use stepwell_core::time::Timestamp;
use stepwell_engine::inspect;
use stepwell_engine::ports::{Clock as _, DocumentKind, RecordStatus};

use stepwell_store::{Amount, Meaning, Sizes, folder_bytes};
pub use stepwell_store::{
    BackupError, CheckError, End, ExportError, Exported, Finding, Header, ImportError, Offline, OpenError, Report,
    import, restore, verify,
};

/// What the engine writes.
#[derive(Debug, Clone, Copy, Default)]
pub struct EngineMeaning;

impl Meaning for EngineMeaning {
    fn entry(&self, entry: &[u8]) -> Result<Vec<Digest>, String> {
        inspect::entry(entry)
    }

    fn state(&self, status: RecordStatus, state: &[u8]) -> Result<Option<u32>, String> {
        inspect::state(status, state)
    }

    fn document(&self, kind: u8, document: &[u8]) -> Result<Vec<Digest>, String> {
        inspect::document(kind, document)
    }
}

/// Where the store is in a server's folder.
#[must_use]
pub fn store_folder(data: &Path) -> PathBuf {
    data.join("store")
}

/// This moment, RFC 3339.
#[must_use]
pub fn now() -> String {
    let now: Timestamp = crate::system::SystemClock.now();
    now.rfc3339()
}

/// Bytes of the compiled components in a server's folder; 0 if they cannot be counted.
#[must_use]
pub fn compiled_bytes(data: &Path) -> u64 {
    folder_bytes(&data.join("compiled")).unwrap_or(0)
}

/// What takes up room, as JSON: `{tenants: [{number, id, executions, journals, indexes, components, documents: {kind: ...}}], indexBytes,
/// ballastBytes, compiledBytes}`, each `{count, bytes}`.
#[must_use]
pub fn shown(sizes: &Sizes, compiled_bytes: u64, id_of: impl Fn(TenantId) -> Option<String>) -> Value {
    let amount = |amount: &Amount| json!({"count": amount.count, "bytes": amount.bytes});
    let tenants = sizes.tenants.iter().map(|(tenant, of)| {
        let documents = of.documents.iter().map(|(kind, found)| (kind_name(*kind), amount(found)));
        json!({
            "number": tenant.0,
            "id": id_of(*tenant),
            "executions": amount(&of.executions),
            "journals": amount(&of.journals),
            "indexes": amount(&of.indexes),
            "components": amount(&of.components),
            "documents": documents.collect::<Map<String, Value>>(),
        })
    });
    json!({
        "tenants": tenants.collect::<Vec<_>>(),
        "indexBytes": sizes.index_bytes,
        "ballastBytes": sizes.ballast_bytes,
        "compiledBytes": compiled_bytes,
    })
}

/// `webhookDelivery`, or its number.
fn kind_name(number: u8) -> String {
    let Some(kind) = DocumentKind::of_number(number) else { return format!("kind {number}") };
    let name = format!("{kind:?}");
    name.char_indices().map(|(at, letter)| if at == 0 { letter.to_ascii_lowercase() } else { letter }).collect()
}
