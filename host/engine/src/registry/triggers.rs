//! Which workflows have a trigger for a type of events: looked up, not searched for. It follows the definitions, change by change.

use super::Registry;
use crate::ports::{DocumentKind, Page};
use crate::{Error, sound};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stepwell_core::definition::{Workflow, type_matches};
use stepwell_core::ids::TenantId;

/// Definitions are read this many at a time.
const PAGE: usize = 100;
/// How often the reading of all definitions is begun again because one changed meanwhile.
const TRIES: u32 = 8;

/// Of all tenants.
#[derive(Default)]
pub(super) struct Triggers(Mutex<HashMap<TenantId, Tenant>>);

/// Of one tenant.
#[derive(Default)]
struct Tenant {
    /// Counts the changes: what was read before a change is not kept after it.
    changes: u64,
    /// `None` until an event comes.
    known: Option<Known>,
}

#[derive(Default)]
struct Known {
    /// Those with event triggers.
    workflows: BTreeMap<String, Arc<Workflow>>,
    /// Type or pattern -> their ids.
    exact: BTreeMap<String, BTreeSet<String>>,
    patterns: BTreeMap<String, BTreeSet<String>>,
}

impl Triggers {
    /// This is the workflow now.
    pub fn put(&self, tenant: TenantId, workflow: &Arc<Workflow>) {
        let mut all = self.lock();
        let tenant = all.entry(tenant).or_default();
        tenant.changes += 1;
        if let Some(known) = &mut tenant.known {
            known.put(workflow);
        }
    }

    /// It is deleted.
    pub fn remove(&self, tenant: TenantId, id: &str) {
        let mut all = self.lock();
        let tenant = all.entry(tenant).or_default();
        tenant.changes += 1;
        if let Some(known) = &mut tenant.known {
            known.remove(id);
        }
    }

    /// The workflows, or how many changes there have been if they are not known.
    fn find(&self, tenant: TenantId, kind: &str) -> Result<Vec<Arc<Workflow>>, u64> {
        let mut all = self.lock();
        let tenant = all.entry(tenant).or_default();
        tenant.known.as_ref().map(|known| known.find(kind)).ok_or(tenant.changes)
    }

    /// Whether any workflow has a trigger for this type; `None`: not known yet.
    fn has(&self, tenant: TenantId, kind: &str) -> Option<bool> {
        let all = self.lock();
        all.get(&tenant)?.known.as_ref().map(|known| known.has(kind))
    }

    fn keep(&self, tenant: TenantId, known: Known, changes: u64) {
        let mut all = self.lock();
        let tenant = all.entry(tenant).or_default();
        if tenant.changes == changes && tenant.known.is_none() {
            tenant.known = Some(known);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Tenant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn put(&mut self, workflow: &Arc<Workflow>) {
        self.remove(&workflow.id);
        for pattern in workflow.triggers.events.iter().flat_map(|trigger| &trigger.types) {
            let ids = if pattern.contains('*') { &mut self.patterns } else { &mut self.exact };
            ids.entry(pattern.clone()).or_default().insert(workflow.id.clone());
        }
        if !workflow.triggers.events.is_empty() {
            self.workflows.insert(workflow.id.clone(), Arc::clone(workflow));
        }
    }

    fn remove(&mut self, id: &str) {
        let Some(old) = self.workflows.remove(id) else { return };
        for pattern in old.triggers.events.iter().flat_map(|trigger| &trigger.types) {
            let all = if pattern.contains('*') { &mut self.patterns } else { &mut self.exact };
            if let Some(ids) = all.get_mut(pattern) {
                ids.remove(id);
                if ids.is_empty() {
                    all.remove(pattern);
                }
            }
        }
    }

    fn has(&self, kind: &str) -> bool {
        self.exact.contains_key(kind) || self.patterns.keys().any(|pattern| type_matches(pattern, kind))
    }

    fn find(&self, kind: &str) -> Vec<Arc<Workflow>> {
        let patterns = self.patterns.iter().filter(|(pattern, _)| type_matches(pattern, kind)).map(|(_, ids)| ids);
        let ids: BTreeSet<&String> = self.exact.get(kind).into_iter().chain(patterns).flatten().collect();
        ids.into_iter().filter_map(|id| self.workflows.get(id).cloned()).collect()
    }
}

impl Registry {
    /// The workflows that have an event trigger for this type, in the order of their ids.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn triggered(&self, tenant: TenantId, kind: &str) -> Result<Vec<Arc<Workflow>>, Error> {
        for _ in 0..TRIES {
            let changes = match self.triggers.find(tenant, kind) {
                Ok(found) => return Ok(found),
                Err(changes) => changes,
            };
            let known = self.read_triggers(tenant).await?;
            self.triggers.keep(tenant, known, changes);
        }
        Ok(self.read_triggers(tenant).await?.find(kind))
    }

    /// Whether any workflow has an event trigger for this type; `None`: not known yet.
    pub(crate) fn is_trigger(&self, tenant: TenantId, kind: &str) -> Option<bool> {
        self.triggers.has(tenant, kind)
    }

    async fn read_triggers(&self, tenant: TenantId) -> Result<Known, Error> {
        let (mut known, mut after) = (Known::default(), None);
        loop {
            let page = Page { after: after.take(), limit: PAGE };
            let found = sound::listed(&*self.store, (tenant, DocumentKind::Workflow), "", page).await?;
            let Some((last, _)) = found.last() else { return Ok(known) };
            after = Some(last.clone());
            for (id, _) in &found {
                match self.workflow(tenant, id).await {
                    Ok(stored) => known.put(&stored.workflow),
                    // Deleted since, or damaged, which the log says: the others go on.
                    Err(Error::NotFound { .. } | Error::Broken) => {}
                    Err(other) => return Err(other),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn workflow(id: &str, types: &[&str]) -> Arc<Workflow> {
        let steps = json!([{"id": "a", "type": "condition", "condition": "true"}]);
        let triggers: Vec<_> =
            types.iter().map(|kind| json!({"type": "event", "config": {"eventType": kind}})).collect();
        let definition = json!({"id": id, "steps": steps, "triggers": triggers});
        let checked = stepwell_core::definition::check(id, 1, &definition).expect("fine");
        Arc::new(checked.workflow)
    }

    #[test]
    fn the_index_follows_the_definitions() {
        let (triggers, tenant) = (Triggers::default(), TenantId::DEFAULT);
        let ids = |kind: &str| {
            let found = triggers.find(tenant, kind).expect("known");
            found.iter().map(|workflow| workflow.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(triggers.find(tenant, "a.b").err(), Some(0));
        triggers.put(tenant, &workflow("w", &["a.b"]));
        triggers.keep(tenant, Known::default(), 0);
        assert_eq!(triggers.find(tenant, "a.b").err(), Some(1), "what was read before a change is not kept");
        triggers.keep(tenant, Known::default(), 1);
        assert_eq!(ids("a.b"), [""; 0]);
        triggers.put(tenant, &workflow("w", &["a.b", "a.*", "c"]));
        triggers.put(tenant, &workflow("v", &["**"]));
        triggers.put(tenant, &workflow("u", &[]));
        assert_eq!((ids("a.b"), ids("a.c"), ids("c")), (vec!["v".into(), "w".into()], ids("a.b"), ids("a.b")));
        assert_eq!(ids("d"), ["v"]);
        triggers.put(tenant, &workflow("w", &["d"]));
        triggers.remove(tenant, "v");
        assert_eq!((ids("a.b").len(), ids("d")), (0, vec!["w".to_owned()]));
        triggers.remove(tenant, "w");
        let all = triggers.lock();
        let known = all.get(&tenant).and_then(|tenant| tenant.known.as_ref()).expect("known");
        assert!(known.workflows.is_empty() && known.exact.is_empty() && known.patterns.is_empty());
    }
}
