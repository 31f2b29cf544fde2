//! What follows when a tenant comes, is suspended, goes on, or is deleted.

use super::change::not_found;
use super::{NewTenant, Tenant, TenantChange, TenantStatus};
use crate::Error;
use crate::engine::Engine;
use futures_util::{StreamExt as _, stream};
use std::sync::Arc;
use stepwell_core::ids::TenantId;

/// Things of a deleted tenant that are removed in one step: others wait for the disk meanwhile.
const STEP: usize = 500;
/// When the store cannot do it now, it is asked again after this many milliseconds.
const PAUSE_MS: u64 = 5_000;
/// Tenants that are taken up again at one time.
const AT_ONCE: usize = 8;

impl Engine {
    /// Makes a tenant. On return it is durable, and may be used.
    ///
    /// # Errors
    /// [`Error::WrongShape`]; [`Error::Conflict`] `tenant_exists`; [`Error::LimitReached`] `tenants`; the store's.
    pub async fn create_tenant(&self, new: NewTenant) -> Result<Arc<Tenant>, Error> {
        self.accepting()?;
        self.inner.limits.check(&new.quotas)?;
        let tenant = self.inner.tenants.create(new).await?;
        // So that its ends are told only where something wants them; until this is known all are.
        if let Err(error) = self.learn_of_ends(tenant.number).await {
            tracing::warn!(%error, tenant = tenant.id, "the ends of a new tenant's executions are all told");
        }
        Ok(tenant)
    }

    /// Changes a tenant. A status begins to count at once: no attempt of a suspended tenant begins any more, and what waited goes on when
    /// it is active again.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::WrongShape`]; [`Error::Conflict`] `default_tenant`, `tenant_deleting`; the store's.
    pub async fn change_tenant(&self, id: &str, change: TenantChange) -> Result<Arc<Tenant>, Error> {
        self.accepting()?;
        change.quotas.as_ref().map_or(Ok(()), |quotas| self.inner.limits.check(quotas))?;
        let before = self.inner.tenants.called(id).ok_or_else(|| not_found(id))?;
        let tenant = self.inner.tenants.change(id, change).await?;
        if tenant.status == TenantStatus::Active && before.status == TenantStatus::Suspended {
            self.go_on(tenant.number).await;
        }
        Ok(tenant)
    }

    /// Deletes a tenant: its keys and executions end now, what it left behind is removed in the background.
    ///
    /// # Errors
    /// As [`Engine::change_tenant`].
    pub async fn delete_tenant(&self, id: &str) -> Result<(), Error> {
        let change = TenantChange { status: Some(TenantStatus::Deleting), ..TenantChange::default() };
        let tenant = self.change_tenant(id, change).await?;
        self.end_tenant(tenant.number).await;
        Ok(())
    }

    /// Schedules were left alone while the tenant was suspended: each catches up by its own rule.
    async fn go_on(&self, tenant: TenantId) {
        let clock = &self.inner.ports.clock;
        while let Err(error) = self.learn_of_schedules(tenant).await {
            tracing::error!(%error, "schedules of a tenant that goes on cannot be read, trying again until they can");
            if self.accepting().is_err() {
                return;
            }
            clock.sleep_until(clock.now().plus(PAUSE_MS)).await;
        }
    }

    /// Nothing more is written for it, nothing of it stays in memory, and what is stored goes.
    async fn end_tenant(&self, tenant: TenantId) {
        self.inner.committer.exclude(tenant);
        // What was asked for before is written now, or never.
        self.inner.committer.settled().await;
        for live in self.inner.live.of_tenant(tenant) {
            live.abandon();
            self.let_go(&live);
        }
        self.inner.meters.forget(tenant);
        self.inner.places.forget(tenant);
        self.remove_tenant(tenant);
    }

    fn remove_tenant(&self, tenant: TenantId) {
        let engine = self.clone();
        self.inner.loops.spawn("purge", async move {
            let clock = &engine.inner.ports.clock;
            while let Err(error) = engine.purge(tenant).await {
                tracing::warn!(%tenant, %error, "what a deleted tenant left cannot be removed now");
                clock.sleep_until(clock.now().plus(PAUSE_MS)).await;
            }
        });
    }

    /// Step by step; whoever else writes comes in between.
    async fn purge(&self, tenant: TenantId) -> Result<(), Error> {
        while self.inner.ports.store.purge(tenant, STEP).await? > 0 {
            self.accepting()?;
            tokio::task::yield_now().await;
        }
        self.inner.tenants.forget(tenant).await
    }

    /// After a start: what the last process had not done of each tenant, in the background.
    pub(crate) fn take_up_tenants(&self) {
        for tenant in self.inner.tenants.list(None, usize::MAX) {
            if tenant.status == TenantStatus::Deleting {
                self.remove_tenant(tenant.number);
            }
        }
        let engine = self.clone();
        self.inner.loops.spawn("tenants", async move {
            let all = stream::iter(engine.inner.tenants.all());
            all.for_each_concurrent(AT_ONCE, |tenant| engine.take_up(tenant.number)).await;
        });
    }
}
