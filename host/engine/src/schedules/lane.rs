//! One schedule is worked on by one lane at a time: marks that are not done, then what is due.

use super::documents::{Mark, Stored, of_schedule, owner, read, removal};
use super::{Clockwork, ScheduleKey};
use crate::engine::Engine;
use crate::ports::{DocumentKind, DocumentWrite, Expect, Page, Transition};
use crate::{Error, sound};
use bytes::Bytes;
use std::sync::PoisonError;
use stepwell_core::ids::TenantId;
use stepwell_core::time::Timestamp;

/// Documents that are read, and taken away, at one time.
const PAGE: usize = 100;
/// When the store cannot do it now, it is asked again after this many milliseconds.
const PAUSE_MS: u64 = 1_000;

/// A schedule that is worked on.
#[derive(Default)]
pub(super) struct Lane {
    /// Something has changed meanwhile: it must be looked at once more.
    again: bool,
}

/// A schedule as it was read; what is written expects it to be so still.
pub(super) struct Held {
    pub key: ScheduleKey,
    pub stored: Stored,
    pub bytes: Bytes,
}

impl Held {
    pub fn id(&self) -> &str {
        &self.key.1
    }

    pub fn tenant(&self) -> TenantId {
        self.key.0
    }
}

impl Clockwork {
    /// Whether the caller is to work on it; otherwise somebody does, and will look once more.
    fn enter(&self, key: &ScheduleKey) -> bool {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        match lanes.get_mut(key) {
            Some(lane) => {
                lane.again = true;
                false
            }
            None => lanes.insert(key.clone(), Lane::default()).is_none(),
        }
    }

    /// Whether it must be looked at once more.
    fn leave(&self, key: &ScheduleKey) -> bool {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.remove(key).is_some_and(|lane| lane.again)
    }
}

impl Engine {
    /// Never returns: reads what there is, then works on what is due.
    pub(crate) async fn watch_schedules(&self) {
        let clock = &self.inner.ports.clock;
        for tenant in self.inner.tenants.all() {
            while let Err(error) = self.learn_of_schedules(tenant.number).await {
                tracing::error!(%error, "schedules cannot be read, trying again until they can");
                clock.sleep_until(clock.now().plus(PAUSE_MS)).await;
            }
        }
        loop {
            for key in self.inner.clockwork.dues.due(clock.as_ref()).await {
                if self.accepting().is_ok() && self.inner.clockwork.enter(&key) {
                    let engine = self.clone();
                    self.inner.attempts.spawn("schedule", async move { engine.work_on(key).await });
                }
            }
        }
    }

    /// After a start, and when a tenant goes on: when each schedule is due, and at once those with marks of the last process.
    pub(crate) async fn learn_of_schedules(&self, tenant: TenantId) -> Result<(), Error> {
        let (store, dues) = (&self.inner.ports.store, &self.inner.clockwork.dues);
        let mut after = None;
        loop {
            let page = Page { after: after.take(), limit: PAGE };
            let found = sound::listed(&**store, (tenant, DocumentKind::Schedule), "", page).await?;
            let Some((last, _)) = found.last() else { break };
            after = Some(last.clone());
            for (id, bytes) in found {
                // One that cannot be read is the log's; the others go on.
                if let Ok(Some(next)) = read::<Stored>(&bytes).and_then(|stored| stored.next()) {
                    dues.at((tenant, id), next);
                }
            }
        }
        loop {
            let page = Page { after: after.take(), limit: PAGE };
            let found = store.documents(tenant, DocumentKind::ScheduleMark, "", page).await?;
            let Some((last, _)) = found.last() else { return Ok(()) };
            after = Some(last.clone());
            found.iter().for_each(|(key, _)| dues.nudge((tenant, owner(key).to_owned())));
        }
    }

    async fn work_on(&self, key: ScheduleKey) {
        let clockwork = &self.inner.clockwork;
        let _turn = clockwork.turns.acquire().await; // never closed
        let now = || self.inner.ports.clock.now();
        match self.advance(&key).await {
            Ok(Some(next)) => clockwork.dues.at(key.clone(), next),
            Ok(None) => {}
            Err(Error::Unavailable(_)) if self.accepting().is_err() => {} // its marks stand: the next start goes on
            Err(Error::Unavailable(why)) => {
                tracing::warn!(schedule = key.1, why, "the schedule is tried again");
                clockwork.dues.at(key.clone(), now().plus(PAUSE_MS));
            }
            Err(error) => {
                tracing::error!(schedule = key.1, %error, "the schedule waits for a change, or the next start");
            }
        }
        if clockwork.leave(&key) {
            clockwork.dues.nudge(key);
        }
    }

    /// Does what there is to do; when to look again.
    async fn advance(&self, key: &ScheduleKey) -> Result<Option<Timestamp>, Error> {
        loop {
            self.accepting()?;
            if !self.inner.tenants.is_active(key.0) {
                return Ok(None); // when it goes on, all its schedules are looked at
            }
            let Some(mut held) = self.held(key).await? else {
                self.forget_schedule(key).await?;
                return Ok(None);
            };
            let marks = self.marks(key, PAGE).await?;
            let waits = self.settle_marks(&held, &marks).await?;
            let fired = self.fire(&mut held).await?;
            if !fired && (waits || marks.len() < PAGE) {
                return held.stored.next();
            }
        }
    }

    pub(super) async fn held(&self, key: &ScheduleKey) -> Result<Option<Held>, Error> {
        let bytes = self.inner.ports.store.document(key.0, DocumentKind::Schedule, &key.1).await?;
        let held = |bytes: Bytes| Ok(Held { key: key.clone(), stored: read(&bytes)?, bytes });
        bytes.map(held).transpose()
    }

    /// The earliest marks of a schedule.
    pub(super) async fn marks(&self, key: &ScheduleKey, limit: usize) -> Result<Vec<Mark>, Error> {
        self.stored_marks(key, limit).await?.iter().map(|(_, bytes)| read(bytes)).collect()
    }

    /// How many there are, up to a limit.
    pub(super) async fn count_marks(&self, key: &ScheduleKey, limit: usize) -> Result<usize, Error> {
        Ok(self.stored_marks(key, limit).await?.len())
    }

    async fn stored_marks(&self, (tenant, id): &ScheduleKey, limit: usize) -> Result<Vec<(String, Bytes)>, Error> {
        let page = Page { after: None, limit };
        Ok(self.inner.ports.store.documents(*tenant, DocumentKind::ScheduleMark, &of_schedule(id), page).await?)
    }

    /// It was deleted: nothing that it had not started yet starts, and its list goes. Not if there is one of this id again.
    async fn forget_schedule(&self, (tenant, id): &ScheduleKey) -> Result<(), Error> {
        self.inner.clockwork.forget_open(&(*tenant, id.clone()));
        for kind in [DocumentKind::ScheduleMark, DocumentKind::ScheduleLine, DocumentKind::ScheduleOpen] {
            loop {
                let page = Page { after: None, limit: PAGE };
                let found = self.inner.ports.store.documents(*tenant, kind, &of_schedule(id), page).await?;
                if found.is_empty() {
                    break;
                }
                let gone = DocumentWrite {
                    kind: DocumentKind::Schedule,
                    key: id.clone(),
                    value: None,
                    expect: Expect::Absent,
                };
                let removals = found.into_iter().map(|(key, _)| removal(kind, key));
                let documents = removals.chain([gone]).collect();
                let transition = Transition { tenant: *tenant, execution: None, documents };
                if self.inner.committer.commit(transition).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
