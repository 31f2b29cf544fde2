//! Whether a tenant may start one more execution. Work that was accepted always keeps its place: only what is new is refused, or waits.

use crate::Error;
use crate::engine::Engine;
use crate::meters::{Reading, Seat, stay_away, to_next_month};
use crate::room::Need;
use crate::tenant_limits::TenantLimits;
use std::sync::Arc;
use stepwell_core::ids::TenantId;
use stepwell_core::time::Timestamp;

/// `events_waiting` per tenant: events whose starts wait for a quota are in memory.
const EVENTS_WAITING: u64 = 1_000;
/// Microseconds of a second.
const SECOND_US: f64 = 1_000_000.0;

/// How a start comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// Somebody asks for it, or something that is tried again: a request, an event, a schedule, a delivery of a webhook.
    New,
    /// An execution that was accepted needs it to go on: a child. Refused, its parent would wait for room that it takes up itself.
    Child,
}

impl Door {
    pub fn of(kind: &str) -> Self {
        if kind == "workflow" { Self::Child } else { Self::New }
    }
}

/// A quota that is used up.
#[derive(Debug, Clone, PartialEq)]
struct Refusal {
    limit: &'static str,
    message: String,
    wait: Wait,
}

/// When it is worth trying again.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wait {
    /// Once the backlog is worked off: so many seconds, if anybody knows.
    Backlog(Option<f64>),
    /// In so many seconds.
    Seconds(u32),
}

impl Engine {
    /// A place for an execution that is about to start.
    ///
    /// # Errors
    /// [`Error::QuotaReached`], [`Error::NoRoom`].
    pub(crate) fn admit(&self, tenant: TenantId, door: Door) -> Result<Arc<Seat>, Error> {
        let meters = &self.inner.meters;
        self.room_for(if door == Door::Child { Need::Little } else { Need::Growth })?;
        if door == Door::Child {
            return Ok(meters.seat(tenant));
        }
        let limits = self.limits_of(tenant);
        self.refused(used_up(&limits, &self.reading(tenant), self.attempts_waiting(tenant), self.now()))?;
        // Counted at once: two who ask at the same time do not get the same last place.
        let seat = meters.seat(tenant);
        self.refused(no_place(&limits, &self.reading(tenant)))?;
        self.take_start(tenant, &limits)?;
        Ok(seat)
    }

    /// Whether a tenant may call a function directly, or keep more.
    ///
    /// # Errors
    /// [`Error::QuotaReached`], [`Error::NoRoom`].
    pub(crate) fn admit_call(&self, tenant: TenantId) -> Result<(), Error> {
        self.room_for(Need::Growth)?;
        let limits = self.limits_of(tenant);
        self.refused(used_up(&limits, &self.reading(tenant), self.attempts_waiting(tenant), self.now()))?;
        self.take_start(tenant, &limits)
    }

    /// Whether a tenant may publish: what an event is to start waits for its quotas, but not without end.
    ///
    /// # Errors
    /// [`Error::QuotaReached`], [`Error::NoRoom`].
    pub(crate) fn admit_event(&self, tenant: TenantId) -> Result<(), Error> {
        self.room_for(Need::Growth)?;
        let reading = self.reading(tenant);
        if let Some(error) = no_room(&self.limits_of(tenant), reading.stored) {
            return Err(error);
        }
        if reading.events_waiting < EVENTS_WAITING {
            return Ok(());
        }
        let message = format!(
            "{EVENTS_WAITING} events of this tenant wait until it may start executions again (limit `events_waiting`): `GET /usage` \
             shows which quota is used up; publish again later"
        );
        self.refused(Some(Refusal { limit: "events_waiting", message, wait: Wait::Backlog(None) }))
    }

    fn take_start(&self, tenant: TenantId, limits: &TenantLimits) -> Result<(), Error> {
        let Some(per_second) = limits.starts_per_second else { return Ok(()) };
        let Err(ms) = self.inner.meters.take_start(tenant, per_second, self.now()) else { return Ok(()) };
        let seconds = u32::try_from(ms.div_ceil(1_000)).unwrap_or(1).max(1);
        let message = format!(
            "this tenant may start {per_second} executions per second and twice as many at once (limit `starts_per_second`): \
             try again in {seconds} s; with an Idempotency-Key nothing starts twice"
        );
        let wait = Wait::Seconds(seconds);
        self.refused(Some(Refusal { limit: "starts_per_second", message, wait }))
    }

    fn refused(&self, refusal: Option<Refusal>) -> Result<(), Error> {
        let Some(Refusal { limit, message, wait }) = refusal else { return Ok(()) };
        let retry_after_s = match wait {
            Wait::Backlog(seconds) => stay_away(seconds, self.chance()),
            Wait::Seconds(seconds) => seconds,
        };
        Err(Error::QuotaReached { limit, message, retry_after_s })
    }

    pub(crate) fn reading(&self, tenant: TenantId) -> Reading {
        self.inner.meters.read(tenant, self.now())
    }

    pub(crate) fn attempts_waiting(&self, tenant: TenantId) -> u64 {
        self.inner.scheduler.of(tenant).1 as u64
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.ports.clock.now()
    }
}

/// What nothing new may begin with.
fn used_up(limits: &TenantLimits, now: &Reading, waiting: u64, at: Timestamp) -> Option<Refusal> {
    if let Some(message) = full(limits, now.stored) {
        return Some(Refusal { limit: "stored_bytes", message, wait: Wait::Backlog(None) });
    }
    if let Some(most) = limits.fuel_per_month.filter(|most| now.fuel >= *most) {
        let message = format!(
            "this tenant's functions have used {} units of fuel this month, and {most} are the most that they may (limit \
             `fuel_per_month`): what is under way goes on; new work starts again with the month, or ask the operator for more",
            now.fuel
        );
        return Some(Refusal { limit: "fuel_per_month", message, wait: Wait::Seconds(to_next_month(at)) });
    }
    if waiting >= limits.attempts_waiting {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let seconds = waiting as f64 * now.attempt_us as f64 / SECOND_US / limits.attempts_running.max(1) as f64;
        let message = format!(
            "{waiting} steps of this tenant wait for their turn, and {} are the most that may (limit `attempts_waiting`): try again later",
            limits.attempts_waiting
        );
        return Some(Refusal { limit: "attempts_waiting", message, wait: Wait::Backlog(Some(seconds)) });
    }
    None
}

/// Nothing makes room by itself.
fn full(limits: &TenantLimits, stored: u64) -> Option<String> {
    let most = limits.stored_bytes.filter(|most| stored >= *most)?;
    Some(format!(
        "this tenant keeps {stored} bytes, and {most} are the most that it may (limit `stored_bytes`): ask the operator for more room"
    ))
}

/// Why a tenant may keep nothing more, if it may not.
pub(crate) fn no_room(limits: &TenantLimits, stored: u64) -> Option<Error> {
    let message = full(limits, stored)?;
    Some(Error::QuotaReached { limit: "stored_bytes", message, retry_after_s: stay_away(None, 0) })
}

/// The new one is counted already.
fn no_place(limits: &TenantLimits, now: &Reading) -> Option<Refusal> {
    let most = limits.executions_unfinished.filter(|most| now.unfinished > *most)?;
    let message = format!(
        "{most} executions of this tenant have not ended, and no more may be under way (limit `executions_unfinished`): wait until some \
         have ended, or cancel some"
    );
    Some(Refusal { limit: "executions_unfinished", message, wait: Wait::Backlog(now.one_ends_in) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::quotas::Quotas;

    fn quiet() -> Reading {
        Reading { unfinished: 1, stored: 0, fuel: 0, one_ends_in: Some(4.0), attempt_us: 2_000_000, events_waiting: 0 }
    }

    fn limits(quotas: &Quotas) -> TenantLimits {
        Limits::default().of(TenantId(7), quotas)
    }

    fn refused(quotas: &Quotas, reading: Reading, waiting: u64) -> Option<(&'static str, Wait)> {
        let refusal = used_up(&limits(quotas), &reading, waiting, Timestamp(0));
        refusal.or_else(|| no_place(&limits(quotas), &reading)).map(|refusal| (refusal.limit, refusal.wait))
    }

    #[test]
    fn each_quota_is_named_and_says_when_to_come_back() {
        let none = Quotas::default;
        assert_eq!(refused(&none(), quiet(), 0), None);
        let full = Reading { stored: 10 << 30, ..quiet() };
        assert_eq!(refused(&none(), full, 0), Some(("stored_bytes", Wait::Backlog(None))));
        let spent = Quotas { fuel_per_month: Some(5), ..none() };
        let reading = Reading { fuel: 5, ..quiet() };
        assert_eq!(refused(&spent, reading, 0), Some(("fuel_per_month", Wait::Seconds(86_400))));
        assert_eq!(refused(&spent, Reading { fuel: 4, ..quiet() }, 0), None);
        let short = Quotas { attempts_waiting: Some(8), attempts_running: Some(4), ..none() };
        assert_eq!(refused(&short, quiet(), 8), Some(("attempts_waiting", Wait::Backlog(Some(4.0)))));
        assert_eq!(refused(&short, quiet(), 7), None);
        let few = Quotas { executions_unfinished: Some(3), ..none() };
        assert_eq!(refused(&few, Reading { unfinished: 3, ..quiet() }, 0), None, "it is the third");
        let fourth = refused(&few, Reading { unfinished: 4, ..quiet() }, 0);
        assert_eq!(fourth, Some(("executions_unfinished", Wait::Backlog(Some(4.0)))));
    }
}
