//! The world at work: it starts executions, answers approvals, looks, and remembers.

use crate::api::Api;
use crate::ledger::Ledger;
use crate::memory::{Known, Memory};
use crate::outside::{OUTSIDE, Way};
use crate::seed::Draw;
use crate::workflows::{KINDS, Kind};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

/// Starts under way at once.
const STARTERS: usize = 4;

/// What is done again and again; an error: the server is gone.
type Reader = fn(&World, &Api, &mut Draw) -> Result<(), String>;

/// What there is outside the server.
#[derive(Clone)]
pub struct World {
    pub ledger: Arc<Ledger>,
    pub memory: Arc<Memory>,
    /// How many starts there were in all, for their names.
    names: Arc<AtomicU64>,
    /// Bytes that an execution carries along: one of these.
    pub pads: &'static [usize],
    /// Whether the outside has a say, too: events, callbacks, webhooks, a schedule.
    pub is_open: bool,
}

/// Work that goes on until it is told to stop, or the server is gone.
pub struct Load {
    stop: Arc<AtomicBool>,
    starters: Vec<JoinHandle<()>>,
    readers: Vec<JoinHandle<()>>,
}

impl World {
    pub fn new(draw: &mut Draw, pads: &'static [usize]) -> Self {
        let ledger = Arc::new(Ledger::open(draw.branch()));
        Self { ledger, memory: Arc::default(), names: Arc::default(), pads, is_open: false }
    }

    /// One with events, callbacks, webhooks and a schedule.
    pub fn open(draw: &mut Draw, pads: &'static [usize]) -> Self {
        Self { is_open: true, ..Self::new(draw, pads) }
    }

    /// Sets to work, with so many starts at most.
    pub fn work(&self, api: &Api, most: u64, draw: &mut Draw) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let left = Arc::new(AtomicU64::new(most));
        let (mut starters, mut reading) = (Vec::new(), Vec::new());
        for _ in 0..STARTERS {
            let (world, api, stop, left, mut draw) =
                (self.clone(), api.clone(), Arc::clone(&stop), Arc::clone(&left), draw.branch());
            starters.push(thread::spawn(move || {
                let another =
                    || left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok();
                while !stop.load(Ordering::Acquire) && another() && world.start(&api, &mut draw).is_ok() {}
            }));
        }
        let readers: [Reader; 2] = [Self::look, Self::talk];
        for act in readers {
            let (world, api, stop, mut draw) = (self.clone(), api.clone(), Arc::clone(&stop), draw.branch());
            reading.push(thread::spawn(
                move || while !stop.load(Ordering::Acquire) && act(&world, &api, &mut draw).is_ok() {},
            ));
        }
        Load { stop, starters, readers: reading }
    }

    /// One start; an error if the server did not answer.
    fn start(&self, api: &Api, draw: &mut Draw) -> Result<(), String> {
        let kinds: Vec<&'static Kind> = KINDS.iter().chain(OUTSIDE.iter().filter(|_| self.is_open)).collect();
        let (kind, pad) = (*draw.pick(&kinds), *draw.pick(self.pads));
        let wait = *draw.pick(&["", "?wait=30ms", "?wait=400ms"]);
        self.start_one(api, (kind, pad), wait)
    }

    /// Starts an execution of this kind, which carries so many bytes.
    pub fn start_one(&self, api: &Api, (kind, pad): (&'static Kind, usize), wait: &str) -> Result<(), String> {
        let name = format!("start-{:06}", self.names.fetch_add(1, Ordering::AcqRel));
        let request = self.memory.intend(&name, kind, pad);
        self.ask(api, (&name, kind), &request, wait)
    }

    /// Asks for the execution of this name, or asks again.
    pub fn ask(
        &self,
        api: &Api,
        (name, kind): (&str, &'static Kind),
        request: &Value,
        wait: &str,
    ) -> Result<(), String> {
        match kind.way.begin(api, (name, request), wait)? {
            (200 | 201, _) if kind.way == Way::Event => {
                self.memory.published(name);
                self.ledger.tick();
            }
            (200 | 202, answer) => {
                self.memory.acknowledged(name, &answer);
                self.ledger.tick();
            }
            (429 | 503 | 507, _) => self.memory.refused(),
            (status, body) => self.memory.fault(format!("{name}: the start was answered {status}: {body}")),
        }
        Ok(())
    }

    /// Asks again for what was not acknowledged, under the same idempotency key, and looks what events that were have started.
    pub fn repeat(&self, api: &Api) -> Result<(), String> {
        for (name, known) in self.memory.unsettled().into_iter().filter(|(_, known)| known.id.is_none()) {
            if known.is_acknowledged {
                self.find(api, &name)?;
            } else {
                self.ask(api, (&name, known.kind), &known.request, "")?;
            }
        }
        Ok(())
    }

    /// Looks at one execution that is not known to have ended, and remembers what it saw.
    fn look(&self, api: &Api, draw: &mut Draw) -> Result<(), String> {
        let mut open = self.memory.unsettled();
        open.retain(|(_, known)| known.is_acknowledged && (known.end.is_none() || known.history.is_empty()));
        if open.is_empty() {
            return api.get("/readyz").map(drop);
        }
        let (name, known) = draw.pick(&open);
        self.look_at(api, name, known)
    }

    /// Looks at this one.
    pub fn look_at(&self, api: &Api, name: &str, known: &Known) -> Result<(), String> {
        let Some(id) = &known.id else {
            return if known.is_acknowledged { self.find(api, name) } else { Ok(()) };
        };
        for part in ["", "/history"] {
            match api.get(&format!("/workflows/executions/{id}{part}"))? {
                (200, status) if part.is_empty() => self.memory.saw(name, &status),
                (200, answer) => {
                    let lines = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
                    self.memory.saw_history(name, lines);
                }
                (503, _) => {}
                (status, body) => {
                    let fault = format!("{name}: {id}{part} was acknowledged, and is answered {status}: {body}");
                    self.memory.fault(fault);
                }
            }
        }
        Ok(())
    }

    /// Answers about every other approval that is pending, and tells some who wait what they wait for.
    fn talk(&self, api: &Api, draw: &mut Draw) -> Result<(), String> {
        self.answer(api, || draw.one_in(2))?;
        self.tell(api, || draw.one_in(4))?;
        if self.is_open { self.watch_ticks(api) } else { Ok(()) }
    }

    /// Answers those pending approvals of which this says so.
    pub fn answer(&self, api: &Api, mut which: impl FnMut() -> bool) -> Result<(), String> {
        let (status, pending) = api.get("/approvals?status=pending")?;
        for approval in pending["items"].as_array().into_iter().flatten().filter(|_| status == 200) {
            let id = approval["id"].as_str().unwrap_or_default();
            self.memory.pending(id);
            if !which() {
                continue;
            }
            match api.post(&format!("/approvals/{id}"), &json!({"approved": true}))? {
                (200, _) => self.memory.answered(id),
                // A repeated answer, after one whose acknowledgement was lost; or no room.
                (409 | 429 | 503 | 507, _) => {}
                (status, body) => self.memory.fault(format!("an answer to {id} was answered {status}: {body}")),
            }
        }
        Ok(())
    }
}

impl Load {
    /// Waits until all starts are made or the server is gone, and stops.
    pub fn finish(mut self) {
        for starter in self.starters.drain(..) {
            starter.join().expect("nobody panicked");
        }
        self.stop();
    }

    /// Stops working, and waits for what is under way.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        for thread in self.starters.into_iter().chain(self.readers) {
            thread.join().expect("nobody panicked");
        }
    }
}
