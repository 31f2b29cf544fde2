//! Which guest computes next: the guests' threads go from tenant to tenant, slice by slice, so that who computes without end does not make
//! others wait.
//!
//! A guest that computes gives its thread back at every tick of the epoch ([`crate::ticker`]); here it queues up behind its tenant's other
//! guests, and the tenant that has computed least, by its weight, goes on. No more guests are polled at one time than there are threads:
//! else the threads' own queue would decide, which takes turns by guest, not by tenant.

use crate::clock;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use stepwell_core::ids::TenantId;

/// Slices beyond the threads that are meant to compute; see [`State::express`].
const EXPRESS: usize = 1;
/// Threads that are needed to poll so many guests at one time, and one more that looks after timers and what comes from outside.
pub(crate) fn threads_for(slices: usize) -> usize {
    slices + EXPRESS + 1
}

/// The guests' threads, as their tenants share them.
pub(crate) struct Slices {
    state: Mutex<State>,
}

struct State {
    /// Slices at one time.
    threads: usize,
    /// So many more for tenants of which nothing computes: the system divides the processors between them and those that do, instead of
    /// letting them wait for a tick.
    express: usize,
    running: usize,
    lanes: BTreeMap<TenantId, Lane>,
    guests: HashMap<u64, Guest>,
    numbers: u64,
    /// How much the tenant had computed that was last chosen: who comes anew begins there, not at nothing.
    reached: u64,
}

/// A tenant that has guests.
struct Lane {
    ready: VecDeque<u64>,
    guests: usize,
    running: usize,
    /// What it has computed, nanoseconds by weight.
    used: u64,
}

struct Guest {
    tenant: TenantId,
    weight: u32,
    phase: Phase,
    /// Wakes the thread that is to poll it.
    thread: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It waits for something.
    Waiting,
    /// It could go on.
    Ready,
    /// It may go on now.
    Chosen,
    /// It computes.
    Computing,
    /// It computes, and something it will wait for has come already.
    Woken,
}

/// A guest under this order.
pub(crate) struct Sliced<F> {
    guest: Pin<Box<F>>,
    number: u64,
    slices: Arc<Slices>,
    waker: Waker,
}

/// What wakes a guest.
struct Bell {
    number: u64,
    slices: Arc<Slices>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.slices.woken(self.number);
    }
}

impl Slices {
    pub(crate) fn new(threads: usize) -> Arc<Self> {
        let state = State {
            threads: threads.max(1),
            express: EXPRESS,
            running: 0,
            lanes: BTreeMap::new(),
            guests: HashMap::new(),
            numbers: 0,
            reached: 0,
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Puts a guest under this order. It may be its turn at once: whoever has it polls it, or drops it.
    pub(crate) fn share<F: Future>(self: &Arc<Self>, (tenant, weight): (TenantId, u32), guest: F) -> Sliced<F> {
        // In the queue from now on: until it is polled for the first time it would wait behind others' slices.
        let (number, chosen) = self.lock().add(tenant, weight.max(1));
        chosen.into_iter().for_each(Waker::wake);
        let bell = Arc::new(Bell { number, slices: Arc::clone(self) });
        Sliced { guest: Box::pin(guest), number, slices: Arc::clone(self), waker: Waker::from(bell) }
    }

    fn woken(&self, number: u64) {
        let chosen = self.lock().woken(number);
        chosen.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Future> Future for Sliced<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        if !this.slices.lock().polled(this.number, cx.waker()) {
            return Poll::Pending;
        }
        let start = clock::now();
        let polled = this.guest.as_mut().poll(&mut Context::from_waker(&this.waker));
        let took = u64::try_from(clock::now().saturating_duration_since(start).as_nanos()).unwrap_or(u64::MAX);
        let next = this.slices.lock().sliced(this.number, took);
        next.into_iter().for_each(Waker::wake);
        polled
    }
}

impl<F> Drop for Sliced<F> {
    fn drop(&mut self) {
        let next = self.slices.lock().gone(self.number);
        next.into_iter().for_each(Waker::wake);
    }
}

impl State {
    fn add(&mut self, tenant: TenantId, weight: u32) -> (u64, Vec<Waker>) {
        self.numbers += 1;
        let guest = Guest { tenant, weight, phase: Phase::Ready, thread: None };
        self.guests.insert(self.numbers, guest);
        let used = self.reached;
        let lane = || Lane { ready: VecDeque::new(), guests: 0, running: 0, used };
        self.lanes.entry(tenant).or_insert_with(lane).guests += 1;
        self.queue(self.numbers);
        (self.numbers, self.choose())
    }

    /// A thread came for a guest: may it compute.
    fn polled(&mut self, number: u64, thread: &Waker) -> bool {
        let Some(guest) = self.guests.get_mut(&number) else { return false };
        guest.thread = Some(thread.clone());
        let may = guest.phase == Phase::Chosen;
        if may {
            guest.phase = Phase::Computing;
        }
        may
    }

    fn woken(&mut self, number: u64) -> Vec<Waker> {
        let Some(guest) = self.guests.get_mut(&number) else { return Vec::new() };
        match guest.phase {
            Phase::Waiting => {
                guest.phase = Phase::Ready;
                self.queue(number);
                self.choose()
            }
            Phase::Computing => {
                guest.phase = Phase::Woken;
                Vec::new()
            }
            Phase::Ready | Phase::Chosen | Phase::Woken => Vec::new(),
        }
    }

    /// A slice ended.
    fn sliced(&mut self, number: u64, took: u64) -> Vec<Waker> {
        let Some(guest) = self.guests.get_mut(&number) else { return Vec::new() };
        let is_ready = guest.phase == Phase::Woken;
        guest.phase = if is_ready { Phase::Ready } else { Phase::Waiting };
        let (tenant, weight) = (guest.tenant, u64::from(guest.weight));
        self.leave_thread(tenant);
        if let Some(lane) = self.lanes.get_mut(&tenant) {
            lane.used = lane.used.saturating_add(took / weight);
        }
        if is_ready {
            self.queue(number);
        }
        self.choose()
    }

    fn gone(&mut self, number: u64) -> Vec<Waker> {
        let Some(guest) = self.guests.remove(&number) else { return Vec::new() };
        if matches!(guest.phase, Phase::Chosen | Phase::Computing | Phase::Woken) {
            self.leave_thread(guest.tenant);
        }
        if let Some(lane) = self.lanes.get_mut(&guest.tenant) {
            lane.guests = lane.guests.saturating_sub(1);
            lane.ready.retain(|ready| *ready != number);
            if lane.guests == 0 {
                self.lanes.remove(&guest.tenant);
            }
        }
        self.choose()
    }

    fn leave_thread(&mut self, tenant: TenantId) {
        self.running = self.running.saturating_sub(1);
        if let Some(lane) = self.lanes.get_mut(&tenant) {
            lane.running = lane.running.saturating_sub(1);
        }
    }

    fn queue(&mut self, number: u64) {
        let Some(guest) = self.guests.get(&number) else { return };
        let Some(lane) = self.lanes.get_mut(&guest.tenant) else { return };
        if lane.ready.is_empty() && lane.running == 0 {
            // Nobody saves up what they did not compute.
            lane.used = lane.used.max(self.reached);
        }
        lane.ready.push_back(number);
    }

    /// Gives free threads to those who have computed least; they are to be woken outside of the lock.
    fn choose(&mut self) -> Vec<Waker> {
        let mut chosen = Vec::new();
        while self.running < self.threads + self.express {
            let is_full = self.running >= self.threads;
            let able = self.lanes.values_mut().filter(|lane| !lane.ready.is_empty());
            let able = able.filter(|lane| !is_full || lane.running == 0);
            let Some(lane) = able.min_by_key(|lane| lane.used) else { break };
            self.reached = self.reached.max(lane.used);
            let Some(number) = lane.ready.pop_front() else { break };
            lane.running += 1;
            self.running += 1;
            if let Some(guest) = self.guests.get_mut(&number) {
                guest.phase = Phase::Chosen;
                chosen.extend(guest.thread.clone());
            }
        }
        chosen
    }
}

/// Gives the thread back, and would go on at once. Unlike tokio's, which waits until the thread has nothing else to do.
pub(crate) struct Yield(bool);

impl Yield {
    pub(crate) fn new() -> Self {
        Self(false)
    }
}

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: TenantId = TenantId(1);
    const B: TenantId = TenantId(2);

    fn guests(state: &mut State, tenant: TenantId, weight: u32, count: usize) -> Vec<u64> {
        let numbers: Vec<u64> = (0..count).map(|_| state.add(tenant, weight).0).collect();
        for number in &numbers {
            let may = state.polled(*number, Waker::noop());
            assert_eq!(may, state.guests.get(number).is_some_and(|guest| guest.phase == Phase::Computing));
        }
        numbers
    }

    /// Whoever may compute does so for a tick, and would go on.
    fn tick(state: &mut State) -> Vec<TenantId> {
        let mut computed = Vec::new();
        for (number, guest) in &mut state.guests {
            if matches!(guest.phase, Phase::Chosen | Phase::Computing) {
                guest.phase = Phase::Woken;
                computed.push((*number, guest.tenant));
            }
        }
        for (number, _) in &computed {
            state.sliced(*number, 5_000_000);
        }
        computed.into_iter().map(|(_, tenant)| tenant).collect()
    }

    fn state(threads: usize) -> State {
        let slices = Slices::new(threads);
        let state = Arc::into_inner(slices).expect("ours").state.into_inner().expect("whole");
        State { express: 0, ..state }
    }

    #[test]
    fn a_tenant_with_one_guest_gets_as_much_as_one_with_sixty() {
        let mut state = state(2);
        guests(&mut state, A, 1, 60);
        (0..100).for_each(|_| drop(tick(&mut state)));
        guests(&mut state, B, 1, 2);
        assert!(tick(&mut state).iter().chain(&tick(&mut state)).any(|tenant| *tenant == B), "at the next tick");
        let slices: Vec<_> = (0..500).flat_map(|_| tick(&mut state)).collect();
        let own = slices.iter().filter(|tenant| **tenant == B).count();
        assert_eq!(slices.len(), 1_000, "no thread stands still");
        assert!((490..=510).contains(&own), "{own}");
    }

    #[test]
    fn who_has_nothing_running_does_not_wait_for_a_tick() {
        let mut state = State { express: 1, ..state(2) };
        guests(&mut state, A, 1, 60);
        assert_eq!(state.running, 2, "one tenant has no use for it");
        let own = guests(&mut state, B, 1, 5);
        assert_eq!((state.running, state.guests[&own[0]].phase == Phase::Computing), (3, true));
        guests(&mut state, TenantId(3), 1, 1);
        assert_eq!(state.running, 3);
    }

    #[test]
    fn slices_follow_weights() {
        let mut state = state(1);
        guests(&mut state, A, 3, 5);
        guests(&mut state, B, 1, 5);
        let slices: Vec<_> = (0..400).flat_map(|_| tick(&mut state)).collect();
        let own = slices.iter().filter(|tenant| **tenant == A).count();
        assert!((295..=305).contains(&own), "{own}");
    }

    #[test]
    fn guests_that_go_away_leave_their_threads() {
        let mut state = state(2);
        let numbers = guests(&mut state, A, 1, 5);
        let waiting = guests(&mut state, B, 1, 1);
        numbers.iter().for_each(|number| drop(state.gone(*number)));
        assert_eq!(tick(&mut state), [B]);
        drop(state.gone(waiting[0]));
        assert!(state.running == 0 && state.lanes.is_empty() && state.guests.is_empty());
    }

    #[tokio::test]
    async fn a_future_comes_to_its_end() {
        let slices = Slices::new(1);
        let (tell, told) = tokio::sync::oneshot::channel();
        let one = slices.share((A, 1), async {
            for _ in 0..3 {
                Yield::new().await;
            }
            tell.send(2).expect("B listens");
            1
        });
        let two = slices.share((B, 1), async { told.await.expect("told") });
        let stopped = slices.share((B, 1), std::future::pending::<()>());
        let ended = tokio::select! {
            biased;
            () = stopped => (0, 0),
            ended = async { tokio::join!(two, one) } => ended,
        };
        assert_eq!(ended, (2, 1));
        assert!(slices.lock().guests.is_empty() && slices.lock().running == 0);
    }
}
