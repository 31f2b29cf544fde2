//! The schedules of a workflow follow its definition, in the same commit.

use super::{Registry, read};
use crate::Error;
use crate::ports::{DocumentKind, DocumentWrite, Expect, Page};
use crate::schedules::{ScheduleKey, Stored, of_workflow, schedule_id};
use std::collections::BTreeMap;
use stepwell_core::definition::Workflow;
use stepwell_core::ids::TenantId;

/// More than a workflow may have triggers.
const SCHEDULES: usize = 1_000;

/// What a change of a definition does to its schedules.
pub(super) struct ScheduleRows {
    /// To write with it.
    pub documents: Vec<DocumentWrite>,
    /// To be looked at afterwards.
    pub keys: Vec<ScheduleKey>,
}

impl Registry {
    /// The schedules of a workflow as it will be.
    pub(super) async fn schedule_rows(&self, tenant: TenantId, workflow: &Workflow) -> Result<ScheduleRows, Error> {
        let (mut before, now) = (self.schedules_of(tenant, &workflow.id).await?, self.clock.now());
        let mut rows = ScheduleRows { documents: Vec::new(), keys: Vec::new() };
        for trigger in &workflow.triggers.schedules {
            let id = schedule_id(&workflow.id, &trigger.id);
            let known = before.remove(&id);
            let stored = known.as_ref().map(|bytes| read::<Stored>(bytes)).transpose()?;
            let next = Stored::of(workflow, trigger, stored.as_ref(), now);
            if stored.as_ref() != Some(&next) {
                let expect = known.map_or(Expect::Absent, Expect::Value);
                rows.documents.push(super::write(DocumentKind::Schedule, id.clone(), &next, expect)?);
                rows.keys.push((tenant, id));
            }
        }
        rows.take_away(tenant, before.into_keys());
        Ok(rows)
    }

    /// The schedules of a workflow that is deleted.
    pub(super) async fn no_schedules(&self, tenant: TenantId, workflow: &str) -> Result<ScheduleRows, Error> {
        let mut rows = ScheduleRows { documents: Vec::new(), keys: Vec::new() };
        rows.take_away(tenant, self.schedules_of(tenant, workflow).await?.into_keys());
        Ok(rows)
    }

    async fn schedules_of(&self, tenant: TenantId, workflow: &str) -> Result<BTreeMap<String, bytes::Bytes>, Error> {
        let page = Page { after: None, limit: SCHEDULES };
        let found = self.store.documents(tenant, DocumentKind::Schedule, &of_workflow(workflow), page).await?;
        Ok(found.into_iter().collect())
    }
}

impl ScheduleRows {
    fn take_away(&mut self, tenant: TenantId, ids: impl Iterator<Item = String>) {
        for id in ids {
            self.documents.push(super::removal(DocumentKind::Schedule, id.clone(), Expect::Anything));
            self.keys.push((tenant, id));
        }
    }
}
