//! The engine's background work: a panic is logged and does not spread, and shutdown can wait for the end of it.

use futures_util::FutureExt as _;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// Counts what is under way.
#[derive(Clone)]
pub struct Supervisor {
    under_way: Arc<watch::Sender<usize>>,
}

impl Default for Supervisor {
    fn default() -> Self {
        Self { under_way: Arc::new(watch::channel(0).0) }
    }
}

/// One piece of work; counted until it is dropped, however it ends.
struct Counted(Arc<watch::Sender<usize>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Supervisor {
    /// Runs this in the background.
    pub fn spawn(&self, what: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.spawn_on(None, what, work);
    }

    /// Runs this in the background, on these threads if there are any.
    pub fn spawn_on(&self, home: Option<&Handle>, what: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.under_way.send_modify(|count| *count += 1);
        let counted = Counted(Arc::clone(&self.under_way));
        let guarded = async move {
            let _counted = counted;
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                tracing::error!(what, "a background task panicked");
            }
        };
        #[allow(clippy::disallowed_methods)] // this is the one place that spawns
        drop(match home {
            Some(home) => home.spawn(guarded),
            None => tokio::spawn(guarded),
        });
    }

    /// Returns once nothing is under way.
    pub async fn idle(&self) {
        let mut count = self.under_way.subscribe();
        // The sender lives as long as `self`: waiting cannot fail.
        let _ = count.wait_for(|count| *count == 0).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_counted_as_an_end() {
        let supervisor = Supervisor::default();
        supervisor.spawn("test", async { panic!("on purpose") });
        supervisor.spawn("test", async {});
        supervisor.idle().await;
    }
}
