//! The threads that guests compute on. A call begins on the quick ones, at once where its caller runs there already; one that computes for
//! longer goes on among the long ones, which stand back: it never keeps the short ones, or whoever serves requests, from a processor.

use crate::slices::{Sliced, Slices, threads_for};
use futures_util::FutureExt as _;
use futures_util::future::CatchUnwind;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use stepwell_core::ids::TenantId;
use stepwell_engine::ports::Fault;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{AbortHandle, JoinError};

/// How much long guests' threads stand back, from 0 to 19. At 5 a thread that serves requests gets three quarters of a processor that both
/// want; without such threads the guests have all of it. More would leave them too little beside other programs of the machine.
const NICE: i32 = 5;

/// Others go first, by so much: on Linux a niceness is a thread's own, and its children's.
pub(crate) fn be_nice(by: i32) {
    if let Err(error) = rustix::process::setpriority_process(None, by) {
        tracing::debug!(%error, "guests have the priority of requests");
    }
}

/// What runs on the quick threads beside guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Company {
    /// Whatever makes calls: it starts compilers, and may open files and connections.
    Callers,
    /// Nothing: in a process that may not open anything.
    Nobody,
}

/// They, and how tenants share them. Dropping it ends them; calls under way are stopped.
pub(crate) struct Threads {
    /// Both `None` only while dropping.
    quick: Option<Runtime>,
    long: Option<Runtime>,
    slices: Arc<Slices>,
    begun: Arc<AtomicUsize>,
}

/// Why a call came to no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Lost {
    /// The host's own code panicked.
    #[error("the host failed during the call; the server's log says more")]
    Panicked,
    /// The threads have ended.
    #[error("the server is shutting down")]
    Shutdown,
}

impl From<Lost> for Fault {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Panicked => Self::Host(lost.to_string()),
            Lost::Shutdown => Self::NoCapacity,
        }
    }
}

impl Threads {
    /// Starts them. So many guests compute at one time, of each kind.
    pub(crate) fn start(slices: usize, company: Company) -> std::io::Result<Self> {
        let (slices, begun) = (slices.max(1), Arc::default());
        let mut quick = threads((threads_for(slices), "guest"), &begun, || {});
        if company == Company::Callers {
            quick.enable_io();
        }
        let (quick, long) = (quick.build()?, threads((slices, "long-guest"), &begun, || be_nice(NICE)).build()?);
        Ok(Self { quick: Some(quick), long: Some(long), slices: Slices::new(slices), begun })
    }

    /// Whether all of them have done what a thread does at its beginning.
    pub(crate) fn have_begun(&self) -> bool {
        let expected = self.quick.iter().chain(&self.long).map(|threads| threads.metrics().num_workers());
        self.begun.load(Ordering::Acquire) >= expected.sum()
    }

    /// Where calls begin: who runs there has short ones made without a change of thread.
    pub(crate) fn home(&self) -> Option<&Handle> {
        self.quick.as_ref().map(Runtime::handle)
    }

    /// Makes a call for this tenant, by this weight. Dropping the future stops it, at the next tick at the latest.
    pub(crate) async fn run<F>(&self, share: (TenantId, u32), call: F) -> Result<F::Output, Lost>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (Some(quick), Some(long)) = (&self.quick, &self.long) else { return Err(Lost::Shutdown) };
        let guest = self.slices.share(share, AssertUnwindSafe(call).catch_unwind());
        let here = Handle::try_current().is_ok_and(|here| here.id() == quick.handle().id());
        if here {
            return run_here(guest, long.handle()).await;
        }
        let long = long.handle().clone();
        let running = quick.spawn(async move { run_here(guest, &long).await });
        let _abort = AbortOnDrop(running.abort_handle());
        running.await.map_err(|error| lost(&error))?
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        for threads in self.quick.take().into_iter().chain(self.long.take()) {
            threads.shutdown_background(); // waiting is not allowed where this may be dropped
        }
    }
}

fn threads((count, name): (usize, &'static str), begun: &Arc<AtomicUsize>, begin: fn()) -> Builder {
    let (number, begun) = (AtomicUsize::new(0), Arc::clone(begun));
    let mut threads = Builder::new_multi_thread();
    threads
        .worker_threads(count)
        .on_thread_start(move || {
            begin();
            begun.fetch_add(1, Ordering::Release);
        })
        .thread_name_fn(move || format!("{name}-{}", number.fetch_add(1, Ordering::Relaxed)))
        .enable_time(); // sleeping guests
    threads
}

type Guarded<F> = CatchUnwind<AssertUnwindSafe<F>>;

/// Makes the call on this thread, or begins it: a long one ends elsewhere.
async fn run_here<F>(mut guest: Sliced<Guarded<F>>, long: &Handle) -> Result<F::Output, Lost>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let ended = match guest.quick().await {
        Some(ended) => ended,
        None => {
            let rest = long.spawn(guest);
            let _abort = AbortOnDrop(rest.abort_handle());
            rest.await.map_err(|error| lost(&error))?
        }
    };
    ended.map_err(|_panic| panicked())
}

/// Dropping the future stops the guest: at the next tick at the latest.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn lost(error: &JoinError) -> Lost {
    if error.is_panic() { panicked() } else { Lost::Shutdown }
}

fn panicked() -> Lost {
    tracing::error!("the host panicked during a call");
    Lost::Panicked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slices::Yield;
    use std::time::Duration;

    const SHARE: (TenantId, u32) = (TenantId(1), 1);

    fn name() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    /// Computes for so long before it gives its thread back.
    fn compute(long: Duration) {
        let end = crate::clock::after(crate::clock::now(), long);
        while crate::clock::now() < end {
            std::hint::spin_loop();
        }
    }

    #[tokio::test]
    async fn a_long_call_changes_threads_and_a_short_one_stays() {
        let threads = Threads::start(1, Company::Nobody).expect("threads");
        let short = threads.run(SHARE, async {
            Yield::new().await;
            name()
        });
        assert!(short.await.expect("ends").starts_with("guest-"));
        let long = threads.run(SHARE, async {
            compute(QUICK_AND_MORE);
            Yield::new().await;
            name()
        });
        assert!(long.await.expect("ends").starts_with("long-guest-"));
        while !threads.have_begun() {
            std::thread::yield_now();
        }
    }

    const QUICK_AND_MORE: Duration = Duration::from_millis(2);

    #[tokio::test]
    async fn who_is_at_home_there_needs_no_other_thread() {
        let threads = Arc::new(Threads::start(2, Company::Callers).expect("threads"));
        let home = threads.home().expect("alive").clone();
        let inside = Arc::clone(&threads);
        let asked = home.spawn(async move {
            let own = std::thread::current().id();
            inside.run(SHARE, async move { std::thread::current().id() == own }).await
        });
        assert_eq!(asked.await.expect("ends"), Ok(true));
    }

    #[tokio::test]
    async fn a_panic_of_the_host_costs_one_call() {
        let threads = Threads::start(1, Company::Nobody).expect("threads");
        assert_eq!(threads.run(SHARE, async { panic!("a bug") }).await, Err::<(), _>(Lost::Panicked));
        let late = threads.run(SHARE, async {
            compute(QUICK_AND_MORE);
            Yield::new().await;
            panic!("a bug")
        });
        assert_eq!(late.await, Err::<(), _>(Lost::Panicked));
        assert_eq!(threads.run(SHARE, async { 1 }).await, Ok(1));
    }

    #[tokio::test]
    async fn a_call_that_nobody_waits_for_is_dropped() {
        struct Told(Option<tokio::sync::oneshot::Sender<()>>);
        impl Drop for Told {
            fn drop(&mut self) {
                self.0.take().map(|tell| tell.send(()));
            }
        }
        let threads = Threads::start(1, Company::Nobody).expect("threads");
        for long in [Duration::ZERO, QUICK_AND_MORE] {
            let (tell, told) = tokio::sync::oneshot::channel();
            let (begin, begun) = tokio::sync::oneshot::channel();
            let call = threads.run(SHARE, async move {
                let _told = Told(Some(tell));
                compute(long);
                Yield::new().await;
                let _ = begin.send(());
                std::future::pending::<()>().await;
            });
            tokio::select! {
                _ = call => {}
                _ = begun => {}
            }
            told.await.expect("dropped");
        }
    }
}
