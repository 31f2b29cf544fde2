//! An upload under way: how far it is, for whoever looks on, and whether somebody wants it to end.

use std::sync::Arc;
use tokio::sync::watch;

/// How far an upload is; it goes from one to the next, and may leave some out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Its bytes are there.
    Received,
    /// It waits for the compiler.
    Waiting,
    /// The compiler looks at what it is.
    Scanning,
    /// It is compiled.
    Compiling,
    /// It is written down; nobody can end it any more.
    Storing,
}

impl Phase {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [Self::Received, Self::Waiting, Self::Scanning, Self::Compiling, Self::Storing];

    /// As it is told.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Waiting => "waiting",
            Self::Scanning => "scanning",
            Self::Compiling => "compiling",
            Self::Storing => "storing",
        }
    }
}

/// What is known of an upload at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadState {
    /// Where it is.
    pub phase: Phase,
    /// Where it has been: who looks seldom misses nothing.
    passed: [bool; Phase::ALL.len()],
    /// How many functions are compiled, and of how many.
    pub compiled: Option<(u32, u32)>,
    cancelled: bool,
}

impl UploadState {
    /// Whether it is or was there.
    #[must_use]
    pub fn has_been(&self, phase: Phase) -> bool {
        Phase::ALL.iter().zip(self.passed).any(|(at, passed)| *at == phase && passed)
    }

    fn reach(&mut self, phase: Phase) {
        self.phase = phase;
        Phase::ALL.iter().zip(&mut self.passed).filter(|(at, _)| **at == phase).for_each(|(_, passed)| *passed = true);
    }
}

/// One upload: clones are the same one.
#[derive(Debug, Clone)]
pub struct Uploading(Arc<watch::Sender<UploadState>>);

impl Default for Uploading {
    fn default() -> Self {
        let mut state =
            UploadState { phase: Phase::Received, passed: [false; Phase::ALL.len()], compiled: None, cancelled: false };
        state.reach(Phase::Received);
        Self(Arc::new(watch::Sender::new(state)))
    }
}

impl Uploading {
    /// It has come so far.
    pub fn reached(&self, phase: Phase) {
        self.0.send_modify(|state| state.reach(phase));
    }

    /// So many functions of so many are compiled.
    pub fn compiled(&self, done: u32, of: u32) {
        self.0.send_modify(|state| {
            state.reach(Phase::Compiling);
            state.compiled = Some((done, of));
        });
    }

    /// Ends it, unless it is being stored. Whether it ends.
    #[must_use]
    pub fn cancel(&self) -> bool {
        self.0.send_if_modified(|state| {
            let may = state.phase < Phase::Storing;
            state.cancelled |= may;
            may
        })
    }

    /// Begins to store it, unless somebody has ended it. Whether it is stored.
    #[must_use]
    pub fn begin_storing(&self) -> bool {
        self.0.send_if_modified(|state| {
            let may = !state.cancelled;
            if may {
                state.reach(Phase::Storing);
            }
            may
        })
    }

    /// Returns once somebody has ended it.
    pub async fn cancelled(&self) {
        // The sender lives as long as `self`: waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|state| state.cancelled).await;
    }

    /// For whoever looks on.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<UploadState> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::poll_immediate;

    #[tokio::test]
    async fn what_is_stored_is_not_ended_and_what_is_ended_is_not_stored() {
        let (first, second) = (Uploading::default(), Uploading::default());
        assert!(poll_immediate(std::pin::pin!(first.cancelled())).await.is_none());
        assert!(first.cancel() && !first.begin_storing());
        first.cancelled().await;
        assert!(second.begin_storing() && !second.cancel());
        assert!(poll_immediate(std::pin::pin!(second.cancelled())).await.is_none());
    }

    #[test]
    fn who_looks_late_sees_where_it_has_been() {
        let upload = Uploading::default();
        upload.reached(Phase::Waiting);
        upload.compiled(3, 10);
        let state = *upload.follow().borrow();
        assert_eq!((state.phase, state.compiled), (Phase::Compiling, Some((3, 10))));
        assert_eq!(
            Phase::ALL.map(|phase| state.has_been(phase)),
            [true, true, false, true, false],
            "nobody said that it was scanned"
        );
    }
}
