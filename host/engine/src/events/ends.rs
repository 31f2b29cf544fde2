//! The ends of executions as events (semantics H7): only where something is interested in them, since most often nothing is, and every end
//! passes here.

use super::OwnEvent;
use super::keys::{AFTER_END, PATTERNS, candidates_of, pattern_of};
use crate::Error;
use crate::engine::Engine;
use crate::live::Live;
use crate::ports::{DocumentKind, DocumentWrite, Page};
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use stepwell_core::definition::type_matches;
use stepwell_core::execution::{Command, Execution, Phase, Wait};
use stepwell_core::ids::TenantId;
use stepwell_core::payload::Payload;

const COMPLETED: &str = "stepwell.execution.completed";
const FAILED: &str = "stepwell.execution.failed";

/// Whether steps wait for the ends of executions. A tenant that is not in it is not known yet.
#[derive(Default)]
pub(super) struct WaitedFor(Mutex<HashMap<TenantId, bool>>);

impl WaitedFor {
    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_end(pattern: &str) -> bool {
    type_matches(pattern, COMPLETED) || type_matches(pattern, FAILED)
}

impl Engine {
    /// Whether anything could be interested in events of this type, one of the two.
    pub(super) fn wants_end(&self, tenant: TenantId, kind: &str) -> bool {
        let waited_for = self.inner.events.waited_for.lock().get(&tenant).copied();
        waited_for != Some(false) || self.inner.registry.is_trigger(tenant, kind) != Some(false)
    }

    /// Whether a type is one of the two.
    pub(super) fn is_end(kind: &str) -> bool {
        kind == COMPLETED || kind == FAILED
    }

    /// The event that tells of an end, as a document to write with it.
    pub(crate) fn end_row(&self, tenant: TenantId, next: &Execution) -> Option<DocumentWrite> {
        let kind = match next.phase {
            Phase::Completed(_) => COMPLETED,
            Phase::Failed(_) => FAILED,
            Phase::Blank | Phase::Running => return None,
        };
        if !self.wants_end(tenant, kind) {
            return None;
        }
        let started = next.started.as_ref()?;
        let mut data = json!({
            "executionId": next.id.to_string(),
            "workflowId": started.workflow,
            "trigger": started.trigger,
            "startedAt": next.started_at.rfc3339(),
            "endedAt": next.ended_at.map(stepwell_core::time::Timestamp::rfc3339),
        });
        if let Phase::Failed(error) = &next.phase {
            // Without the guest's details, which may be as large as a payload.
            data["error"] = json!(error.sentence());
            data["errorDetails"] = json!({"code": error.code, "step": error.step, "retryable": error.retryable});
        }
        let hops = started.hops.saturating_add(1);
        let event = OwnEvent { id: end_id(next), kind: kind.to_owned(), data: Payload::from_value(&data), hops };
        event.row()
    }

    /// The end is durable: it is told.
    pub(crate) fn publish_end(&self, live: &Live) {
        let execution = live.execution();
        let kind = if matches!(execution.phase, Phase::Completed(_)) { COMPLETED } else { FAILED };
        if self.wants_end(live.key.tenant, kind) {
            self.publish_own(live.key.tenant, end_id(&execution));
        }
    }

    /// Before the commit with which a step begins to wait: if it waits for ends, all ends are told from then on.
    pub(crate) fn expect_ends(&self, tenant: TenantId, next: &Execution, commands: &[Command]) {
        for command in commands {
            let Command::Subscribe { run } = command else { continue };
            if let Some(Wait::Event(wait)) = next.run(*run).and_then(|run| run.wait.as_deref())
                && wait.types.iter().any(|pattern| is_end(pattern))
            {
                self.inner.events.waited_for.lock().insert(tenant, true);
            }
        }
    }

    /// After a start: whether steps wait for ends, and triggers want them.
    pub(crate) async fn learn_of_ends(&self, tenant: TenantId) -> Result<(), Error> {
        let (store, table) = (&self.inner.ports.store, DocumentKind::EventWait);
        self.inner.registry.triggered(tenant, COMPLETED).await?;
        let first = |prefix: String, after| async move {
            let found = store.documents(tenant, table, &prefix, Page { after, limit: 1 }).await?;
            Ok::<_, Error>(found.into_iter().next().map(|(key, _)| key))
        };
        let mut waited_for =
            first(candidates_of(COMPLETED), None).await?.or(first(candidates_of(FAILED), None).await?).is_some();
        let mut after = None;
        while let Some(key) = first(PATTERNS.to_string(), after.take()).await? {
            let Some(pattern) = pattern_of(&key) else { break };
            waited_for |= is_end(pattern);
            after = Some(format!("{PATTERNS}{pattern}{AFTER_END}"));
        }
        // A step may have begun to wait meanwhile.
        *self.inner.events.waited_for.lock().entry(tenant).or_default() |= waited_for;
        Ok(())
    }
}

/// An execution that is retried ends again, some lines later.
fn end_id(execution: &Execution) -> String {
    format!("{}.{}", execution.id, execution.lines)
}
