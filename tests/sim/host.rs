//! One host: an engine on the one disk, with its own clock, notes and functions.

use crate::functions::Functions;
use crate::gate::{Gate, Life};
use crate::store::HostStore;
use crate::world::World;
use std::future::Future;
use std::sync::{Arc, Weak};
use stepwell_core::grants::Policy;
use stepwell_core::time::Timestamp;
use stepwell_engine::fakes::{FakeEntropy, MemoryNotes};
use stepwell_engine::ports::{Clock, Entropy, NoEgress, Note, NoteSlot, Notes, Runtime, Store};
use stepwell_engine::{Engine, Error, Keyring, Limits, Ports, SealingKey, Slots};

/// A clock that was set is noticed after so long at the latest.
const LONGEST_SLEEP_MS: u64 = 60_000;
/// Whoever asks a host gives up after so long, milliseconds.
const PATIENCE_MS: u64 = 20_000;

/// One of them.
pub struct Host {
    /// Its number; no two hosts of a seed have the same, not even on one machine.
    pub number: u32,
    /// The machine that it runs on: hosts that follow each other there have their notes in common.
    pub machine: usize,
    /// Whether it lives.
    pub gate: Arc<Gate>,
    pub store: Arc<HostStore>,
    notes: Arc<HostNotes>,
    pub engine: Engine,
}

impl Host {
    /// Starts an engine. `None`: it did not come up, because it died or the store failed.
    pub async fn start(world: &Arc<World>, number: u32, machine: usize) -> Option<Arc<Self>> {
        let gate = Arc::new(Gate::default());
        let store = Arc::new(HostStore::new(world, number, Arc::clone(&gate)));
        let file = world.book().notes(machine);
        world.book().starts(number);
        let notes = Arc::new(HostNotes { file, gate: Arc::clone(&gate) });
        let ports = ports(world, (number, &gate), (&store, &notes));
        let slots = Slots { total: world.weather.slots, per_tenant: world.weather.slots };
        let starts = async { Engine::start(ports.await?, Limits { slots, ..Limits::default() }).await.ok() };
        let engine = tokio::select! {
            biased;
            () = gate.death() => None,
            started = starts => started,
            () = world.wait(10 * 60_000) => None,
        };
        let Some(engine) = engine else {
            world.say(format_args!("host {number} does not come up"));
            gate.set(Life::Dead);
            notes.file.kill();
            return None;
        };
        world.say(format_args!("host {number} is up on machine {machine}"));
        Some(Arc::new(Self { number, machine, gate, store, notes, engine }))
    }

    /// The host dies.
    pub fn kill(&self, world: &World) {
        world.say(format_args!("host {} is killed", self.number));
        self.gate.set(Life::Dead);
        self.notes.file.kill();
    }

    /// Asks the host, as somebody outside does: `None` if it dies or does not answer.
    pub async fn ask<T>(
        &self,
        world: &World,
        question: impl Future<Output = Result<T, Error>>,
    ) -> Option<Result<T, Error>> {
        let answered = async {
            self.gate.pass().await;
            let answer = question.await;
            self.gate.pass().await;
            answer
        };
        tokio::select! {
            biased;
            () = self.gate.death() => None,
            answer = answered => Some(answer),
            () = world.wait(PATIENCE_MS) => None,
        }
    }
}

async fn ports(
    world: &Arc<World>,
    (number, gate): (u32, &Arc<Gate>),
    (store, notes): (&Arc<HostStore>, &Arc<HostNotes>),
) -> Option<Ports> {
    let entropy: Arc<dyn Entropy> =
        Arc::new(FakeEntropy::new(world.chance(|chance| chance.next()) ^ u64::from(number)));
    let store = Arc::clone(store) as Arc<dyn Store>;
    let key = SealingKey::parse(&"5a".repeat(32)).ok()?;
    let keyring = Keyring::new(Arc::clone(&store), Arc::clone(&entropy), key).await.ok()?;
    Some(Ports {
        public_url: "https://stepwell.example".to_owned(),
        store,
        runtime: Arc::new(Functions::new(world, number, Arc::clone(gate))) as Arc<dyn Runtime>,
        clock: Arc::new(HostClock { world: Arc::downgrade(world), gate: Arc::clone(gate) }) as Arc<dyn Clock>,
        entropy,
        notes: Arc::clone(notes) as Arc<dyn Notes>,
        keyring: Arc::new(keyring),
        egress: Arc::new(NoEgress),
        policy: Policy::default(),
    })
}

/// Shows the world's time, and sleeps as the product's clock does.
struct HostClock {
    world: Weak<World>,
    gate: Arc<Gate>,
}

#[async_trait::async_trait]
impl Clock for HostClock {
    fn now(&self) -> Timestamp {
        self.world.upgrade().map_or(Timestamp(0), |world| world.now())
    }

    async fn sleep_until(&self, at: Timestamp) {
        loop {
            self.gate.pass().await;
            let Some(world) = self.world.upgrade() else { return };
            let left = at.since(world.now());
            if left == 0 {
                return;
            }
            world.wait(left.min(LONGEST_SLEEP_MS)).await;
        }
    }
}

/// The notes of a machine; whoever is dead writes none.
struct HostNotes {
    file: Arc<MemoryNotes>,
    gate: Arc<Gate>,
}

impl Notes for HostNotes {
    fn left_behind(&self) -> Vec<Note> {
        self.file.left_behind()
    }

    fn forget_left_behind(&self) {
        if self.gate.life() != Life::Dead {
            self.file.forget_left_behind();
        }
    }

    fn begin(&self, note: Note) -> Option<NoteSlot> {
        if self.gate.life() == Life::Dead { None } else { self.file.begin(note) }
    }

    fn end(&self, slot: NoteSlot) {
        if self.gate.life() != Life::Dead {
            self.file.end(slot);
        }
    }
}
