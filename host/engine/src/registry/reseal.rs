//! The secrets of definitions under another data key: of the current definitions, and of all revisions.

use super::workflows::Document;
use super::{Registry, read, write};
use crate::Error;
use crate::ports::{CommitError, DocumentKind, Expect, Page, Transition};
use crate::secrets::Place;
use bytes::Bytes;
use std::sync::Arc;
use stepwell_core::ids::TenantId;

/// Definitions that are read at one time: each may be a megabyte.
const PAGE: usize = 10;

impl Registry {
    /// Seals with the tenant's present key whatever is sealed with the one before. Answers how many texts that were.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn reseal(&self, tenant: TenantId) -> Result<u64, Error> {
        let mut count = 0;
        for kind in [DocumentKind::Workflow, DocumentKind::WorkflowRevision] {
            let mut after = None;
            loop {
                let page = Page { after: after.take(), limit: PAGE };
                let found = self.store.documents(tenant, kind, "", page).await?;
                let Some((last, _)) = found.last() else { break };
                after = Some(last.clone());
                for (key, bytes) in found {
                    count += self.reseal_definition(tenant, (kind, key), bytes).await?;
                }
            }
        }
        Ok(count)
    }

    async fn reseal_definition(
        &self,
        tenant: TenantId,
        (kind, key): (DocumentKind, String),
        mut bytes: Bytes,
    ) -> Result<u64, Error> {
        // A revision's key has its number behind the id.
        let id = match key.rsplit_once('/') {
            Some((id, _)) if kind == DocumentKind::WorkflowRevision => id,
            _ => &key,
        };
        loop {
            let mut document: Document = read(&bytes)?;
            let mut count = 0;
            for sealed in document.sealed.values_mut() {
                if let Some(again) = self.keyring.resealed(tenant, Place::Definition(id), sealed).await? {
                    *sealed = again;
                    count += 1;
                }
            }
            if count == 0 {
                return Ok(0);
            }
            let documents = vec![write(kind, key.clone(), &document, Expect::Value(bytes))?];
            let (cache, id, revision) = (Arc::clone(&self.workflows), id.to_owned(), document.revision);
            // What is in memory holds the old text.
            let then = Box::new(move || {
                cache.remove(tenant, (id.clone(), None));
                cache.remove(tenant, (id, Some(revision)));
            });
            match self.committer.commit_then(Transition { tenant, execution: None, documents }, then).await {
                Ok(()) => return Ok(count),
                Err(CommitError::Unexpected { .. }) => {} // it was changed or deleted meanwhile
                Err(other) => return Err(other.into()),
            }
            let Some(now) = self.store.document(tenant, kind, &key).await? else { return Ok(0) };
            bytes = now;
        }
    }
}
