//! Steps that wait for an event get it (semantics C21).
//!
//! Who waits is found in the store by type, and by the few patterns. A step gets an event that was received no earlier than it began to
//! wait; what follows from an event is always later than the event itself, so that a step never gets the same event again, not even when
//! a delivery is repeated after a crash.

use super::keys::{self, AFTER_END, PATTERNS, candidates_of, pattern_of};
use super::matching::REASON_BYTES;
use super::{Effect, Published};
use crate::Error;
use crate::drive::Untold;
use crate::engine::Engine;
use crate::live::Live;
use crate::ports::{DocumentKind, DocumentWrite, Expect, Page, Transition};
use bytes::Bytes;
use std::sync::Arc;
use stepwell_core::definition::type_matches;
use stepwell_core::execution::{Entry, EventWait, Execution, RunIx, Wait, event_matches};
use stepwell_core::ids::TenantId;

/// Steps that are read from the store at one time.
const PAGE: usize = 200;
/// A step that also takes events from before it began to wait sees at most so many of them: the latest.
const LOOK_BACK: usize = 1_000;

impl Engine {
    /// To every step that waits for it.
    pub(super) async fn deliver(&self, tenant: TenantId, event: &Published) -> Result<(), Error> {
        self.deliver_to(tenant, event, &candidates_of(&event.kind)).await?;
        // From one pattern to the next, whoever waits for it.
        let mut after = None;
        loop {
            let page = Page { after: after.take(), limit: 1 };
            let store = &self.inner.ports.store;
            let next = store.documents(tenant, DocumentKind::EventWait, &PATTERNS.to_string(), page).await?;
            let Some(pattern) = next.first().and_then(|(key, _)| pattern_of(key)) else { return Ok(()) };
            if type_matches(pattern, &event.kind) {
                self.deliver_to(tenant, event, &candidates_of(pattern)).await?;
            }
            after = Some(format!("{PATTERNS}{pattern}{AFTER_END}"));
        }
    }

    async fn deliver_to(&self, tenant: TenantId, event: &Published, prefix: &str) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = Page { after: after.take(), limit: PAGE };
            let found = self.inner.ports.store.documents(tenant, DocumentKind::EventWait, prefix, page).await?;
            let Some((last, _)) = found.last() else { return Ok(()) };
            after = Some(last.clone());
            for (key, _) in &found {
                let Some((execution, run)) = keys::candidate(tenant, key) else { continue };
                let Some(live) = self.rouse(execution).await? else { continue };
                self.offer(&live, run, event).await?;
                tokio::task::yield_now().await;
            }
        }
    }

    /// Whether this step run took the event.
    async fn offer(&self, live: &Arc<Live>, run: RunIx, event: &Published) -> Result<bool, Error> {
        let execution = live.execution();
        if waits(live, run).is_none_or(|wait| wait.since > event.received) {
            return Ok(false);
        }
        match event_matches(&execution, &live.workflow, run, &event.event) {
            Ok(false) => Ok(false),
            Ok(true) => match self.tell(live, &Entry::EventReceived { run, event: event.event.clone() }).await {
                Ok(()) => Ok(true),
                Err(Untold::Ignored(_)) => Ok(false),
                Err(Untold::Lost) => self.accepting().map(|()| false),
            },
            Err(error) => {
                let mut reason = format!("the step's `match` could not be evaluated: {error}");
                reason.truncate(reason.floor_char_boundary(REASON_BYTES));
                let write = effect_row(live, &execution, run, &event.id, Some(reason));
                let documents = write.into_iter().collect();
                let transition = Transition { tenant: live.key.tenant, execution: None, documents };
                self.inner.committer.commit(transition).await?;
                Ok(false)
            }
        }
    }

    /// A step began to wait that also takes earlier events: the first of them that matches. In the background.
    pub(crate) fn look_back(&self, live: &Arc<Live>, run: RunIx) {
        let began = live.execution().run(run).map(|run| run.started_at);
        let Some(wait) = waits(live, run).filter(|wait| Some(wait.since) < began) else { return };
        let (engine, live) = (self.clone(), Arc::clone(live));
        self.inner.attempts.spawn("look back", async move {
            if let Err(error) = engine.try_look_back(&live, run, &wait).await {
                tracing::error!(execution = %live.key.id, %error, "earlier events could not be looked up");
            }
        });
    }

    async fn try_look_back(&self, live: &Arc<Live>, run: RunIx, wait: &EventWait) -> Result<(), Error> {
        let tenant = live.key.tenant;
        let mut found = std::collections::BTreeMap::new();
        for pattern in &wait.types {
            for place in self.places_since(tenant, pattern, wait.since, LOOK_BACK).await? {
                found.insert(keys::received(&place), keys::id_at(&place).to_owned());
            }
        }
        for id in found.into_values() {
            let Some(event) = self.kept(tenant, &id).await? else { continue };
            if self.offer(live, run, &event).await? {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// What a run waits for, if it waits for an event.
fn waits(live: &Live, run: RunIx) -> Option<EventWait> {
    let execution = live.execution();
    match execution.run(run)?.wait.as_deref() {
        Some(Wait::Event(wait)) => Some(wait.clone()),
        _ => None,
    }
}

/// What an event was for a step: it got it, or why not.
pub(crate) fn effect_row(
    live: &Live,
    execution: &Execution,
    run: RunIx,
    event: &str,
    reason: Option<String>,
) -> Option<DocumentWrite> {
    let step = execution.run(run).map(|run| live.workflow.step_id(run.step).to_owned())?;
    let effect = Effect { execution_id: live.key.id.to_string(), step, reason };
    let value = serde_json::to_vec(&effect).map(Bytes::from).ok()?;
    let (kind, key) = (DocumentKind::EventEffect, keys::effect_key(event, live.key.id, run));
    Some(DocumentWrite { kind, key, value: Some(value), expect: Expect::Anything })
}
