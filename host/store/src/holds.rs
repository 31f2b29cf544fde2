//! Who is about to refer to which file: taken before a file is looked for, given back when the commit is in the tree.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stepwell_core::ids::{Digest, TenantId};

type Counts = HashMap<(TenantId, Digest), usize>;

/// All holds of a store.
#[derive(Default)]
pub(crate) struct Holds(Mutex<Counts>);

/// One hold; given back when dropped.
pub(crate) struct Held {
    holds: Arc<Holds>,
    of: (TenantId, Digest),
}

/// While this lives nobody takes a hold.
pub(crate) struct Locked<'a>(MutexGuard<'a, Counts>);

impl Holds {
    /// Takes one. Waits while files are being removed.
    pub(crate) fn take(self: &Arc<Self>, tenant: TenantId, digest: Digest) -> Held {
        let of = (tenant, digest);
        *self.lock().0.entry(of).or_default() += 1;
        Held { holds: Arc::clone(self), of }
    }

    pub(crate) fn lock(&self) -> Locked<'_> {
        Locked(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Locked<'_> {
    pub(crate) fn has(&self, tenant: TenantId, digest: Digest) -> bool {
        self.0.contains_key(&(tenant, digest))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut all = self.holds.lock();
        if let Some(count) = all.0.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                all.0.remove(&self.of);
            }
        }
    }
}
