//! What people do to executions: cancel, pause, resume, retry, rerun. Each is an entry of the journal, with who did it.

use crate::Error;
use crate::admitting::Door;
use crate::drive::{Untold, not_found};
use crate::engine::Engine;
use crate::live::Live;
use crate::ports::{ExecutionKey, RecordStatus};
use crate::starting::NewExecution;
use std::sync::Arc;
use stepwell_core::definition::Workflow;
use stepwell_core::execution::{Entry, Execution, Rerun, Stale, Started, Trigger, kept_for};
use stepwell_core::ids::{ExecutionId, TenantId};
use stepwell_core::payload::Payload;

/// Longest reason of a cancel, bytes: it stands in the execution's error.
const REASON_BYTES: usize = 1_024;

/// What somebody does to an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// Stop it for good.
    Cancel {
        /// Why, in their words.
        reason: Option<String>,
    },
    /// Stop it for a while: what runs goes on to its end, nothing new begins.
    Pause,
    /// Let it go on.
    Resume,
    /// Try the failed steps of a failed execution again; what is finished stays.
    Retry,
}

/// A rerun: a new execution of the same workflow.
#[derive(Debug, Clone, Default)]
pub struct RerunRequest {
    /// The step that it goes on from; everything before is taken over. `None`: from the start.
    pub from_step: Option<String>,
    /// Another input of the workflow.
    pub input: Option<Payload>,
    /// The workflow and its functions as they are now, instead of as they were.
    pub latest: bool,
    /// Who.
    pub by: Option<String>,
}

impl Engine {
    /// Does it, durably.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if the execution is not in a state for it: `execution_ended`, `not_failed`.
    pub async fn control(&self, tenant: TenantId, id: &str, control: Control, by: Option<String>) -> Result<(), Error> {
        self.accepting()?;
        let key = self.key(tenant, id)?;
        let entry = match control {
            Control::Cancel { reason } => {
                if reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES) {
                    let message = format!("`reason` has at most {REASON_BYTES} bytes");
                    return Err(Error::WrongShape { field: "reason", message });
                }
                Entry::Cancelled { by, reason }
            }
            Control::Pause => Entry::Paused { by },
            Control::Resume => Entry::Resumed { by },
            Control::Retry => return self.retry(key, by).await,
        };
        match self.rouse(key).await? {
            Some(live) => self.told(&live, &entry).await,
            None => {
                self.stored_record(key).await?; // or it is not there at all
                Err(refused(id, Stale::ExecutionEnded))
            }
        }
    }

    async fn told(&self, live: &Arc<Live>, entry: &Entry) -> Result<(), Error> {
        match self.tell(live, entry).await {
            // It is paused, or goes on, as it was asked for.
            Ok(()) | Err(Untold::Ignored(Stale::NoChange)) => Ok(()),
            Err(Untold::Ignored(stale)) => Err(refused(&live.key.id.to_string(), stale)),
            Err(Untold::Lost) => Err(Error::Unavailable("the execution cannot be changed".to_owned())),
        }
    }

    async fn retry(&self, key: ExecutionKey, by: Option<String>) -> Result<(), Error> {
        let id = key.id.to_string();
        let _one = self.inner.rousing.one_at_a_time(key).await;
        let record = self.stored_record(key).await?;
        match record.status {
            RecordStatus::Failed => {}
            RecordStatus::Completed | RecordStatus::Unfinished | RecordStatus::Parked => {
                return Err(refused(&id, Stale::NotFailed));
            }
            RecordStatus::Quarantined => return Err(Error::broken("a quarantined execution was to be retried", &id)),
        }
        let live = self.load(key, self.lease(key)?, Some(&record)).await?;
        if !live.execution().is_ended() {
            return Err(refused(&id, Stale::NotFailed));
        }
        let seat = self.admit(key.tenant, Door::Child)?;
        // What the entry asks for is carried out at once, and finds the execution in the table.
        let waiting = self.inner.live.insert_new(&live);
        if !waiting {
            return Err(refused(&id, Stale::NotFailed));
        }
        let told = self.told(&live, &Entry::Retried { by }).await;
        if told.is_ok() {
            seat.reopen();
        }
        if told.is_err() || live.execution().is_ended() {
            self.inner.live.remove(key);
        }
        told
    }

    /// Starts a new execution that takes over what an earlier one came to before a step; gives its id.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] `unknown_step` or `step_not_reached`; as for starts.
    pub async fn rerun(&self, tenant: TenantId, id: &str, request: RerunRequest) -> Result<ExecutionId, Error> {
        self.accepting()?;
        let key = self.key(tenant, id)?;
        let (execution, workflow) = self.whole(key).await?;
        let started = execution.started.clone().ok_or(Error::Broken)?;
        let new = self.rerun_of(&execution, &workflow, &started, request).await?;
        let new_key = ExecutionKey { tenant, id: self.new_id() };
        self.start_as(new_key, new).await?;
        Ok(new_key.id)
    }

    async fn rerun_of(
        &self,
        execution: &Execution,
        workflow: &Workflow,
        started: &Started,
        request: RerunRequest,
    ) -> Result<NewExecution, Error> {
        let from = match &request.from_step {
            None => None,
            Some(step) => Some(workflow.find(step).ok_or_else(|| unknown_step(step))?),
        };
        let kept = kept_for(execution, workflow, from)
            .map_err(|error| Error::Refused { code: "step_not_reached", message: error.to_string() })?;
        let pinned = if request.latest {
            let now = self.inner.registry.workflow(started.tenant, &started.workflow).await?;
            if let Some(step) = request.from_step.as_ref().filter(|step| now.workflow.find(step).is_none()) {
                return Err(unknown_step(step));
            }
            None
        } else {
            Some((started.revision, started.pins.clone()))
        };
        Ok(NewExecution {
            workflow: started.workflow.clone(),
            pinned,
            input: request.input.unwrap_or_else(|| started.input.clone()),
            trigger: Trigger {
                kind: "rerun".to_owned(),
                by: request.by,
                event_id: started.trigger.event_id.clone(),
                scheduled_at: started.trigger.scheduled_at.clone(),
                execution_id: Some(execution.id.to_string()),
                traceparent: started.trigger.traceparent.clone(),
            },
            event: started.event.clone(),
            parent: None,
            depth: started.depth,
            hops: started.hops,
            rerun: Some(Rerun { of: execution.id, from: request.from_step, kept }),
        })
    }

    /// An execution with all that its steps came to, live or ended.
    async fn whole(&self, key: ExecutionKey) -> Result<(Arc<Execution>, Arc<Workflow>), Error> {
        if let Some(live) = self.rouse(key).await? {
            return Ok((live.execution(), Arc::clone(&live.workflow)));
        }
        let record = self.stored_record(key).await?;
        let live = self.load(key, self.lease(key)?, Some(&record)).await?;
        Ok((live.execution(), Arc::clone(&live.workflow)))
    }

    /// Evenly spread over all of `u32`: the jitter of a pause, if there will be one.
    pub(crate) fn chance(&self) -> u32 {
        let mut chance = [0; 4];
        self.inner.ports.entropy.fill(&mut chance);
        u32::from_be_bytes(chance)
    }
}

fn unknown_step(step: &str) -> Error {
    let shown: String = step.chars().take(80).collect();
    Error::Refused { code: "unknown_step", message: format!("the workflow has no step {shown:?}") }
}

fn refused(id: &str, stale: Stale) -> Error {
    match stale {
        Stale::ExecutionEnded => Error::Conflict {
            code: "execution_ended",
            message: format!("the execution {id} has ended; rerun it to start it again"),
        },
        Stale::WasCancelled => Error::Conflict {
            code: "not_failed",
            message: format!("the execution {id} was cancelled and is not tried again; rerun it instead"),
        },
        Stale::NotFailed => Error::Conflict {
            code: "not_failed",
            message: format!("the execution {id} has not failed: there is nothing to try again"),
        },
        Stale::RunEnded
        | Stale::AttemptLost
        | Stale::TooEarly
        | Stale::AlreadyAnswered
        | Stale::MayNotAnswer
        | Stale::NoChange => not_found(id),
    }
}
