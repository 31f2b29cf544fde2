//! What one tenant may use, as it counts: its quotas where it has some, else the defaults, and never more than the operator's ceilings.
//! The one place where they meet.

use crate::Error;
use crate::limits::Limits;
use crate::quotas::Quotas;
use crate::tenants::Tenants;
use std::sync::Arc;
use std::time::Duration;
use stepwell_core::execution::ExecutionLimits;
use stepwell_core::ids::TenantId;

/// The numbers of one tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantLimits {
    /// Of each execution, `payload_bytes` among them.
    pub execution: ExecutionLimits,
    /// Its share of the processors.
    pub weight: u32,
    /// Attempts at once.
    pub attempts_running: usize,
    /// Attempts that may wait for their turn before starts are refused.
    pub attempts_waiting: u64,
    /// Executions that have not ended; `None`: as many as it likes.
    pub executions_unfinished: Option<u64>,
    /// Starts per second; `None`: as many as it likes.
    pub starts_per_second: Option<u64>,
    /// Bytes in the store; `None`: as many as there is room for.
    pub stored_bytes: Option<u64>,
    /// Fuel of a calendar month; `None`: any.
    pub fuel_per_month: Option<u64>,
    /// Bytes of one component.
    pub component_bytes: usize,
    /// Functions.
    pub functions: usize,
    /// Workflows.
    pub workflows: usize,
    /// Fuel of one attempt.
    pub fuel: u64,
    /// Memory of one attempt.
    pub memory_bytes: usize,
    /// Wall time of one attempt at most.
    pub attempt_timeout: Duration,
    /// Bytes of log of one attempt.
    pub log_bytes: usize,
    /// How long executions that have ended, and events, are kept.
    pub retention: Duration,
    /// How many executions that have ended are kept; `None`: as many as there are.
    pub retention_executions: Option<u64>,
}

/// The most that the operator gives any tenant, whatever its quotas say. Numbers without a ceiling of their own on the limits page are the
/// operator's: only an operator sets quotas.
#[derive(Debug, Clone, Copy)]
pub struct Ceilings {
    /// `payload_bytes`: payloads are held in memory, several times over.
    pub payload_bytes: u64,
    /// `component_bytes`: the compiler's memory grows with it.
    pub component_bytes: usize,
    /// `memory_bytes`: the size of a memory slot of the pool.
    pub memory_bytes: usize,
    /// `attempt_timeout`: an attempt holds a slot so long.
    pub attempt_timeout: Duration,
    /// `log_bytes`: the log of an attempt is held in memory.
    pub log_bytes: usize,
    /// `fuel`: so that a meter can count it; days of compute.
    pub fuel: u64,
    /// `retention_days`: disks are finite.
    pub retention_days: u64,
}

impl Default for Ceilings {
    fn default() -> Self {
        Self {
            payload_bytes: 4 << 20,
            component_bytes: 64 << 20,
            memory_bytes: 256 << 20,
            attempt_timeout: Duration::from_secs(60 * 60),
            log_bytes: 1 << 20,
            fuel: 1_000_000_000_000_000,
            retention_days: 3_650,
        }
    }
}

/// Largest weight: shares stay comparable, and a tenant of weight 1 is never far from its turn.
const MAX_WEIGHT: u64 = 100;

const DAY: Duration = Duration::from_secs(86_400);

/// A number that a tenant may have: its field, its value, and from where to where it may be.
type Row = (&'static str, Option<u64>, u64, u64);

impl Limits {
    /// What a tenant with these quotas may use. The default tenant is the operator's own: nothing counts its starts.
    #[must_use]
    pub fn of(&self, tenant: TenantId, quotas: &Quotas) -> TenantLimits {
        let ceilings = &self.ceilings;
        let is_own = tenant == TenantId::DEFAULT;
        let number = |quota: Option<u64>, default: usize| quota.map_or(default, size);
        let unless_own = |quota: Option<u64>, default: u64| quota.or((!is_own).then_some(default));
        let timeout = quotas.attempt_timeout_ms.map_or(self.attempt_timeout, Duration::from_millis);
        let payload_bytes = quotas.payload_bytes.unwrap_or(self.execution.payload_bytes);
        let payload_bytes = payload_bytes.min(ceilings.payload_bytes.max(self.execution.payload_bytes));
        TenantLimits {
            execution: ExecutionLimits { payload_bytes, ..self.execution },
            weight: quotas.weight.unwrap_or(1).max(1),
            attempts_running: number(quotas.attempts_running, self.slots.per_tenant).clamp(1, self.slots.total.max(1)),
            attempts_waiting: quotas.attempts_waiting.unwrap_or(self.attempts_waiting),
            executions_unfinished: unless_own(quotas.executions_unfinished, self.executions_unfinished),
            starts_per_second: unless_own(quotas.starts_per_second, self.starts_per_second),
            stored_bytes: unless_own(quotas.stored_bytes, self.stored_bytes),
            fuel_per_month: quotas.fuel_per_month,
            component_bytes: number(quotas.component_bytes, self.component_bytes)
                .min(ceilings.component_bytes.max(self.component_bytes)),
            functions: number(quotas.functions, self.functions),
            workflows: number(quotas.workflows, self.workflows),
            fuel: quotas.fuel.unwrap_or(self.fuel).min(ceilings.fuel.max(self.fuel)),
            memory_bytes: number(quotas.memory_bytes, self.memory_bytes)
                .min(ceilings.memory_bytes.max(self.memory_bytes)),
            attempt_timeout: timeout.min(ceilings.attempt_timeout.max(self.attempt_timeout)),
            log_bytes: number(quotas.log_bytes, self.log_bytes).min(ceilings.log_bytes.max(self.log_bytes)),
            retention: quotas
                .retention_days
                .map_or(self.retention, |days| DAY.saturating_mul(wide(days.min(ceilings.retention_days)))),
            retention_executions: quotas.retention_executions,
        }
    }

    /// Whether a tenant may be given these quotas.
    ///
    /// # Errors
    /// [`Error::WrongShape`] names the first field that is out of bounds, and the bounds.
    pub fn check(&self, quotas: &Quotas) -> Result<(), Error> {
        for (field, value, least, most) in self.rows(quotas) {
            let Some(value) = value else { continue };
            if value < least || value > most {
                let bounds =
                    if most == u64::MAX { format!("at least {least}") } else { format!("from {least} to {most}") };
                let message = format!("`{field}` is {value}; this server allows {bounds}");
                return Err(Error::WrongShape { field, message });
            }
        }
        Ok(())
    }

    fn rows(&self, quotas: &Quotas) -> [Row; 17] {
        let ceilings = &self.ceilings;
        let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let timeout = ceilings.attempt_timeout.max(self.attempt_timeout).as_millis();
        [
            ("quotas.weight", quotas.weight.map(u64::from), 1, MAX_WEIGHT),
            ("quotas.attempts_running", quotas.attempts_running, 1, wide(self.slots.total)),
            ("quotas.attempts_waiting", quotas.attempts_waiting, 1, u64::MAX),
            ("quotas.executions_unfinished", quotas.executions_unfinished, 1, u64::MAX),
            ("quotas.starts_per_second", quotas.starts_per_second, 1, u64::MAX),
            ("quotas.component_bytes", quotas.component_bytes, 1, wide(ceilings.component_bytes)),
            ("quotas.functions", quotas.functions, 0, u64::MAX),
            ("quotas.workflows", quotas.workflows, 0, u64::MAX),
            ("quotas.stored_bytes", quotas.stored_bytes, 0, u64::MAX),
            ("quotas.payload_bytes", quotas.payload_bytes, 1, ceilings.payload_bytes),
            ("quotas.fuel_per_month", quotas.fuel_per_month, 0, u64::MAX),
            ("quotas.fuel", quotas.fuel, 1, ceilings.fuel.max(self.fuel)),
            ("quotas.memory_bytes", quotas.memory_bytes, 1, wide(ceilings.memory_bytes)),
            ("quotas.attempt_timeout_ms", quotas.attempt_timeout_ms, 1, u64::try_from(timeout).unwrap_or(u64::MAX)),
            ("quotas.retention_days", quotas.retention_days, 1, ceilings.retention_days),
            ("quotas.retention_executions", quotas.retention_executions, 1, u64::MAX),
            ("quotas.log_bytes", quotas.log_bytes, 0, wide(ceilings.log_bytes)),
        ]
    }
}

fn wide(days: u64) -> u32 {
    u32::try_from(days).unwrap_or(u32::MAX)
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The numbers of all tenants, as they are now.
pub struct Allowances {
    limits: Limits,
    tenants: Arc<Tenants>,
}

impl Allowances {
    /// By these limits.
    #[must_use]
    pub fn new(limits: Limits, tenants: Arc<Tenants>) -> Self {
        Self { limits, tenants }
    }

    /// What a tenant may use now. Of one that is gone: what a new one may.
    #[must_use]
    pub fn of(&self, tenant: TenantId) -> TenantLimits {
        match self.tenants.get(tenant) {
            Some(found) => self.limits.of(tenant, &found.quotas),
            None => self.limits.of(tenant, &Quotas::default()),
        }
    }

    /// What is the same for all.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: TenantId = TenantId(7);

    #[test]
    fn without_quotas_the_defaults_count_and_nothing_counts_the_starts_of_the_default_tenant() {
        let limits = Limits::default();
        let (own, other) = (limits.of(TenantId::DEFAULT, &Quotas::default()), limits.of(OTHER, &Quotas::default()));
        assert_eq!((own.executions_unfinished, own.starts_per_second, own.stored_bytes), (None, None, None));
        assert_eq!((other.executions_unfinished, other.starts_per_second), (Some(100_000), Some(200)));
        assert_eq!((other.stored_bytes, other.functions, other.workflows), (Some(10 << 30), 1_000, 1_000));
        assert_eq!((other.fuel, other.memory_bytes, other.log_bytes), (10_000_000_000, 128 << 20, 64 << 10));
        assert_eq!((other.weight, other.attempts_running, other.component_bytes), (1, 64, 32 << 20));
        let limited = Quotas { starts_per_second: Some(3), ..Quotas::default() };
        assert_eq!(limits.of(TenantId::DEFAULT, &limited).starts_per_second, Some(3), "unless somebody says so");
    }

    #[test]
    fn a_quota_counts_up_to_the_ceiling() {
        let limits = Limits::default();
        let quotas = Quotas { memory_bytes: Some(1 << 40), fuel: Some(5), log_bytes: Some(0), ..Quotas::default() };
        let own = limits.of(OTHER, &quotas);
        assert_eq!((own.memory_bytes, own.fuel, own.log_bytes), (256 << 20, 5, 0));
        let greedy = Quotas { attempts_running: Some(1_000), attempt_timeout_ms: Some(u64::MAX), ..Quotas::default() };
        let own = limits.of(OTHER, &greedy);
        assert_eq!((own.attempts_running, own.attempt_timeout), (64, Duration::from_secs(3_600)));
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        let limits = Limits::default();
        assert!(limits.check(&Quotas::default()).is_ok());
        let refused = |quotas: Quotas| match limits.check(&quotas) {
            Err(Error::WrongShape { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(Quotas { weight: Some(0), ..Quotas::default() }), "quotas.weight");
        assert_eq!(refused(Quotas { weight: Some(101), ..Quotas::default() }), "quotas.weight");
        assert_eq!(refused(Quotas { memory_bytes: Some(1 << 29), ..Quotas::default() }), "quotas.memory_bytes");
        assert_eq!(refused(Quotas { starts_per_second: Some(0), ..Quotas::default() }), "quotas.starts_per_second");
        let fits = Quotas { payload_bytes: Some(4 << 20), functions: Some(0), weight: Some(100), ..Quotas::default() };
        assert!(limits.check(&fits).is_ok());
    }
}
