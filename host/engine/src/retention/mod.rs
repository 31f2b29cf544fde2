//! What has ended is forgotten: executions by age and, where a tenant has a limit, by number; events with them; idempotency keys when they
//! expire; what was used on a day after years.
//!
//! An execution's end writes a row in the same commit, the oldest first ([`ended_row`]). Removing is a step of its own for each execution:
//! its record, its places in lists, its approvals and its row go in one commit, so that from then on it is not there; what is too much for one
//! commit (a long journal, many logs) goes in later ones, of which a mark tells until they are done. The store refuses the step if a
//! retry has opened the execution again ([`crate::ports::Store::erase`]).
//!
//! Nobody waits for any of this: steps are small, begin when no commit waits, and take a tenth of the time while others write.

mod collect;
mod count;
mod events;
mod executions;
mod left;
mod rows;

pub(crate) use count::Counts;
pub(crate) use rows::{ended_row, expiry_row};

use crate::Error;
use crate::engine::Engine;
use crate::ports::{DocumentKind, DocumentWrite, Expect, Transition};
use std::future::Future;
use stepwell_core::ids::TenantId;
use stepwell_core::time::Timestamp;

/// Tenants are looked at this often, milliseconds.
const EVERY_MS: u64 = 60_000;
/// Things that are removed of one tenant before the next one has its turn.
const ROUND: usize = 512;
/// Things that are removed in one step.
const STEP: usize = 32;
/// While others write, a step is followed by a pause of so many times its own length: a tenth of the time in all.
const PAUSES_BUSY: u64 = 9;
/// While nobody does, by one as long as itself.
const PAUSES_IDLE: u64 = 1;
/// The shortest pause, milliseconds.
const LEAST_PAUSE_MS: u64 = 2;
/// While commits wait, a step waits so long for its chance, milliseconds, so often, and goes all the same;
const GAP_MS: u64 = 20;
const GAPS: u32 = 50;
/// but never while so many commits wait: then nothing is removed.
const OVERLOAD: usize = 256;
/// Whatever the limits say, an end is told of for so long, milliseconds: whoever waits for it comes to see it.
const GRACE_MS: u64 = 10 * 60_000;
/// What was used on a day is told for so many milliseconds: two years, and what a leap year and a slow reader need.
const USAGE_MS: u64 = 800 * 86_400_000;

impl Engine {
    /// Never returns before the server stops: removes what is to be forgotten.
    pub(crate) async fn watch_retention(&self) {
        let clock = &self.inner.ports.clock;
        let mut parts = collect::Parts::default();
        while self.accepting().is_ok() {
            let mut more = false;
            for tenant in self.inner.tenants.all() {
                match self.forget_some(tenant.number, clock.now()).await {
                    Ok(has_more) => more |= has_more,
                    Err(error) => {
                        tracing::warn!(tenant = tenant.id, %error, "what is to be forgotten is removed later");
                    }
                }
            }
            self.collect(&mut parts).await;
            clock.sleep_until(clock.now().plus(if more { LEAST_PAUSE_MS } else { EVERY_MS })).await;
        }
    }

    /// Removes some of what a tenant does not keep any longer at this moment; whether there may be more.
    pub(crate) async fn forget_some(&self, tenant: TenantId, now: Timestamp) -> Result<bool, Error> {
        let mut more = self.forget_executions(tenant, now).await?;
        more |= self.forget_events(tenant, now).await?;
        more |= self.forget_answers(tenant, now).await?;
        more |= self.forget_days(tenant, now).await?;
        more |= self.remove_what_is_left(tenant).await?;
        Ok(more)
    }

    /// One step among what others write.
    pub(crate) async fn step<T>(&self, step: impl Future<Output = T>) -> T {
        let clock = &self.inner.ports.clock;
        let committer = &self.inner.committer;
        let (mut waited, mut busy) = (0, false);
        while committer.waiting() > 0 && (waited < GAPS || committer.waiting() >= OVERLOAD) && self.accepting().is_ok()
        {
            (waited, busy) = (waited.saturating_add(1), true);
            clock.sleep_until(clock.now().plus(GAP_MS)).await;
        }
        let began = clock.now();
        let done = step.await;
        let took = clock.now().since(began);
        let pauses = if busy || committer.waiting() > 0 { PAUSES_BUSY } else { PAUSES_IDLE };
        clock.sleep_until(clock.now().plus(took.saturating_mul(pauses).max(LEAST_PAUSE_MS))).await;
        done
    }

    /// Removes these documents, or none; they may have changed meanwhile.
    async fn remove(&self, tenant: TenantId, documents: Vec<DocumentWrite>) -> Result<(), Error> {
        if documents.is_empty() {
            return Ok(());
        }
        let commit = self.inner.committer.commit(Transition { tenant, execution: None, documents });
        Ok(self.step(commit).await?)
    }
}

fn removal(kind: DocumentKind, key: String) -> DocumentWrite {
    DocumentWrite { kind, key, value: None, expect: Expect::Anything }
}
