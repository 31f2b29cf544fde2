//! The executions that an event starts, under ids that are known beforehand (semantics T12).

use super::matching::REASON_BYTES;
use super::{Begun, NotStarted, Outcomes, Published, keys};
use crate::Error;
use crate::engine::Engine;
use crate::ports::ExecutionKey;
use crate::starting::NewExecution;
use futures_util::StreamExt as _;
use stepwell_core::execution::Trigger;
use stepwell_core::ids::TenantId;
use stepwell_core::payload::Payload;

/// Starts that are under way at one time for one event.
const AT_ONCE: usize = 16;

impl Engine {
    /// Starts these workflows. Starting them again changes nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::QuotaReached`], [`Error::NoRoom`]: not all could be tried.
    pub(super) async fn start_part(
        &self,
        tenant: TenantId,
        event: &Published,
        part: &[(String, usize)],
    ) -> Result<Outcomes, Error> {
        let input = data(event);
        let starts = part.iter().cloned().map(|(workflow, trigger)| {
            let input = input.clone();
            async move {
                let result = self.start_one(tenant, event, (&workflow, input)).await;
                (workflow, trigger, result)
            }
        });
        let results: Vec<_> = futures_util::stream::iter(starts).buffered(AT_ONCE).collect().await;
        let mut outcomes = Outcomes::default();
        for (workflow_id, trigger, result) in results {
            match result {
                Ok(execution_id) => outcomes.started.push(Begun { workflow_id, execution_id }),
                Err(error @ (Error::Unavailable(_) | Error::QuotaReached { .. } | Error::NoRoom { .. })) => {
                    return Err(error);
                }
                Err(error) => {
                    let (code, mut reason) = (error.code(), error.to_string());
                    reason.truncate(reason.floor_char_boundary(REASON_BYTES));
                    outcomes.not_started.push(NotStarted { workflow_id, trigger, code, reason });
                }
            }
        }
        Ok(outcomes)
    }

    async fn start_one(
        &self,
        tenant: TenantId,
        event: &Published,
        (workflow, input): (&str, Payload),
    ) -> Result<String, Error> {
        let most = self.inner.limits.event_hops;
        if event.hops > most {
            let message = format!(
                "{most} events that workflows published led to this one, the most that is allowed (limit `event_hops`); \
                 do workflows start each other in a circle?"
            );
            return Err(Error::Refused { code: "depth_limit", message });
        }
        let id = keys::execution_id(&event.id, event.received, workflow);
        let new = NewExecution {
            workflow: workflow.to_owned(),
            pinned: None,
            input,
            trigger: Trigger::event(&event.id),
            event: Some(event.event.clone()),
            parent: None,
            depth: 0,
            hops: event.hops,
            rerun: None,
        };
        self.start_as(ExecutionKey { tenant, id }, new).await?;
        Ok(id.to_string())
    }
}

/// The input of what an event starts is its data (D8), as it was written.
fn data(event: &Published) -> Payload {
    #[derive(serde::Deserialize)]
    struct Data {
        data: Payload,
    }
    serde_json::from_str(event.event.as_str()).map_or_else(|_| Payload::empty_object(), |event: Data| event.data)
}
