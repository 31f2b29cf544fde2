//! The world of one seed: one disk, some hosts, one true time; and the book, in which all is written down that the invariants are about.

use crate::book::Book;
use crate::chance::Chance;
use crate::host::Host;
use crate::trace::Trace;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stepwell_core::ids::{Shard, TenantId};
use stepwell_core::time::Timestamp;
use stepwell_engine::fakes::MemoryStore;

/// The clocks of all hosts begin here.
const BEGINNING_MS: u64 = 1_700_000_000_000;

/// How wild this world is.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// How many hosts may live at once.
    pub hosts: usize,
    /// One commit in so many fails, before or after it is written; 0: none.
    pub failing: u64,
    /// One operation of the store in so many takes its time; 0: none.
    pub slow: u64,
    /// Longest time of such a one, milliseconds.
    pub slowest_ms: u64,
    /// Whether reading fails as well.
    pub unreadable: bool,
    /// Whether clocks jump.
    pub jumps: bool,
    /// Whether hosts die.
    pub deadly: bool,
    /// When all of this is over, milliseconds.
    pub until_ms: u64,
    /// How many attempts run at once.
    pub slots: usize,
}

impl Weather {
    /// What a seed says.
    pub fn of(chance: &mut Chance) -> Self {
        Self {
            hosts: if chance.one_in(3) { 2 } else { 1 },
            failing: if chance.one_in(2) { chance.between(5, 40) } else { 0 },
            slow: if chance.one_in(2) { chance.between(2, 20) } else { 0 },
            slowest_ms: chance.between(1, 3_000),
            unreadable: chance.one_in(4),
            jumps: chance.one_in(3),
            deadly: !chance.one_in(6),
            until_ms: chance.between(5, 60) * 1_000,
            slots: usize::try_from(chance.between(1, 8)).unwrap_or(1),
        }
    }
}

/// One of them.
pub struct World {
    pub weather: Weather,
    /// What is stored; it never fails by itself.
    pub disk: MemoryStore,
    /// Which host may write to a shard, and its epoch.
    owners: Mutex<Vec<(u32, u64)>>,
    /// What the clocks show beside the true time, milliseconds.
    skew: AtomicI64,
    /// Whether things still go wrong.
    stormy: AtomicBool,
    began: tokio::time::Instant,
    chance: Mutex<Chance>,
    trace: Mutex<Trace>,
    book: Mutex<Book>,
    hosts: Mutex<(u32, Vec<Arc<Host>>)>,
    pub tenants: [TenantId; 2],
}

impl World {
    /// An empty disk, no hosts.
    pub fn new(mut chance: Chance, trace: Trace) -> Arc<Self> {
        Arc::new(Self {
            weather: Weather::of(&mut chance),
            disk: MemoryStore::new(),
            owners: Mutex::new(vec![(0, 1); 256]),
            skew: AtomicI64::new(0),
            stormy: AtomicBool::new(false),
            began: tokio::time::Instant::now(),
            chance: Mutex::new(chance),
            trace: Mutex::new(trace),
            book: Mutex::default(),
            hosts: Mutex::default(),
            tenants: [TenantId::DEFAULT, TenantId(2)],
        })
    }

    /// True time since the beginning, milliseconds.
    pub fn elapsed(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What the clocks show.
    pub fn now(&self) -> Timestamp {
        let true_ms = i64::try_from(BEGINNING_MS + self.elapsed()).unwrap_or(i64::MAX);
        Timestamp(u64::try_from(true_ms + self.skew.load(Ordering::SeqCst)).unwrap_or_default())
    }

    /// Somebody sets the clocks.
    pub fn jump(&self, by_ms: i64) {
        self.skew.fetch_add(by_ms, Ordering::SeqCst);
        self.book().jumped(self.elapsed(), by_ms);
        self.say(format_args!("the clocks jump by {by_ms} ms"));
    }

    /// Waits, in true time.
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    pub async fn wait(&self, ms: u64) {
        let until = tokio::time::Instant::now() + std::time::Duration::from_millis(ms);
        tokio::time::sleep_until(until).await;
    }

    /// Things go wrong from now on, or no more.
    pub fn set_stormy(&self, stormy: bool) {
        self.stormy.store(stormy, Ordering::SeqCst);
    }

    /// Whether things go wrong.
    pub fn is_stormy(&self) -> bool {
        self.stormy.load(Ordering::SeqCst)
    }

    /// This shard is this host's from now on.
    pub fn take_over(&self, shards: impl Iterator<Item = Shard>, host: u32) {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        for shard in shards {
            if let Some(owner) = owners.get_mut(usize::from(shard.0))
                && owner.0 != host
            {
                *owner = (host, owner.1 + 1);
            }
        }
    }

    /// Whose the shard is, and since which epoch.
    pub fn owner(&self, shard: Shard) -> (u32, u64) {
        let owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        owners.get(usize::from(shard.0)).copied().unwrap_or_default()
    }

    /// Draws by chance.
    pub fn chance<T>(&self, draw: impl FnOnce(&mut Chance) -> T) -> T {
        draw(&mut self.chance.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes into the trace.
    pub fn say(&self, what: std::fmt::Arguments<'_>) {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner).add(self.elapsed(), what);
    }

    /// What the trace comes to.
    pub fn digest(&self) -> (u64, u64) {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner).digest()
    }

    /// The book.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds what came of a check against the rules: a breach ends the seed.
    pub fn hold(&self, checked: Result<(), String>) {
        if let Err(breach) = checked {
            self.say(format_args!("BREACH {breach}"));
            self.book().breaches.push(breach);
        }
    }

    /// The hosts that are not dead.
    pub fn living(&self) -> Vec<Arc<Host>> {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.1.iter().filter(|host| host.gate.life() != crate::gate::Life::Dead).cloned().collect()
    }

    /// The number of the next host.
    pub fn next_host(&self) -> u32 {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.0 += 1;
        hosts.0
    }

    /// A host is up.
    pub fn add(&self, host: Arc<Host>) {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner).1.push(host);
    }
}
