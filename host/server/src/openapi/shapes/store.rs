//! How the store is told of.

use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The store, for the operator.
#[derive(ToSchema)]
pub struct Store {
    /// Its disk; `null`: nobody has looked yet.
    pub disk: Option<Disk>,
    /// What was found when everything was read again (`--scrub-every`).
    pub scrub: Scrub,
}

/// A look through everything that the store keeps, since the server started.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Scrub {
    /// When the last one began; `null`: there was none.
    pub started_at: Option<String>,
    /// When the last one that saw everything ended; `null`: none has yet.
    pub ended_at: Option<String>,
    /// Values that the last one has read so far.
    pub values: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Damaged things: those of the last one, or of the one before if those were more and it goes on.
    pub damaged: u64,
    /// The first hundred of them.
    pub found: Vec<StoreDamage>,
}

/// Something that is not what was written, or that the disk does not give any more.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct StoreDamage {
    /// Which value.
    pub at: String,
    /// What is wrong with it.
    pub what: String,
    /// The execution that it belongs to.
    pub execution_id: Option<String>,
    /// That one's tenant.
    pub tenant: Option<String>,
}

/// How full the file system of the store is, as `df` counts: what only root may fill is neither used nor free.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Disk {
    /// `ok`, `low` (nothing new is taken), `full` (what is under way may end).
    pub state: String,
    /// Bytes that are used or free.
    pub total_bytes: u64,
    /// Bytes that are free.
    pub free_bytes: u64,
    /// From here on it is low, percent.
    pub low_percent: u8,
    /// From here on it is full, percent.
    pub high_percent: u8,
}

/// What takes up room: keys, values and files as they are, without what the index adds.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct StoreSizes {
    /// By tenant.
    pub tenants: Vec<TenantSizes>,
    /// The index on the disk: what is below, but for large values and components, and what it needs besides.
    pub index_bytes: u64,
    /// Kept for a full disk.
    pub ballast_bytes: u64,
    /// Compiled components, which can be made again.
    pub compiled_bytes: u64,
}

/// What a tenant has.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct TenantSizes {
    /// Its number in the store.
    pub number: u32,
    /// Its id; `null`: it is deleted, or nobody knows.
    pub id: Option<String>,
    /// Records, with their states.
    pub executions: StoreAmount,
    /// Lines, with their results.
    pub journals: StoreAmount,
    /// Rows of lists, wakes and starts.
    pub indexes: StoreAmount,
    /// Uploaded components and scripts.
    pub components: StoreAmount,
    /// By kind.
    pub documents: BTreeMap<String, StoreAmount>,
}

/// How much there is.
#[derive(ToSchema)]
pub struct StoreAmount {
    /// How many.
    pub count: u64,
    /// Bytes, together.
    pub bytes: u64,
}
