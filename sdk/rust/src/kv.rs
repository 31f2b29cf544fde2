//! Values that stay, for all functions of the tenant. Grants: `{"keyValue": "read"}` or `{"keyValue": "write"}`.
//!
//! ```
//! use stepwell::kv::{self, Expected};
//!
//! # fn count() -> Result<u64, stepwell::Refused> {
//! let seen = kv::get("seen")?;
//! let (count, expected) = match &seen {
//!     Some(entry) => (entry.text().and_then(|text| text.parse().ok()).unwrap_or(0), Expected::Version(entry.version)),
//!     None => (0, Expected::Absent),
//! };
//! kv::put("seen", (count + 1).to_string(), expected)?; // refused as `Conflict` if somebody else was first
//! # Ok(count + 1)
//! # }
//! # assert_eq!((count().unwrap(), count().unwrap()), (1, 2));
//! ```

use crate::{Refused, host};

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// At most 64 KiB.
    pub value: Vec<u8>,
    /// It rises with each change, and never means another value of this key again.
    pub version: u64,
}

impl Entry {
    /// The value as text; `None` if it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.value).ok()
    }
}

/// What must be true of a key for it to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Anything,
    /// It has no value.
    Absent,
    /// Its value has this version.
    Version(u64),
}

/// Some keys, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The keys.
    pub keys: Vec<String>,
    /// Whether there are more: ask again with the last one as `after`.
    pub more: bool,
}

/// The value of a key; `None` if there is none.
///
/// # Errors
/// [`Refused`].
pub fn get(key: &str) -> Result<Option<Entry>, Refused> {
    host::get(key)
}

/// Gives a key a value, and answers the value's version. On return it is durable.
///
/// # Errors
/// [`Refused`]: as [`Why::Conflict`](crate::Why::Conflict) if it is not as expected.
pub fn put(key: &str, value: impl AsRef<[u8]>, expected: Expected) -> Result<u64, Refused> {
    host::put(key, value.as_ref(), expected)
}

/// Takes a key away. One that is not there is no error, unless a version is expected.
///
/// # Errors
/// [`Refused`].
pub fn remove(key: &str, expected: Expected) -> Result<(), Refused> {
    host::remove(key, expected)
}

/// The keys with this beginning that are greater than `after`, at most so many, and never more than 200.
///
/// # Errors
/// [`Refused`].
pub fn keys(prefix: &str, after: Option<&str>, limit: u32) -> Result<Page, Refused> {
    host::keys(prefix, after, limit)
}
