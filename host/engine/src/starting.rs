//! Starts whose id is known beforehand: children, reruns, and what events start. Starting again changes nothing (semantics T12).

use crate::Error;
use crate::admitting::Door;
use crate::engine::Engine;
use crate::ports::{CommitError, ExecutionKey};
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwell_core::execution::{Parent, Pin, Rerun, Started, Trigger};
use stepwell_core::payload::Payload;

/// What is to be started.
#[derive(Debug, Clone)]
pub(crate) struct NewExecution {
    /// Which workflow.
    pub workflow: String,
    /// `None`: the current revision, with the functions as they are now.
    pub pinned: Option<(u32, BTreeMap<String, Pin>)>,
    /// The workflow's input.
    pub input: Payload,
    /// What starts it.
    pub trigger: Trigger,
    /// The business event, if one does.
    pub event: Option<Payload>,
    /// The step that waits for its end.
    pub parent: Option<Parent>,
    /// How many executions are above it.
    pub depth: u32,
    /// How many events that workflows published led to it.
    pub hops: u32,
    /// What it takes over from an earlier execution.
    pub rerun: Option<Rerun>,
}

impl Engine {
    /// Starts an execution under this id, unless there is one already. On return it is durable.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::MissingFunctions`], [`Error::InvalidInput`], [`Error::Refused`], [`Error::TooLarge`],
    /// [`Error::QuotaReached`], [`Error::Unavailable`].
    pub(crate) async fn start_as(&self, key: ExecutionKey, new: NewExecution) -> Result<(), Error> {
        self.accepting()?;
        self.check_size(key.tenant, &new.input)?;
        if self.inner.ports.store.record(key).await?.is_some() {
            return Ok(());
        }
        let (stored, pins) = match new.pinned {
            Some((revision, pins)) => {
                (self.inner.registry.revision(key.tenant, &new.workflow, revision).await?, Some(pins))
            }
            None => (self.inner.registry.workflow(key.tenant, &new.workflow).await?, None),
        };
        let workflow = Arc::clone(&stored.workflow);
        if !workflow.enabled {
            let message = format!("the workflow {:?} is disabled; set `enabled` to start it", workflow.id);
            return Err(Error::Refused { code: "workflow_disabled", message });
        }
        let pins = match pins {
            Some(pins) => pins,
            None => self.pins(key.tenant, &workflow).await?,
        };
        let door = Door::of(&new.trigger.kind);
        let by_api = new.trigger.kind == "api";
        self.inner.registry.check_input(key.tenant, (&stored, by_api), &new.input).await?;
        let started = Started {
            tenant: key.tenant,
            workflow: workflow.id.clone(),
            revision: workflow.revision,
            trigger: new.trigger,
            input: new.input,
            event: new.event,
            pins,
            limits: self.limits_of(key.tenant).execution,
            parent: new.parent,
            depth: new.depth,
            hops: new.hops,
            rerun: new.rerun,
        };
        let seat = self.admit(key.tenant, door)?;
        match self.begin(key, workflow, started, (None, seat)).await {
            Ok(_) | Err(CommitError::Conflict { .. }) => Ok(()), // the same start, at the same time
            Err(other) => Err(other.into()),
        }
    }
}
