//! The capabilities, as the host gives them. A component imports only the interfaces that its functions use.

use crate::kv::{Entry, Expected, Page};
use crate::{Refused, Why};
use bindings::stepwell::capabilities::{config as configuration, events, key_value, secrets, types};

/// Generated from `wit/capabilities`; calls across the boundary are unsafe by nature.
#[allow(unsafe_code, missing_docs, clippy::all, clippy::pedantic)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/capabilities",
        world: "capabilities",
    });
}

impl From<types::Refused> for Refused {
    fn from(refused: types::Refused) -> Self {
        let why = match refused.why {
            types::Reason::Denied => Why::Denied,
            types::Reason::Invalid => Why::Invalid,
            types::Reason::Conflict => Why::Conflict,
            types::Reason::Limit => Why::Limit,
            types::Reason::Unavailable => Why::Unavailable,
        };
        Self { why, message: refused.message }
    }
}

fn wanted(expected: Expected) -> key_value::Expected {
    match expected {
        Expected::Anything => key_value::Expected::Anything,
        Expected::Absent => key_value::Expected::Absent,
        Expected::Version(version) => key_value::Expected::Version(version),
    }
}

pub(crate) fn config(name: &str) -> Result<Option<String>, Refused> {
    Ok(configuration::get(name)?)
}

pub(crate) fn secret(name: &str) -> Result<Option<String>, Refused> {
    Ok(secrets::get(name)?)
}

pub(crate) fn reference(name: &str) -> Result<Option<String>, Refused> {
    Ok(secrets::reference(name)?)
}

pub(crate) fn get(key: &str) -> Result<Option<Entry>, Refused> {
    Ok(key_value::get(key)?.map(|entry| Entry { value: entry.value, version: entry.version }))
}

pub(crate) fn put(key: &str, value: &[u8], expected: Expected) -> Result<u64, Refused> {
    Ok(key_value::put(key, value, wanted(expected))?)
}

pub(crate) fn remove(key: &str, expected: Expected) -> Result<(), Refused> {
    Ok(key_value::remove(key, wanted(expected))?)
}

pub(crate) fn keys(prefix: &str, after: Option<&str>, limit: u32) -> Result<Page, Refused> {
    let page = key_value::keys(prefix, after, limit)?;
    Ok(Page { keys: page.keys, more: page.more })
}

pub(crate) fn publish(kind: &str, data: &str, id: Option<&str>) -> Result<String, Refused> {
    let event = events::Draft { kind: kind.to_owned(), data: data.to_owned(), id: id.map(str::to_owned) };
    Ok(events::publish(&event)?)
}
