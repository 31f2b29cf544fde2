//! The limits of the language, each with its reason (row `expression` of the limits page).

/// Longest source text of one expression, in bytes: more than any condition a person writes, and it bounds the
/// work and memory of parsing, which is linear in it.
pub const SOURCE_BYTES: usize = 4096;

/// Deepest nesting of an expression, counted for every construct that contains another. Parser and evaluator
/// recurse this deep at most, which fits a thread's stack many times over.
pub const DEPTH: usize = 64;

/// Steps of one evaluation. A step is one operator, property, call or element; scanning long strings and arrays
/// counts by length. A filter with two conditions over the default 1,000 loop items fits.
pub const EVALUATION_STEPS: u32 = 10_000;

/// Largest single value that an evaluation may make, in bytes as it would be written in JSON: the default
/// `payload_bytes`, because a larger one could not leave the step anyway.
pub const RESULT_BYTES: usize = 256 * 1024;

/// Memory that one evaluation may take for all values it makes, in bytes, as a multiple of [`RESULT_BYTES`].
/// Values in between are not counted back when dropped, so that a `reduce` that grows a text needs room.
pub const ALLOCATION_FACTOR: usize = 16;

/// Deepest JSON that is read or written (`json_depth`).
pub const JSON_DEPTH: usize = 128;

/// Deepest value that may exist during an evaluation. The scope wraps payloads of [`JSON_DEPTH`] in a few objects
/// of its own; conversions recurse this deep at most.
pub const VALUE_DEPTH: usize = 256;

/// Most faults that one template reports: enough to mend a definition, and bounded for a hostile one.
pub const TEMPLATE_ERRORS: usize = 100;

/// Most names that an error lists as being in scope, to keep its message readable.
pub const NAMES_LISTED: usize = 40;
