//! Deliveries are forgotten: the oldest when there are more than the limit `webhook_deliveries`, and all after a week. What a sender calls a
//! delivery is forgotten after a day.

use super::arrival::{First, read};
use super::keys;
use crate::Error;
use crate::engine::Engine;
use crate::ports::{CommitError, DocumentKind, DocumentWrite, Expect, Page, Transition};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use stepwell_core::ids::TenantId;
use stepwell_core::time::Timestamp;

/// A delivery is kept so long, milliseconds: as long as finished executions.
const KEPT_MS: u64 = 7 * 86_400_000;
/// One in so many deliveries looks for what is to be forgotten,
const ONE_IN: usize = 16;
/// and forgets at most so many: more than come in, and few enough for one commit.
const AT_ONCE: usize = 24;
/// Keys that are read at one time when they are counted.
const PAGE: usize = 1_000;

/// How many deliveries there are, by tenant.
#[derive(Default)]
pub(super) struct Counts(Mutex<HashMap<TenantId, Count>>);

#[derive(Default)]
struct Count {
    /// `None` until they were counted.
    known: Option<usize>,
    /// New ones since the last look.
    new: usize,
    /// Somebody is looking.
    busy: bool,
}

impl Counts {
    /// Whether it is time to look, after so many new ones; then nobody else does until [`Counts::looked`].
    fn is_time(&self, tenant: TenantId, new: usize) -> bool {
        let mut all = self.lock();
        let count = all.entry(tenant).or_default();
        count.new += new;
        count.known = count.known.map(|known| known + new);
        let is_time = !count.busy && (new == 0 || count.new >= ONE_IN);
        if is_time {
            (count.busy, count.new) = (true, 0);
        }
        is_time
    }

    fn known(&self, tenant: TenantId) -> Option<usize> {
        self.lock().get(&tenant)?.known
    }

    fn looked(&self, tenant: TenantId, known: Option<usize>) {
        let mut all = self.lock();
        let count = all.entry(tenant).or_default();
        // What came in meanwhile is in `new`.
        (count.busy, count.known) = (false, known.map(|known| known + count.new));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Count>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Forgets some of what is too much or too old, if it is time, after so many new ones; 0: it is time.
    pub(super) async fn prune_deliveries(&self, tenant: TenantId, new: usize) {
        let counts = &self.inner.webhooks.counts;
        if !counts.is_time(tenant, new) {
            return;
        }
        let left = self.forget_deliveries(tenant, counts.known(tenant)).await;
        let names = self.forget_names(tenant).await;
        counts.looked(tenant, left.as_ref().ok().copied());
        if let Err(error) = left.and(names) {
            tracing::warn!(%error, "old deliveries of webhooks are forgotten later");
        }
    }

    /// How many are left.
    async fn forget_deliveries(&self, tenant: TenantId, known: Option<usize>) -> Result<usize, Error> {
        let known = match known {
            Some(known) => known,
            None => self.count_deliveries(tenant).await?,
        };
        let too_many = known.saturating_sub(self.inner.limits.webhook_deliveries);
        let page = Page { after: None, limit: AT_ONCE };
        let oldest = self.inner.ports.store.documents(tenant, DocumentKind::WebhookAge, "", page).await?;
        let now = self.inner.ports.clock.now();
        let is_old = |age: &str| keys::received(age).is_some_and(|at| now.since(at) >= KEPT_MS);
        let gone = oldest.into_iter().map(|(age, _)| age).enumerate();
        let gone: Vec<String> = gone.filter(|(nth, age)| *nth < too_many || is_old(age)).map(|(_, age)| age).collect();
        let removal = |kind, key| DocumentWrite { kind, key, value: None, expect: Expect::Anything };
        let mut documents = Vec::with_capacity(3 * gone.len());
        for age in &gone {
            documents.push(removal(DocumentKind::WebhookAge, age.clone()));
            let Some(id) = keys::id_of_age(age) else { continue };
            documents.extend(keys::bytes(&id).map(|id| removal(DocumentKind::WebhookDelivery, keys::place(id))));
            documents.push(removal(DocumentKind::WebhookEvent, id));
        }
        if !documents.is_empty() {
            self.inner.committer.commit(Transition { tenant, execution: None, documents }).await?;
        }
        Ok(known.saturating_sub(gone.len()))
    }

    async fn count_deliveries(&self, tenant: TenantId) -> Result<usize, Error> {
        let (mut count, mut after) = (0, None);
        loop {
            let page = Page { after: after.take(), limit: PAGE };
            let found = self.inner.ports.store.documents(tenant, DocumentKind::WebhookAge, "", page).await?;
            count += found.len();
            match found.into_iter().nth(PAGE - 1) {
                Some((last, _)) => after = Some(last),
                None => return Ok(count),
            }
        }
    }

    /// Always 0: for the same answer as above.
    async fn forget_names(&self, tenant: TenantId) -> Result<usize, Error> {
        let (store, now) = (&self.inner.ports.store, self.inner.ports.clock.now());
        let page = Page { after: None, limit: AT_ONCE };
        let oldest = store.documents(tenant, DocumentKind::WebhookKeyAge, "", page).await?;
        let mut documents = Vec::new();
        for (expiry, _) in oldest {
            let Some((at, key)) = keys::expired(&expiry) else { continue };
            if at > now {
                break;
            }
            let known = store.document(tenant, DocumentKind::WebhookKey, key).await?;
            if let Some(bytes) = known.filter(|bytes| is_over(bytes, now)) {
                let (kind, key, expect) = (DocumentKind::WebhookKey, key.to_owned(), Expect::Value(bytes));
                documents.push(DocumentWrite { kind, key, value: None, expect });
            }
            let kind = DocumentKind::WebhookKeyAge;
            documents.push(DocumentWrite { kind, key: expiry, value: None, expect: Expect::Anything });
        }
        if documents.is_empty() {
            return Ok(0);
        }
        match self.inner.committer.commit(Transition { tenant, execution: None, documents }).await {
            // One of them has come again meanwhile: the next look sees it.
            Ok(()) | Err(CommitError::Unexpected { .. }) => Ok(0),
            Err(other) => Err(other.into()),
        }
    }
}

/// Whether a name may be forgotten: it may have been given again.
fn is_over(bytes: &Bytes, now: Timestamp) -> bool {
    read::<First>(bytes).map_or(true, |first| first.expires <= now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::FakeRuntime;
    use crate::tests::{Disk, TENANT, own_step};

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let alive = Disk::new().life(FakeRuntime::new(own_step), |engine| async move {
            let put = |n: u8| {
                let key = keys::age([n; 16]);
                DocumentWrite {
                    kind: DocumentKind::WebhookAge,
                    key,
                    value: Some(Bytes::new()),
                    expect: Expect::Anything,
                }
            };
            // Their times lie in the future: none of them is old.
            let documents = (0x80..0x8a).map(put).collect();
            let transition = Transition { tenant: TENANT, execution: None, documents };
            engine.inner.committer.commit(transition).await.expect("commits");
            assert_eq!(engine.count_deliveries(TENANT).await.expect("counts"), 10);
            let most = engine.inner.limits.webhook_deliveries;
            assert_eq!(engine.forget_deliveries(TENANT, Some(most + 3)).await.expect("forgets"), most);
            let page = Page { after: None, limit: 100 };
            let left =
                engine.inner.ports.store.documents(TENANT, DocumentKind::WebhookAge, "", page).await.expect("lists");
            assert_eq!((left.len(), left[0].0.as_str()), (7, &*keys::age([0x83; 16])));
        });
        alive.expect("lives");
    }

    #[test]
    fn one_looks_at_a_time_and_now_and_then() {
        let counts = Counts::default();
        assert!(counts.is_time(TENANT, 0), "at a start");
        assert!((0..100).all(|_| !counts.is_time(TENANT, 1)), "somebody is looking");
        counts.looked(TENANT, Some(5));
        assert_eq!(counts.known(TENANT), Some(105));
        assert!(counts.is_time(TENANT, 1));
        counts.looked(TENANT, None);
        assert_eq!((0..100).filter(|_| counts.is_time(TENANT, 1)).count(), 1, "until it has looked");
    }
}
