//! Uploads that are under way, by id: to be looked at, and to be ended. Each holds a turn ([`crate::uploads`]), so that there are few.

use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stepwell_core::ids::TenantId;
use stepwell_core::time::Timestamp;
use stepwell_engine::ports::{UploadState, Uploading};

/// All of them.
#[derive(Clone, Default)]
pub struct UnderWay(Arc<Mutex<BTreeMap<String, Known>>>);

/// One of them.
#[derive(Clone)]
pub struct Known {
    /// Whose it is.
    pub tenant: TenantId,
    /// The id that it is uploaded under.
    pub function: String,
    /// Who uploads.
    pub by: String,
    /// Its size.
    pub bytes: usize,
    /// When its bytes were there.
    pub since: Timestamp,
    /// How far it is.
    pub progress: Uploading,
}

/// The same as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    id: String,
    function: String,
    by: String,
    bytes: usize,
    received_at: String,
    phase: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    compiled: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    functions: Option<u32>,
}

/// It is under way until this is dropped.
pub struct Entry {
    all: UnderWay,
    id: String,
}

impl UnderWay {
    /// One more.
    pub fn enter(&self, id: String, upload: Known) -> Entry {
        self.lock().insert(id.clone(), upload);
        Entry { all: self.clone(), id }
    }

    /// A tenant's.
    pub fn of(&self, tenant: TenantId) -> Vec<Shown> {
        let all = self.lock();
        all.iter().filter(|(_, known)| known.tenant == tenant).map(|(id, known)| shown(id, known)).collect()
    }

    /// Ends one of a tenant. `None`: there is none of this id; otherwise whether it ends, or is being stored already.
    pub fn cancel(&self, tenant: TenantId, id: &str) -> Option<bool> {
        let progress = self.lock().get(id).filter(|known| known.tenant == tenant)?.progress.clone();
        Some(progress.cancel())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.all.lock().remove(&self.id);
    }
}

fn shown(id: &str, known: &Known) -> Shown {
    let UploadState { phase, compiled, .. } = *known.progress.follow().borrow();
    Shown {
        id: id.to_owned(),
        function: known.function.clone(),
        by: known.by.clone(),
        bytes: known.bytes,
        received_at: known.since.rfc3339(),
        phase: phase.word(),
        compiled: compiled.map(|(done, _)| done),
        functions: compiled.map(|(_, of)| of),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwell_engine::ports::Phase;

    #[test]
    fn only_its_tenant_sees_and_ends_it_and_only_while_it_is_under_way() {
        let all = UnderWay::default();
        let progress = Uploading::default();
        let known = |tenant| Known {
            tenant: TenantId(tenant),
            function: "f".to_owned(),
            by: "ann".to_owned(),
            bytes: 3,
            since: Timestamp(0),
            progress: progress.clone(),
        };
        let entry = all.enter("upl-1".to_owned(), known(1));
        progress.compiled(2, 4);
        let seen = serde_json::to_value(all.of(TenantId(1))).expect("JSON");
        assert_eq!(
            (&seen[0]["id"], &seen[0]["phase"], &seen[0]["compiled"]),
            (&"upl-1".into(), &"compiling".into(), &2.into())
        );
        assert!(all.of(TenantId(2)).is_empty());
        assert_eq!((all.cancel(TenantId(2), "upl-1"), all.cancel(TenantId(1), "upl-2")), (None, None));
        assert_eq!(all.cancel(TenantId(1), "upl-1"), Some(true));
        drop(entry);
        assert_eq!(all.cancel(TenantId(1), "upl-1"), None);
        let stored = Uploading::default();
        stored.reached(Phase::Storing);
        let entry = all.enter("upl-3".to_owned(), Known { progress: stored, ..known(1) });
        assert_eq!((all.cancel(TenantId(1), entry.id()), entry.id()), (Some(false), "upl-3"));
    }
}
