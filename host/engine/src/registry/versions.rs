//! What becomes of a function after its first version: it is rolled back, deleted, and its history is read.
//!
//! A deleted function is gone for new starts. Its versions and their artifacts stay, because executions pin them; if the id is used
//! again, they are counted on.

use super::revisions::changed_by_others;
use super::{CHANGES_AT_ONCE, Function, Precondition, Registry, Tombstone, numbered, read, removal, write};
use crate::ports::{CommitError, DocumentKind, Expect, Page, Transition};
use crate::{Error, sound};
use std::sync::Arc;
use stepwell_core::ids::{TenantId, is_valid_name};

/// Most versions in one answer: each has its schemas with it.
const VERSIONS_PAGE: usize = 100;

/// A part of a function's history.
#[derive(Debug)]
pub struct VersionPage {
    /// Oldest first.
    pub items: Vec<Function>,
    /// Where the next part begins, if there is one.
    pub next: Option<u32>,
}

impl Registry {
    /// The versions after a number, oldest first; those of a deleted function, too.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there never was such a function.
    pub async fn versions(
        &self,
        tenant: TenantId,
        id: &str,
        (after, limit): (u32, usize),
    ) -> Result<VersionPage, Error> {
        let not_found = || Error::NotFound { what: "function", id: id.to_owned() };
        if !is_valid_name(id) {
            return Err(not_found());
        }
        let limit = limit.clamp(1, VERSIONS_PAGE);
        let page = Page { after: Some(numbered(id, after)), limit: limit + 1 };
        let found =
            sound::listed(&*self.store, (tenant, DocumentKind::FunctionVersion), &format!("{id}/"), page).await?;
        let items: Result<Vec<Function>, Error> = found.iter().take(limit).map(|(_, bytes)| read(bytes)).collect();
        let items = items?;
        if items.is_empty() && after == 0 {
            return Err(not_found());
        }
        let next = if found.len() > limit { items.last().map(|function| function.version) } else { None };
        Ok(VersionPage { items, next })
    }

    /// Makes what an earlier version was, by default the one before the current, the next version. Rolling back to what is current
    /// changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such function or version, [`Error::PreconditionFailed`].
    pub async fn roll_back(
        &self,
        tenant: TenantId,
        (id, version): (&str, Option<u32>),
        precondition: &Precondition,
    ) -> Result<Function, Error> {
        let current = self.function(tenant, id).await?;
        let current = current.ok_or_else(|| Error::NotFound { what: "function", id: id.to_owned() })?;
        precondition.check("the function", Some(current.version))?;
        let wanted = version.unwrap_or(current.version.saturating_sub(1));
        let bytes = self.store.document(tenant, DocumentKind::FunctionVersion, &numbered(id, wanted)).await?;
        let bytes = bytes.ok_or_else(|| Error::NotFound { what: "version", id: format!("{id}/{wanted}") })?;
        self.register(tenant, read(&bytes)?, precondition).await
    }

    /// Deletes a function. Executions that pinned it go on; new starts are refused until it is registered again.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`].
    pub async fn delete_function(&self, tenant: TenantId, id: &str, precondition: &Precondition) -> Result<(), Error> {
        let not_found = || Error::NotFound { what: "function", id: id.to_owned() };
        if !is_valid_name(id) {
            return Err(not_found());
        }
        for _ in 0..CHANGES_AT_ONCE {
            let bytes = self.store.document(tenant, DocumentKind::Function, id).await?.ok_or_else(not_found)?;
            let last = read::<Function>(&bytes)?.version;
            precondition.check("the function", Some(last))?;
            let documents = vec![
                removal(DocumentKind::Function, id.to_owned(), Expect::Value(bytes)),
                write(DocumentKind::DeletedFunction, id.to_owned(), &Tombstone { last }, Expect::Anything)?,
            ];
            let (cache, key) = (Arc::clone(&self.functions), id.to_owned());
            let then = Box::new(move || cache.remove(tenant, key));
            match self.committer.commit_then(Transition { tenant, execution: None, documents }, then).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Unexpected { .. }) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(changed_by_others("function", id))
    }
}
