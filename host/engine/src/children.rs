//! Executions that other executions start and wait for (semantics C21).

use crate::Error;
use crate::engine::Engine;
use crate::live::Live;
use crate::ports::ExecutionKey;
use crate::starting::NewExecution;
use std::sync::Arc;
use stepwell_core::execution::{ChildStart, Entry, Parent, Reported, RunIx, Trigger, child_start};
use stepwell_core::failure::{Failure, code};

/// A child that cannot be started now is started after this many milliseconds.
const START_PAUSE_MS: u64 = 1_000;

impl Engine {
    /// Starts the execution that this run waits for. Its id is known: starting it again changes nothing.
    pub(crate) fn start_child(&self, live: &Arc<Live>, run: RunIx) {
        let (engine, live) = (self.clone(), Arc::clone(live));
        self.inner.attempts.spawn("child", async move {
            while let Some((parent, start)) = child_start(&live.execution(), &live.workflow, run) {
                let refused = match start {
                    Err(failure) => failure,
                    Ok(start) => match engine.start_as_child(&live, &parent, start).await {
                        Ok(()) => return,
                        Err(
                            Error::Unavailable(_)
                            | Error::LimitReached { .. }
                            | Error::QuotaReached { .. }
                            | Error::NoRoom { .. },
                        ) => {
                            if engine.accepting().is_err() {
                                return; // the next start of the server goes on
                            }
                            let clock = &engine.inner.ports.clock;
                            clock.sleep_until(clock.now().plus(START_PAUSE_MS)).await;
                            continue;
                        }
                        Err(error) => refusal(&error),
                    },
                };
                let outcome = Reported::Failed { failure: refused, chance: engine.chance() };
                let entry = Entry::ChildEnded { run, attempt: parent.attempt, outcome };
                return engine.happened(&live, &entry).await;
            }
        });
    }

    async fn start_as_child(&self, live: &Arc<Live>, parent: &Parent, start: ChildStart) -> Result<(), Error> {
        let key = ExecutionKey { tenant: live.key.tenant, id: start.child };
        let above = live.execution().started.as_ref().map(|started| started.trigger.clone());
        let trace = above.as_ref().and_then(|above| above.traceparent.as_ref());
        let trigger = Trigger {
            kind: "workflow".to_owned(),
            execution_id: Some(live.key.id.to_string()),
            traceparent: trace.map(|trace| trace.below(&start.child.to_string())),
            ..Trigger::api(above.and_then(|above| above.by))
        };
        let new = NewExecution {
            workflow: start.workflow,
            pinned: None,
            input: start.input,
            trigger,
            event: None,
            parent: Some(start.parent),
            depth: start.depth,
            hops: live.execution().started.as_ref().map_or(0, |started| started.hops),
            rerun: None,
        };
        self.start_as(key, new).await?;
        // The parent may have stopped waiting while the child was on its way.
        let waits = child_start(&live.execution(), &live.workflow, parent.run);
        if waits.is_none_or(|(now, _)| now.attempt != parent.attempt) {
            self.cancel_orphan(key, live.key.id).await?;
        }
        Ok(())
    }

    /// Nobody waits for this child any more.
    pub(crate) async fn cancel_orphan(
        &self,
        child: ExecutionKey,
        parent: stepwell_core::ids::ExecutionId,
    ) -> Result<(), Error> {
        let Some(live) = self.rouse(child).await? else { return Ok(()) };
        let reason = Some(format!("the execution {parent} no longer waits for it"));
        self.heard(&live, &Entry::Cancelled { by: None, reason }).await
    }
}

/// Why a child could not be started, as the failure of its step.
fn refusal(error: &Error) -> Failure {
    let code = match error {
        Error::NotFound { .. } => code::WORKFLOW_NOT_FOUND,
        Error::MissingFunctions(_) => code::MISSING_FUNCTIONS,
        Error::TooLarge { .. } => code::OUTPUT_LIMIT,
        Error::InvalidInput(_) => "invalid_input",
        Error::Refused { code, .. } | Error::Conflict { code, .. } => code,
        other => return Failure::host(format!("the child execution cannot be started: {other}")),
    };
    Failure::guest(code, format!("the child execution cannot be started: {error}"))
}
