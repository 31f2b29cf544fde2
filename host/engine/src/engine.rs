//! The engine: everything it is made of, and its life from start to shutdown.

use crate::audit::Audit;
use crate::committer::{Committer, Wrote};
use crate::configuration::Configuration;
use crate::events::Events;
use crate::followers::Followers;
use crate::key_value::{KeyValueLimits, KeyValues};
use crate::keys::{Keys, KeysParts, Use, watch_uses};
use crate::limits::Limits;
use crate::live::LiveTable;
use crate::meters::Meters;
use crate::passes::Passes;
use crate::places::Places;
use crate::policies::Policies;
use crate::ports::{Clock, Egress, Entropy, Notes, Runtime, Store};
use crate::registry::{Registry, RegistryParts};
use crate::retention;
use crate::room::Rooms;
use crate::rousing::Rousing;
use crate::scheduler::Scheduler;
use crate::schedules::Clockwork;
use crate::scrub::Scrubs;
use crate::secrets::{Keyring, Secrets, SecretsParts};
use crate::supervisor::Supervisor;
use crate::tenant_limits::{Allowances, TenantLimits};
use crate::tenants::{Tenants, TenantsParts};
use crate::timers::Timers;
use crate::tokens::Signer;
use crate::waiters::Waiters;
use crate::wakes::Wakes;
use crate::webhooks::Webhooks;
use crate::{Error, recovery};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stepwell_core::grants::Policy;
use stepwell_core::ids::TenantId;
use tokio::sync::{mpsc, oneshot};

/// The world, as the engine sees it.
#[derive(Clone)]
pub struct Ports {
    /// Keeps everything.
    pub store: Arc<dyn Store>,
    /// Calls functions.
    pub runtime: Arc<dyn Runtime>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids and jitter.
    pub entropy: Arc<dyn Entropy>,
    /// Remembers what runs.
    pub notes: Arc<dyn Notes>,
    /// Where people and services reach this server: the start of callback addresses and links, without a slash at the end.
    pub public_url: String,
    /// Seals and opens secrets.
    pub keyring: Arc<Keyring>,
    /// Sends the requests of functions.
    pub egress: Arc<dyn Egress>,
    /// What the operator allows functions.
    pub policy: Policy,
}

/// A handle on the engine; clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub ports: Ports,
    pub limits: Limits,
    pub committer: Committer,
    pub registry: Registry,
    pub tenants: Arc<Tenants>,
    pub allowances: Arc<Allowances>,
    pub keys: Keys,
    pub meters: Arc<Meters>,
    pub audit: Audit,
    pub signer: Signer,
    pub secrets: Secrets,
    pub policies: Policies,
    pub configuration: Configuration,
    pub key_values: KeyValues,
    pub live: LiveTable,
    pub events: Events,
    pub clockwork: Clockwork,
    pub webhooks: Webhooks,
    pub scheduler: Arc<Scheduler>,
    pub places: Places,
    pub passes: Arc<Passes>,
    pub timers: Timers,
    pub wakes: Wakes,
    pub rousing: Rousing,
    pub retention: retention::Counts,
    pub waiters: Waiters,
    pub followers: Followers,
    /// Attempts and what follows from them: shutdown waits for these.
    pub attempts: Supervisor,
    /// Loops that never end by themselves.
    pub loops: Supervisor,
    pub stopping: AtomicBool,
    pub rooms: Rooms,
    pub scrubs: Scrubs,
}

/// What functions may use, and may be granted.
fn capabilities(ports: &Ports, committer: &Committer, meters: &Arc<Meters>) -> (Policies, Configuration, KeyValues) {
    let store = || Arc::clone(&ports.store);
    let (clock, entropy) = (Arc::clone(&ports.clock), Arc::clone(&ports.entropy));
    let limits = KeyValueLimits::default();
    (
        Policies::new(store(), committer.clone(), ports.policy.clone()),
        Configuration::new(store(), committer.clone(), Arc::clone(&ports.clock)),
        KeyValues::new((store(), committer.clone()), (clock, entropy), (limits, Arc::clone(meters))),
    )
}

impl Engine {
    /// Starts the engine: loads what is unfinished and goes on with it.
    ///
    /// # Errors
    /// The store's, if it cannot be read.
    pub async fn start(ports: Ports, limits: Limits) -> Result<Self, Error> {
        let loops = Supervisor::default();
        let meters = Arc::new(Meters::default());
        let committer = Committer::start(Arc::clone(&ports.store), &loops, wrote(&meters, &ports.clock));
        let clockwork = Clockwork::new(ports.clock.now());
        let (store, clock) = (Arc::clone(&ports.store), Arc::clone(&ports.clock));
        let tenants = TenantsParts { store, committer: committer.clone(), clock };
        let tenants = Arc::new(Tenants::load(tenants).await?);
        let allowances = Arc::new(Allowances::new(limits, Arc::clone(&tenants)));
        let registry = Registry::new(RegistryParts {
            store: Arc::clone(&ports.store),
            runtime: Arc::clone(&ports.runtime),
            clock: Arc::clone(&ports.clock),
            committer: committer.clone(),
            keyring: Arc::clone(&ports.keyring),
            dues: Arc::clone(&clockwork.dues),
            allowances: Arc::clone(&allowances),
            meters: Arc::clone(&meters),
        });
        let secrets = Secrets::new(SecretsParts {
            store: Arc::clone(&ports.store),
            committer: committer.clone(),
            clock: Arc::clone(&ports.clock),
            keyring: Arc::clone(&ports.keyring),
            most: limits.secrets,
        });
        let (keys, uses) = Keys::new(KeysParts {
            store: Arc::clone(&ports.store),
            committer: committer.clone(),
            clock: Arc::clone(&ports.clock),
            entropy: Arc::clone(&ports.entropy),
        });
        let (policies, configuration, key_values) = capabilities(&ports, &committer, &meters);
        let inner = Inner {
            signer: Signer::load((&*ports.store, &committer), &*ports.entropy, &ports.keyring).await?,
            ports,
            limits,
            committer,
            registry,
            tenants,
            allowances,
            keys,
            meters,
            audit: Audit::default(),
            secrets,
            policies,
            configuration,
            key_values,
            live: LiveTable::default(),
            events: Events::default(),
            clockwork,
            webhooks: Webhooks::default(),
            scheduler: Scheduler::new(limits.slots),
            places: Places::default(),
            passes: Arc::default(),
            timers: Timers::default(),
            wakes: Wakes::default(),
            rousing: Rousing::default(),
            retention: retention::Counts::default(),
            waiters: Waiters::default(),
            followers: Followers::default(),
            attempts: Supervisor::default(),
            loops,
            stopping: AtomicBool::new(false),
            rooms: Rooms::default(),
            scrubs: Scrubs::default(),
        };
        let engine = Self { inner: Arc::new(inner) };
        engine.take_up_all(uses).await.map(|()| engine)
    }

    /// Goes on with all that the last process left.
    async fn take_up_all(&self, uses: mpsc::Receiver<Use>) -> Result<(), Error> {
        self.look_for_room().await;
        self.load_meters().await?;
        self.load_places().await?;
        recovery::recover(self).await?;
        self.give_all_places();
        for tenant in self.inner.tenants.all() {
            self.heed_all(tenant.number).await?;
            self.resume_resealing(tenant.number);
        }
        self.take_up_tenants();
        self.watch(uses);
        Ok(())
    }

    /// Starts the loops that never end by themselves.
    fn watch(&self, uses: mpsc::Receiver<Use>) {
        let loops = &self.inner.loops;
        loops.spawn("keys", watch_uses(self.clone(), uses));
        let watcher = self.clone();
        loops.spawn("timers", async move { watcher.watch_timers().await });
        let watcher = self.clone();
        loops.spawn("meters", async move { watcher.watch_meters().await });
        let watcher = self.clone();
        loops.spawn("room", async move { watcher.watch_room().await });
        let watcher = self.clone();
        loops.spawn("wakes", async move { watcher.watch_wakes().await });
        let watcher = self.clone();
        loops.spawn("schedules", async move { watcher.watch_schedules().await });
        let watcher = self.clone();
        loops.spawn("retention", async move { watcher.watch_retention().await });
        let watcher = self.clone();
        loops.spawn("scrub", async move { watcher.watch_scrub().await });
    }

    /// A tenant's workflows and functions.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    /// A tenant's secrets.
    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.inner.secrets
    }

    /// What may be granted to functions.
    #[must_use]
    pub fn policies(&self) -> &Policies {
        &self.inner.policies
    }

    /// Texts for functions.
    #[must_use]
    pub fn configuration(&self) -> &Configuration {
        &self.inner.configuration
    }

    /// Values that functions keep.
    #[must_use]
    pub fn key_values(&self) -> &KeyValues {
        &self.inner.key_values
    }

    /// All tenants.
    #[must_use]
    pub fn tenants(&self) -> &Tenants {
        &self.inner.tenants
    }

    /// The API keys of all tenants.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.inner.keys
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// What a tenant may use now.
    #[must_use]
    pub fn limits_of(&self, tenant: TenantId) -> TenantLimits {
        self.inner.allowances.of(tenant)
    }

    /// Whether new work can be taken.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while stopping, or if the store cannot take writes.
    pub async fn health(&self) -> Result<(), Error> {
        self.accepting()?;
        Ok(self.inner.ports.store.health().await?)
    }

    /// How many executions are in memory: under way, or waiting for what comes soon.
    #[must_use]
    pub fn in_memory(&self) -> usize {
        self.inner.live.len()
    }

    /// Does this to its end, even if nobody waits for it any more. `None`: it panicked.
    pub async fn to_the_end<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (done, answer) = oneshot::channel();
        self.inner.loops.spawn(what, async move {
            let _ = done.send(work.await); // whoever asked may have gone
        });
        answer.await.ok()
    }

    pub(crate) fn accepting(&self) -> Result<(), Error> {
        if self.inner.stopping.load(Ordering::Acquire) {
            return Err(Error::Unavailable("it is shutting down".to_owned()));
        }
        Ok(())
    }

    /// Takes no new work, lets running attempts end within the grace period and commits their results; the rest runs again at the next
    /// start, uncounted, because their notes are taken back.
    pub async fn shutdown(&self) {
        self.inner.stopping.store(true, Ordering::Release);
        self.inner.scheduler.close();
        self.inner.tenants.close();
        self.inner.passes.close();
        let grace = u64::try_from(self.inner.limits.grace.as_millis()).unwrap_or(u64::MAX);
        let until = self.inner.ports.clock.now().plus(grace);
        tokio::select! {
            () = self.inner.attempts.idle() => {}
            () = self.inner.ports.clock.sleep_until(until) => {
                tracing::warn!(running = self.inner.scheduler.running(), "attempts were still running after the grace period");
                self.inner.live.stop_all();
                self.inner.attempts.idle().await;
            }
        }
        self.settle_all().await;
        self.save_meters().await;
    }
}

/// Counts what is written.
fn wrote(meters: &Arc<Meters>, clock: &Arc<dyn Clock>) -> Wrote {
    let (meters, clock) = (Arc::clone(meters), Arc::clone(clock));
    Arc::new(move |tenant, weight| meters.wrote(tenant, weight, clock.now()))
}
