//! The numbers of the sandbox's engine that the look at an upload needs.

/// The largest memory of a slot.
pub(crate) const MEMORY_BYTES_CEILING: usize = 256 << 20;
/// The largest table.
pub(crate) const TABLE_ELEMENTS: usize = 100_000;
