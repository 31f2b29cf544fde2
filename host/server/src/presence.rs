//! Whether whoever sent a request still waits for its answer. Changes go on to their end if their caller hangs up, so that none is without its
//! line in the audit log; what has changed nothing yet may look here and end.

use tokio::sync::watch;

/// Held for as long as somebody waits.
pub struct Here(#[allow(dead_code, reason = "its end is what counts")] watch::Sender<()>);

/// Asks whether somebody waits.
#[derive(Clone)]
pub struct Presence(watch::Receiver<()>);

/// Both ends.
pub fn presence() -> (Here, Presence) {
    let (here, presence) = watch::channel(());
    (Here(here), Presence(presence))
}

impl Presence {
    /// Returns once nobody waits any more.
    pub async fn gone(&self) {
        let mut here = self.0.clone();
        while here.changed().await.is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::poll_immediate;

    #[tokio::test]
    async fn who_hangs_up_is_gone() {
        let (here, presence) = presence();
        assert!(poll_immediate(std::pin::pin!(presence.gone())).await.is_none());
        drop(here);
        presence.gone().await;
    }
}
