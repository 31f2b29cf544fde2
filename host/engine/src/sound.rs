//! Lists go on past what is damaged: it is left out, and the log says which it was. Whoever asks for that one alone is told that the server
//! failed; whoever asks for all others is not in its way.

use crate::Error;
use crate::ports::{Damage, DocumentKind, Page, Store, StoreError};
use bytes::Bytes;
use stepwell_core::ids::TenantId;

/// Documents for a list that somebody looks at.
pub(crate) async fn listed(
    store: &dyn Store,
    (tenant, kind): (TenantId, DocumentKind),
    prefix: &str,
    page: Page,
) -> Result<Vec<(String, Bytes)>, StoreError> {
    let list = store.list(tenant, kind, prefix, page).await?;
    left_out(&list.damaged);
    Ok(list.items)
}

/// What a list shows of one of its lines; `None`: it cannot be shown. The log says why.
pub(crate) fn line<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Ok(shown) => Ok(Some(shown)),
        Err(Error::Broken) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tells the operator.
pub(crate) fn left_out(damaged: &[Damage]) {
    for Damage { at, what, execution } in damaged {
        let execution = execution.map(|key| key.id.to_string());
        tracing::error!(at, what, execution, "damaged data is left out of a list; a backup may have it");
    }
}
