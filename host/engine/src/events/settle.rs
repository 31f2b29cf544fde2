//! What follows from an event: starts and deliveries, until its mark can be taken away.

use super::{EventTurn, Matches, Outcomes, Published, keys};
use crate::Error;
use crate::engine::Engine;
use crate::ports::{DocumentKind, DocumentWrite, Expect, Page, Transition};
use bytes::Bytes;
use std::sync::Arc;
use stepwell_core::ids::TenantId;

/// Starts whose outcomes are written together.
const PART: usize = 100;
/// Events that are read at one time when the server starts.
const PAGE: usize = 100;
/// When the store cannot do it now, it is asked again after this many milliseconds.
const PAUSE_MS: u64 = 1_000;
/// Where a quota is used up, it is looked at again after this many milliseconds at the latest: somebody may raise it.
const QUOTA_PAUSE_MS: u64 = 10_000;

impl Engine {
    /// Sees to what follows from an event, in the background.
    pub(super) fn follow(
        &self,
        tenant: TenantId,
        event: Arc<Published>,
        matches: Arc<Matches>,
        turn: Option<EventTurn>,
    ) {
        let engine = self.clone();
        self.inner.attempts.spawn("event", async move {
            engine.settle_until_done(tenant, (&event, &matches), turn).await;
        });
    }

    async fn settle_until_done(
        &self,
        tenant: TenantId,
        (event, matches): (&Published, &Matches),
        mut turn: Option<EventTurn>,
    ) {
        let mut waits = None;
        let clock = &self.inner.ports.clock;
        // Whatever follows is later than the event, by the clock too: what begins to wait now does not wait for an event before it.
        clock.sleep_until(event.received.plus(1)).await;
        loop {
            match self.do_follow(tenant, event, matches).await {
                Ok(()) => break self.inner.events.settled.send_modify(|count| *count += 1),
                // Its mark stands: the next start goes on.
                Err(Error::Unavailable(_) | Error::QuotaReached { .. } | Error::NoRoom { .. })
                    if self.accepting().is_err() =>
                {
                    break;
                }
                Err(Error::Unavailable(why)) => {
                    tracing::warn!(event = event.id, why, "what follows from the event is tried again");
                    clock.sleep_until(clock.now().plus(PAUSE_MS)).await;
                }
                Err(
                    Error::QuotaReached { limit, retry_after_s, .. } | Error::NoRoom { code: limit, retry_after_s, .. },
                ) => {
                    tracing::debug!(
                        event = event.id,
                        limit,
                        "what follows from the event waits for a quota or for room"
                    );
                    // Other tenants' events do not wait with it; how many do is bounded where they come in.
                    turn = None;
                    waits.get_or_insert_with(|| self.inner.meters.event_waits(tenant));
                    let pause = u64::from(retry_after_s).saturating_mul(1_000).min(QUOTA_PAUSE_MS);
                    clock.sleep_until(clock.now().plus(pause)).await;
                }
                Err(error) => {
                    tracing::error!(event = event.id, %error, "what follows from the event waits for the next start");
                    break;
                }
            }
        }
        drop(turn);
    }

    async fn do_follow(&self, tenant: TenantId, event: &Published, matches: &Matches) -> Result<(), Error> {
        self.deliver(tenant, event).await?;
        let mut parts = matches.fired.chunks(PART).enumerate().peekable();
        while let Some((nth, part)) = parts.next() {
            let outcomes = self.start_part(tenant, event, part).await?;
            let mut documents = vec![outcome(event, nth, &outcomes)?];
            if parts.peek().is_none() {
                documents.push(done(event));
            }
            self.inner.committer.commit(Transition { tenant, execution: None, documents }).await?;
        }
        if matches.fired.is_empty() {
            let documents = vec![done(event)];
            self.inner.committer.commit(Transition { tenant, execution: None, documents }).await?;
        }
        Ok(())
    }

    /// After a start: what the last process had not done of a tenant.
    pub(crate) async fn take_up(&self, tenant: TenantId) {
        let learned = self.learn_of_ends(tenant).await;
        let resumed = self.resume_events(tenant).await;
        if let Err(error) = learned.and(resumed).and(self.resume_own(tenant).await) {
            tracing::error!(%tenant, %error, "events of the last process wait for the next start");
        }
        if let Err(error) = self.resume_deliveries(tenant).await {
            tracing::error!(%tenant, %error, "webhooks of the last process wait for the next start");
        }
    }

    /// After a start: events whose consequences were not done when the last process ended.
    pub(crate) async fn resume_events(&self, tenant: TenantId) -> Result<(), Error> {
        let (mut after, store) = (None, &self.inner.ports.store);
        loop {
            let page = Page { after: after.take(), limit: PAGE };
            let marks = store.documents(tenant, DocumentKind::EventPending, "", page).await?;
            let Some((last, _)) = marks.last() else { return Ok(()) };
            after = Some(last.clone());
            for (mark, _) in marks {
                let Some(event) = self.kept(tenant, keys::id_at(&mark)).await? else { continue };
                let matches = Arc::new(self.matched(tenant, &event.id).await?);
                // Many may have waited: they take their turns like new ones.
                let turn = Arc::clone(&self.inner.events.turns).acquire_owned().await.ok().map(Arc::new);
                self.follow(tenant, Arc::new(event), matches, turn);
            }
        }
    }

    pub(super) async fn matched(&self, tenant: TenantId, id: &str) -> Result<Matches, Error> {
        let stored = self.inner.ports.store.document(tenant, DocumentKind::EventMatches, id).await?;
        let Some(bytes) = stored else { return Ok(Matches::default()) };
        serde_json::from_slice(&bytes).map_err(|e| Error::broken("what an event matched cannot be read", &e))
    }
}

fn outcome(event: &Published, nth: usize, outcomes: &Outcomes) -> Result<DocumentWrite, Error> {
    let value =
        serde_json::to_vec(outcomes).map_err(|e| Error::broken("what came of an event cannot be written", &e))?;
    let (kind, key) = (DocumentKind::EventOutcome, keys::outcome_key(&event.id, nth));
    Ok(DocumentWrite { kind, key, value: Some(Bytes::from(value)), expect: Expect::Anything })
}

fn done(event: &Published) -> DocumentWrite {
    let key = keys::pending_key(event.received, &event.id);
    DocumentWrite { kind: DocumentKind::EventPending, key, value: None, expect: Expect::Anything }
}
