//! `limit {key, max}` of workflows: who is under way under a key, and who waits, in the order in which they came.
//!
//! In memory. What an execution's place is stands in a document that is written with its own entries, so that a start knows of those that are
//! parked, too. A place is given by an entry, [`Entry::Admitted`]; it is free again when the execution ends, however it ends.

use crate::Error;
use crate::engine::Engine;
use crate::live::Live;
use crate::ports::{DocumentKind, DocumentWrite, ExecutionKey, Expect, Page};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use stepwell_core::execution::{Entry, Execution};
use stepwell_core::ids::{ExecutionId, TenantId};
use stepwell_core::time::Timestamp;

/// Documents are read this many at a time.
const PAGE: usize = 1_000;
/// An execution that cannot be read now gets its place after this many milliseconds.
const PAUSE_MS: u64 = 1_000;

/// What executions count under: their tenant, their workflow, and their key.
type Key = (TenantId, String, String);

/// Who has a place and who waits, for all keys under which anybody does.
#[derive(Default)]
pub struct Places {
    keys: Mutex<BTreeMap<Key, Place>>,
}

#[derive(Default)]
struct Place {
    under_way: BTreeSet<ExecutionId>,
    /// With how many may be under way beside it.
    waiting: BTreeMap<(Timestamp, ExecutionId), u32>,
}

/// What a document says.
#[derive(Serialize, Deserialize)]
struct Stored {
    workflow: String,
    key: String,
    max: u32,
    waiting: bool,
    at: Timestamp,
}

impl Place {
    /// The next one, if there is a place for it.
    fn next(&mut self) -> Option<ExecutionId> {
        let (first, max) = self.waiting.first_key_value()?;
        if self.under_way.len() >= *max as usize {
            return None;
        }
        let first = *first;
        self.waiting.remove(&first);
        self.under_way.insert(first.1);
        Some(first.1)
    }
}

impl Places {
    fn wait(&self, key: &Key, who: (Timestamp, ExecutionId), max: u32) {
        self.with(key, |place| {
            if !place.under_way.contains(&who.1) {
                place.waiting.insert(who, max);
            }
        });
    }

    fn take(&self, key: &Key, who: (Timestamp, ExecutionId)) {
        self.with(key, |place| {
            place.waiting.remove(&who);
            place.under_way.insert(who.1);
        });
    }

    fn leave(&self, key: &Key, who: (Timestamp, ExecutionId)) {
        self.with(key, |place| {
            place.waiting.remove(&who);
            place.under_way.remove(&who.1);
        });
    }

    /// All that may begin now under a key.
    fn next(&self, key: &Key) -> Vec<ExecutionId> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = keys.get_mut(key) else { return Vec::new() };
        std::iter::from_fn(|| place.next()).collect()
    }

    /// A tenant is gone.
    pub fn forget(&self, tenant: TenantId) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, _, _), _| *of != tenant);
    }

    fn all(&self) -> Vec<Key> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    fn with(&self, key: &Key, change: impl FnOnce(&mut Place)) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let place = keys.entry(key.clone()).or_default();
        change(place);
        if place.under_way.is_empty() && place.waiting.is_empty() {
            keys.remove(key);
        }
    }
}

impl Engine {
    /// The execution waits for its place.
    pub(crate) fn await_place(&self, live: &Live) {
        let Some((key, who, max)) = whose(live, &live.execution()) else { return };
        self.inner.places.wait(&key, who, max);
        self.give_places(&key);
    }

    /// The execution has its place.
    pub(crate) fn take_place(&self, live: &Live) {
        let Some((key, who, _)) = whose(live, &live.execution()) else { return };
        self.inner.places.take(&key, who);
    }

    /// The execution is over: the next one begins.
    pub(crate) fn leave_place(&self, live: &Live) {
        let Some((key, who, _)) = whose(live, &live.execution()) else { return };
        self.inner.places.leave(&key, who);
        self.give_places(&key);
    }

    fn give_places(&self, key: &Key) {
        for id in self.inner.places.next(key) {
            let engine = self.clone();
            let execution = ExecutionKey { tenant: key.0, id };
            self.inner.attempts.spawn("place", async move { engine.give_place(execution).await });
        }
    }

    async fn give_place(&self, key: ExecutionKey) {
        loop {
            match self.rouse(key).await {
                Ok(Some(live)) => return self.happened(&live, &Entry::Admitted).await,
                Ok(None) => return, // it ended meanwhile, and its end gave the place on
                Err(Error::Unavailable(_)) if self.accepting().is_ok() => {
                    let clock = &self.inner.ports.clock;
                    clock.sleep_until(clock.now().plus(PAUSE_MS)).await;
                }
                Err(error) => {
                    tracing::error!(execution = %key.id, %error, "an execution keeps its place and cannot begin");
                    return;
                }
            }
        }
    }

    /// Before anything is loaded: who had places, and who waited.
    pub(crate) async fn load_places(&self) -> Result<(), Error> {
        for tenant in self.inner.tenants.all() {
            let (tenant, mut after) = (tenant.number, None);
            loop {
                let page = Page { after: after.take(), limit: PAGE };
                let found = self.inner.ports.store.documents(tenant, DocumentKind::Place, "", page).await?;
                let Some((last, _)) = found.last() else { break };
                after = Some(last.clone());
                for (id, bytes) in found {
                    self.know_place(tenant, &id, &bytes)?;
                }
            }
        }
        Ok(())
    }

    fn know_place(&self, tenant: TenantId, id: &str, bytes: &[u8]) -> Result<(), Error> {
        let broken = |why: &dyn std::fmt::Display| Error::broken("an execution's place cannot be read", why);
        let stored: Stored = serde_json::from_slice(bytes).map_err(|e| broken(&e))?;
        let id: ExecutionId = id.parse().map_err(|_| broken(&id))?;
        let (key, who) = ((tenant, stored.workflow, stored.key), (stored.at, id));
        if stored.waiting {
            self.inner.places.wait(&key, who, stored.max);
        } else {
            self.inner.places.take(&key, who);
        }
        Ok(())
    }

    /// Once everything is loaded: places that became free just before the last process ended.
    pub(crate) fn give_all_places(&self) {
        self.inner.places.all().iter().for_each(|key| self.give_places(key));
    }
}

fn whose(live: &Live, execution: &Execution) -> Option<(Key, (Timestamp, ExecutionId), u32)> {
    let limited = execution.limited.as_ref()?;
    let key = (live.key.tenant, live.workflow.id.clone(), limited.key.clone());
    Some((key, (execution.started_at, live.key.id), limited.max))
}

/// The document of an execution under a limit: how it stands after an entry, or that it is over.
pub(crate) fn row(live: &Live, next: &Execution) -> Option<DocumentWrite> {
    let limited = next.limited.as_ref()?;
    let stored = Stored {
        workflow: live.workflow.id.clone(),
        key: limited.key.clone(),
        max: limited.max,
        waiting: limited.waiting,
        at: next.started_at,
    };
    let value = if next.is_ended() { None } else { Some(Bytes::from(serde_json::to_vec(&stored).ok()?)) };
    Some(DocumentWrite { kind: DocumentKind::Place, key: live.key.id.to_string(), value, expect: Expect::Anything })
}

/// The document of one that is set aside.
pub(crate) fn removal(live: &Live) -> DocumentWrite {
    let key = live.key.id.to_string();
    DocumentWrite { kind: DocumentKind::Place, key, value: None, expect: Expect::Anything }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ExecutionId {
        ExecutionId::from_bytes([n; 16])
    }

    #[test]
    fn places_are_given_in_the_order_of_arrival_and_nothing_is_left_behind() {
        let places = Places::default();
        let key = || (TenantId(1), "w".to_owned(), "k".to_owned());
        for n in [3, 1, 2] {
            places.wait(&key(), (Timestamp(u64::from(n)), id(n)), 2);
        }
        assert_eq!(places.next(&key()), [id(1), id(2)]);
        places.wait(&key(), (Timestamp(1), id(1)), 2);
        assert_eq!(places.next(&key()), [], "who has a place does not wait for another");
        places.leave(&key(), (Timestamp(3), id(3)));
        places.wait(&key(), (Timestamp(4), id(4)), 2);
        places.leave(&key(), (Timestamp(1), id(1)));
        assert_eq!(places.next(&key()), [id(4)]);
        places.take(&key(), (Timestamp(9), id(9)));
        places.leave(&key(), (Timestamp(2), id(2)));
        places.wait(&key(), (Timestamp(10), id(10)), 2);
        assert_eq!(places.next(&key()), [], "a retried one takes its place whether or not there is one");
        for (at, n) in [(4, 4), (9, 9), (10, 10)] {
            places.leave(&key(), (Timestamp(at), id(n)));
        }
        assert!(places.all().is_empty());
    }
}
