//! How the store is told of.

use utoipa::ToSchema;

/// The store, for the operator.
#[derive(ToSchema)]
pub struct Store {
    /// Its disk; `null`: nobody has looked yet.
    pub disk: Option<Disk>,
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
