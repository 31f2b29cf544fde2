//! Business events. Grant: `{"events": ["order.*"]}`.

use crate::{Error, Refused, Why, host};
use serde::Serialize;

/// Publishes an event and answers its id. On return it is durable. A repeated attempt publishes nothing twice: events are named by their
/// place among those of this step run.
///
/// # Errors
/// [`Refused`].
pub fn publish(kind: &str, data: impl Serialize) -> Result<String, Refused> {
    host::publish(kind, &json(data)?, None)
}

/// As [`publish`], named by an id of yours: the same id from this function is the same event.
///
/// # Errors
/// [`Refused`].
pub fn publish_as(id: &str, kind: &str, data: impl Serialize) -> Result<String, Refused> {
    host::publish(kind, &json(data)?, Some(id))
}

fn json(data: impl Serialize) -> Result<String, Refused> {
    let message = |error: serde_json::Error| Error::from(error).message().to_owned();
    serde_json::to_string(&data).map_err(|error| Refused { why: Why::Invalid, message: message(error) })
}
