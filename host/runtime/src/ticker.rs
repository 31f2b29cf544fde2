//! The thread that advances the engine's epoch, so that a computing guest meets the host every few milliseconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use wasmtime::EngineWeak;

/// Time between two ticks: how late a guest is stopped at most, and how long it may hold a thread.
const TICK: Duration = Duration::from_millis(2);

/// Ticks without a call after which the thread sleeps: to wake it costs as much as a short call.
const LINGER: u32 = 64;

/// The thread's handle. Dropping it ends the thread.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

struct Shared {
    calls: AtomicUsize,
    asleep: AtomicBool,
    stop: AtomicBool,
}

impl Ticker {
    /// Starts the thread. It ends with the ticker or with the engine, whichever goes first.
    pub(crate) fn start(engine: EngineWeak) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            calls: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let inside = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("epoch".to_owned()).spawn(move || tick(&inside, &engine))?;
        Ok(Self { shared, thread })
    }

    /// The ticker runs while such a guard lives, and sleeps some time after the last of them.
    pub(crate) fn busy(&self) -> Busy {
        self.shared.calls.fetch_add(1, Ordering::SeqCst);
        // It says that it sleeps before it looks at the calls for the last time.
        if self.shared.asleep.load(Ordering::SeqCst) {
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
    let mut idle = 0;
    while !shared.stop.load(Ordering::SeqCst) {
        idle = if shared.calls.load(Ordering::SeqCst) == 0 { idle + 1 } else { 0 };
        if idle > LINGER {
            shared.asleep.store(true, Ordering::SeqCst);
            if shared.calls.load(Ordering::SeqCst) == 0 && !shared.stop.load(Ordering::SeqCst) {
                std::thread::park(); // `busy` and `drop` leave a token, so no wake-up is lost
            }
            shared.asleep.store(false, Ordering::SeqCst);
            idle = 0;
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
