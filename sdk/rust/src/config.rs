//! Configuration of the tenant: texts that are no secrets. A function gets what its grants name: `{"config": ["REGION"]}`.

use crate::{Refused, host};

/// The text of this name; `None` if there is none.
///
/// # Errors
/// [`Refused`], if it was not granted.
pub fn get(name: &str) -> Result<Option<String>, Refused> {
    host::config(name)
}
