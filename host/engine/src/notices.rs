//! What one execution has to tell another: written with its own entry, done afterwards, and done again after a crash.

use crate::Error;
use crate::drive::Untold;
use crate::engine::Engine;
use crate::live::Live;
use crate::ports::{DocumentKind, DocumentWrite, ExecutionKey, Expect, Page, Transition};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stepwell_core::execution::{Entry, Execution, Parent, Phase, Reported};
use stepwell_core::failure::Failure;
use stepwell_core::ids::{ExecutionId, TenantId};
use stepwell_core::payload::Payload;

/// Notices are read this many at a time when the server starts.
const PAGE: usize = 1_000;

/// One of them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Notice {
    /// A child is no longer wanted.
    Cancel {
        /// Who wanted it.
        parent: ExecutionId,
        /// Which one.
        child: ExecutionId,
    },
    /// A child ended.
    Ended {
        /// Who waits for that.
        parent: Parent,
        /// How.
        outcome: Result<Payload, Failure>,
    },
}

/// A child is no longer wanted.
pub(crate) fn cancel_child(live: &Live, child: ExecutionId) -> Option<DocumentWrite> {
    write(cancel_key(child), &Notice::Cancel { parent: live.key.id, child })
}

/// An execution ended: its parent waits for that.
pub(crate) fn ended(next: &Execution) -> Option<DocumentWrite> {
    let parent = next.started.as_ref()?.parent.clone()?;
    let outcome = match &next.phase {
        Phase::Completed(result) => Ok(result.clone()),
        Phase::Failed(error) => Err(Failure {
            code: error.code.clone(),
            message: format!("the child execution {} failed: {}", next.id, error.sentence()),
            retryable: error.retryable,
            retry_after_ms: None,
            details: error.details.clone(),
            source: error.source,
        }),
        Phase::Blank | Phase::Running => return None,
    };
    write(ended_key(next.id), &Notice::Ended { parent, outcome })
}

pub(crate) fn cancel_key(child: ExecutionId) -> String {
    format!("cancel/{child}")
}

pub(crate) fn ended_key(child: ExecutionId) -> String {
    format!("ended/{child}")
}

fn write(key: String, notice: &Notice) -> Option<DocumentWrite> {
    let value = serde_json::to_vec(notice).map(Bytes::from).ok()?;
    Some(DocumentWrite { kind: DocumentKind::Notice, key, value: Some(value), expect: Expect::Anything })
}

impl Engine {
    /// Does what a notice says, in the background.
    pub(crate) fn heed(&self, tenant: TenantId, key: String) {
        let engine = self.clone();
        self.inner.attempts.spawn("notice", async move {
            if let Err(error) = engine.try_heed(tenant, &key).await {
                tracing::error!(notice = key, %error, "a notice waits for the next start");
            }
        });
    }

    async fn try_heed(&self, tenant: TenantId, key: &str) -> Result<(), Error> {
        let Some(bytes) = self.inner.ports.store.document(tenant, DocumentKind::Notice, key).await? else {
            return Ok(());
        };
        let notice = serde_json::from_slice(&bytes).map_err(|e| Error::broken("a notice cannot be read", &e))?;
        match notice {
            Notice::Cancel { parent, child } => self.cancel_orphan(ExecutionKey { tenant, id: child }, parent).await?,
            Notice::Ended { parent, outcome } => {
                let outcome = match outcome {
                    Ok(result) => Reported::Succeeded(result),
                    Err(failure) => Reported::Failed { failure, chance: self.chance() },
                };
                if let Some(live) = self.rouse(ExecutionKey { tenant, id: parent.execution }).await? {
                    let entry = Entry::ChildEnded { run: parent.run, attempt: parent.attempt, outcome };
                    self.heard(&live, &entry).await?;
                }
            }
        }
        let expect = Expect::Value(bytes);
        let write = DocumentWrite { kind: DocumentKind::Notice, key: key.to_owned(), value: None, expect };
        let transition = Transition { tenant, execution: None, documents: vec![write] };
        Ok(self.inner.committer.commit(transition).await?)
    }

    /// Tells an execution what a notice is about. The notice is done with only if that is written, or changes nothing any more: a host that has lost
    /// the execution, or stops while the store fails, leaves it to the next one.
    pub(crate) async fn heard(&self, live: &Arc<Live>, entry: &Entry) -> Result<(), Error> {
        match self.tell(live, entry).await {
            Ok(()) | Err(Untold::Ignored(_)) => Ok(()),
            Err(Untold::Lost) => Err(Error::Unavailable(format!("{} could not be told", live.key.id))),
        }
    }

    /// After a start: what was not done before the end of the last process.
    pub(crate) async fn heed_all(&self, tenant: TenantId) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = Page { after: after.take(), limit: PAGE };
            let page = self.inner.ports.store.documents(tenant, DocumentKind::Notice, "", page).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for (key, _) in page {
                self.heed(tenant, key);
            }
        }
    }
}
