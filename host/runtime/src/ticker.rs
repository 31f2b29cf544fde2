//! The thread that advances the engine's epoch, so that a computing guest meets the host every few milliseconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use wasmtime::EngineWeak;

/// Time between two ticks: how late a guest is stopped at most, and how long it may hold a thread.
const TICK: Duration = Duration::from_millis(2);

/// The thread's handle. Dropping it ends the thread.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

struct Shared {
    calls: AtomicUsize,
    stop: AtomicBool,
}

impl Ticker {
    /// Starts the thread. It ends with the ticker or with the engine, whichever goes first.
    pub(crate) fn start(engine: EngineWeak) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { calls: AtomicUsize::new(0), stop: AtomicBool::new(false) });
        let inside = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("epoch".to_owned()).spawn(move || tick(&inside, &engine))?;
        Ok(Self { shared, thread })
    }

    /// The ticker runs while such a guard lives; without one it sleeps.
    pub(crate) fn busy(&self) -> Busy {
        if self.shared.calls.fetch_add(1, Ordering::SeqCst) == 0 {
            self.thread.thread().unpark();
        }
        Busy(Arc::clone(&self.shared))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.thread().unpark();
    }
}

/// One call is under way.
pub(crate) struct Busy(Arc<Shared>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::SeqCst);
    }
}

fn tick(shared: &Shared, engine: &EngineWeak) {
    while !shared.stop.load(Ordering::SeqCst) {
        if shared.calls.load(Ordering::SeqCst) == 0 {
            std::thread::park(); // `busy` and `drop` leave a token, so no wake-up is lost
            continue;
        }
        std::thread::park_timeout(TICK);
        match engine.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_ends_with_its_handle() {
        let engine = crate::engine::compiling_without_compiler().expect("engine");
        let ticker = Ticker::start(engine.weak()).expect("thread");
        assert_eq!(ticker.thread.thread().name(), Some("epoch"));
        let shared = Arc::downgrade(&ticker.shared);
        let busy = ticker.busy();
        drop(ticker);
        drop(busy);
        while shared.strong_count() > 0 {
            std::thread::yield_now();
        }
    }
}
