//! What takes the host's place where functions run natively: values in memory, of each thread its own, for unit tests.
//!
//! ```
//! stepwell::native::set_config("REGION", "eu");
//! assert_eq!(stepwell::config::get("REGION").unwrap().as_deref(), Some("eu"));
//! ```

use crate::kv::{Entry, Expected, Page};
use crate::{Refused, Why};
use std::cell::RefCell;
use std::collections::BTreeMap;

#[derive(Default)]
struct Memory {
    config: BTreeMap<String, String>,
    secrets: BTreeMap<String, String>,
    values: BTreeMap<String, Entry>,
    changes: u64,
    published: Vec<(String, String)>,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

fn with<T>(work: impl FnOnce(&mut Memory) -> T) -> T {
    MEMORY.with_borrow_mut(work)
}

/// What `config::get` answers from now on, on this thread.
pub fn set_config(name: &str, text: &str) {
    with(|memory| memory.config.insert(name.to_owned(), text.to_owned()));
}

/// What `secrets::get` answers from now on, on this thread.
pub fn set_secret(name: &str, value: &str) {
    with(|memory| memory.secrets.insert(name.to_owned(), value.to_owned()));
}

/// What was published on this thread: type and JSON text of each event.
#[must_use]
pub fn published() -> Vec<(String, String)> {
    with(|memory| memory.published.clone())
}

pub(crate) fn config(name: &str) -> Result<Option<String>, Refused> {
    Ok(with(|memory| memory.config.get(name).cloned()))
}

pub(crate) fn secret(name: &str) -> Result<Option<String>, Refused> {
    Ok(with(|memory| memory.secrets.get(name).cloned()))
}

pub(crate) fn reference(name: &str) -> Result<Option<String>, Refused> {
    Ok(secret(name)?.map(|_| format!("reference-to-{name}")))
}

pub(crate) fn get(key: &str) -> Result<Option<Entry>, Refused> {
    Ok(with(|memory| memory.values.get(key).cloned()))
}

pub(crate) fn put(key: &str, value: &[u8], expected: Expected) -> Result<u64, Refused> {
    with(|memory| {
        memory.check(key, expected)?;
        memory.changes += 1;
        let entry = Entry { value: value.to_vec(), version: memory.changes };
        memory.values.insert(key.to_owned(), entry);
        Ok(memory.changes)
    })
}

pub(crate) fn remove(key: &str, expected: Expected) -> Result<(), Refused> {
    with(|memory| {
        memory.check(key, expected)?;
        memory.values.remove(key);
        Ok(())
    })
}

pub(crate) fn keys(prefix: &str, after: Option<&str>, limit: u32) -> Result<Page, Refused> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX).clamp(1, 200);
    with(|memory| {
        let all = memory.values.keys().filter(|key| key.starts_with(prefix));
        let mut rest = all.filter(|key| after.is_none_or(|after| key.as_str() > after));
        let keys = rest.by_ref().take(limit).cloned().collect();
        Ok(Page { keys, more: rest.next().is_some() })
    })
}

pub(crate) fn publish(kind: &str, data: &str, id: Option<&str>) -> Result<String, Refused> {
    with(|memory| {
        memory.published.push((kind.to_owned(), data.to_owned()));
        Ok(id.map_or_else(|| format!("evt-{}", memory.published.len()), str::to_owned))
    })
}

impl Memory {
    fn check(&self, key: &str, expected: Expected) -> Result<(), Refused> {
        let version = self.values.get(key).map(|entry| entry.version);
        let holds = match expected {
            Expected::Anything => true,
            Expected::Absent => version.is_none(),
            Expected::Version(wanted) => version == Some(wanted),
        };
        if holds {
            return Ok(());
        }
        Err(Refused { why: Why::Conflict, message: format!("the key {key:?} is not as expected") })
    }
}
