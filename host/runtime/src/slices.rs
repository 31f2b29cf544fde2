//! Which guest computes next: the guests' threads go from tenant to tenant, slice by slice, so that who computes without end does not make
//! others wait.
//!
//! A guest that computes gives its thread back at every tick of the epoch ([`crate::ticker`]); here it queues up behind its tenant's other
//! guests, and the tenant that has computed least, by its weight, goes on. No more guests are polled at one time than there are threads:
//! else the threads' own queue would decide, which takes turns by guest, not by tenant.
//!
//! Most calls are over before the first tick. Those that are not go on among the long ones, on threads that stand back
//! ([`crate::threads`]).

use crate::clock;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use stepwell_core::ids::TenantId;

/// Slices beyond the threads that are meant to compute; see [`State::express`].
const EXPRESS: usize = 1;
/// Who has computed so long is a long one from the next tick on.
const QUICK: Duration = Duration::from_millis(1);

/// Threads that are needed to poll so many quick guests at one time, and one more that looks after timers and what comes from outside.
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
    /// So many more for quick guests of tenants of which none computes: the system divides the processors between them and those that do,
    /// instead of letting them wait for a tick.
    express: usize,
    running: PerPace<usize>,
    lanes: BTreeMap<TenantId, Lane>,
    guests: HashMap<u64, Guest>,
    numbers: u64,
    /// How much the tenant had computed that was last chosen: who comes anew begins there, not at nothing.
    reached: u64,
}

/// How long a guest has computed. Each kind has threads of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pace {
    Quick,
    Long,
}

/// One for each.
#[derive(Default)]
struct PerPace<T> {
    quick: T,
    long: T,
}

impl<T> PerPace<T> {
    fn of(&mut self, pace: Pace) -> &mut T {
        match pace {
            Pace::Quick => &mut self.quick,
            Pace::Long => &mut self.long,
        }
    }
}

/// A tenant that has guests.
struct Lane {
    ready: PerPace<VecDeque<u64>>,
    guests: usize,
    running: PerPace<usize>,
    /// What it has computed, nanoseconds by weight.
    used: u64,
}

struct Guest {
    tenant: TenantId,
    weight: u32,
    phase: Phase,
    pace: Pace,
    computed: Duration,
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
            running: PerPace::default(),
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

/// What a slice comes to.
enum Slice<T> {
    Ended(T),
    /// It waits, or has a further slice before it.
    Open,
    /// As before, and from now on it is a long one.
    Long,
}

impl<F: Future> Sliced<F> {
    fn slice(&mut self, cx: &Context<'_>) -> Slice<F::Output> {
        if !self.slices.lock().polled(self.number, cx.waker()) {
            return Slice::Open;
        }
        let start = clock::now();
        let polled = self.guest.as_mut().poll(&mut Context::from_waker(&self.waker));
        let took = clock::now().saturating_duration_since(start);
        let (became_long, next) = self.slices.lock().sliced(self.number, took);
        next.into_iter().for_each(Waker::wake);
        match polled {
            Poll::Ready(output) => Slice::Ended(output),
            Poll::Pending if became_long => Slice::Long,
            Poll::Pending => Slice::Open,
        }
    }

    /// Its end, or `None` once it is a long one: then the rest is for another thread.
    pub(crate) async fn quick(&mut self) -> Option<F::Output> {
        std::future::poll_fn(|cx| match self.slice(cx) {
            Slice::Ended(output) => Poll::Ready(Some(output)),
            Slice::Long => Poll::Ready(None),
            Slice::Open => Poll::Pending,
        })
        .await
    }
}

impl<F: Future> Future for Sliced<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.get_mut().slice(cx) {
            Slice::Ended(output) => Poll::Ready(output),
            Slice::Long | Slice::Open => Poll::Pending,
        }
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
        let (phase, pace, computed) = (Phase::Ready, Pace::Quick, Duration::ZERO);
        let guest = Guest { tenant, weight, phase, pace, computed, thread: None };
        self.guests.insert(self.numbers, guest);
        let used = self.reached;
        let lane = || Lane { ready: PerPace::default(), guests: 0, running: PerPace::default(), used };
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

    /// A slice ended. Whether the guest is a long one by it.
    fn sliced(&mut self, number: u64, took: Duration) -> (bool, Vec<Waker>) {
        let Some(guest) = self.guests.get_mut(&number) else { return (false, Vec::new()) };
        let is_ready = guest.phase == Phase::Woken;
        guest.phase = if is_ready { Phase::Ready } else { Phase::Waiting };
        guest.computed = guest.computed.saturating_add(took);
        let became_long = guest.pace == Pace::Quick && guest.computed >= QUICK;
        let pace = guest.pace;
        if became_long {
            guest.pace = Pace::Long;
        }
        let (tenant, weight) = (guest.tenant, u64::from(guest.weight));
        self.leave_thread(tenant, pace);
        if let Some(lane) = self.lanes.get_mut(&tenant) {
            let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            lane.used = lane.used.saturating_add(took / weight);
        }
        if is_ready {
            self.queue(number);
        }
        (became_long, self.choose())
    }

    fn gone(&mut self, number: u64) -> Vec<Waker> {
        let Some(guest) = self.guests.remove(&number) else { return Vec::new() };
        if matches!(guest.phase, Phase::Chosen | Phase::Computing | Phase::Woken) {
            self.leave_thread(guest.tenant, guest.pace);
        }
        if let Some(lane) = self.lanes.get_mut(&guest.tenant) {
            lane.guests = lane.guests.saturating_sub(1);
            lane.ready.of(guest.pace).retain(|ready| *ready != number);
            if lane.guests == 0 {
                self.lanes.remove(&guest.tenant);
            }
        }
        self.choose()
    }

    fn leave_thread(&mut self, tenant: TenantId, pace: Pace) {
        let running = self.running.of(pace);
        *running = running.saturating_sub(1);
        if let Some(lane) = self.lanes.get_mut(&tenant) {
            let running = lane.running.of(pace);
            *running = running.saturating_sub(1);
        }
    }

    fn queue(&mut self, number: u64) {
        let Some(guest) = self.guests.get(&number) else { return };
        let Some(lane) = self.lanes.get_mut(&guest.tenant) else { return };
        if lane.is_idle() {
            // Nobody saves up what they did not compute.
            lane.used = lane.used.max(self.reached);
        }
        lane.ready.of(guest.pace).push_back(number);
    }

    /// Gives free threads to those who have computed least; they are to be woken outside of the lock.
    fn choose(&mut self) -> Vec<Waker> {
        let mut chosen = Vec::new();
        while let Some(number) = self.next(Pace::Quick, self.express).or_else(|| self.next(Pace::Long, 0)) {
            if let Some(guest) = self.guests.get_mut(&number) {
                guest.phase = Phase::Chosen;
                chosen.extend(guest.thread.clone());
            }
        }
        chosen
    }

    /// The next of this kind, if there is a thread for it.
    fn next(&mut self, pace: Pace, express: usize) -> Option<u64> {
        let running = *self.running.of(pace);
        if running >= self.threads + express {
            return None;
        }
        let is_full = running >= self.threads;
        let able = self.lanes.values_mut().filter_map(|lane| {
            let may = !lane.ready.of(pace).is_empty() && (!is_full || *lane.running.of(pace) == 0);
            may.then_some(lane)
        });
        let lane = able.min_by_key(|lane| lane.used)?;
        self.reached = self.reached.max(lane.used);
        let number = lane.ready.of(pace).pop_front()?;
        *lane.running.of(pace) += 1;
        *self.running.of(pace) += 1;
        Some(number)
    }
}

impl Lane {
    /// Nothing of it computes, or would.
    fn is_idle(&self) -> bool {
        let none_ready = self.ready.quick.is_empty() && self.ready.long.is_empty();
        none_ready && self.running.quick + self.running.long == 0
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
            state.sliced(*number, Duration::from_millis(2));
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
        assert_eq!(state.running.quick, 2, "one tenant has no use for it");
        let own = guests(&mut state, B, 1, 5);
        assert_eq!((state.running.quick, state.guests[&own[0]].phase == Phase::Computing), (3, true));
        guests(&mut state, TenantId(3), 1, 1);
        assert_eq!(state.running.quick, 3);
    }

    #[test]
    fn who_computes_long_makes_no_quick_one_wait() {
        let mut state = state(1);
        let long = guests(&mut state, A, 1, 3);
        (0..20).for_each(|_| drop(tick(&mut state)));
        assert!(long.iter().all(|number| state.guests[number].pace == Pace::Long));
        assert_eq!((state.running.quick, state.running.long), (0, 1));
        let quick = guests(&mut state, A, 1, 1);
        assert!(state.guests[&quick[0]].phase == Phase::Computing, "of the same tenant, too");
        let short = Duration::from_micros(400);
        assert!(!state.sliced(quick[0], short).0 && !state.sliced(quick[0], short).0, "it waits for something");
        assert!(state.sliced(quick[0], short).0, "all its slices count");
        assert_eq!((state.running.quick, state.running.long), (0, 1));
    }

    #[test]
    fn slices_follow_weights() {
        let mut state = state(1);
        guests(&mut state, A, 3, 5);
        guests(&mut state, B, 1, 5);
        // Until all of them are long ones.
        (0..30).for_each(|_| drop(tick(&mut state)));
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
        assert!(state.running.long + state.running.quick == 0 && state.lanes.is_empty() && state.guests.is_empty());
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
        assert!(slices.lock().guests.is_empty() && slices.lock().running.quick == 0);
    }
}
