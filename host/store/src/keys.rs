//! Where everything is in the tree: a letter, then big-endian integers, so that keys sort as what they mean.
//!
//! | key | value |
//! |---|---|
//! | `e` shard, tenant, execution | record |
//! | `j` shard, tenant, execution, seq | journal line |
//! | `o` shard, tenant, execution | empty: the execution is unfinished |
//! | `i` tenant, status, !created, execution | empty: list by status, newest first |
//! | `I` tenant, workflow, NUL, !created, execution | empty: list by workflow, newest first |
//! | `d` tenant, kind, key | document |
//! | `m` name | facts of the store itself, the only ones without a tenant |

use stepwell_core::ids::{ExecutionId, Shard, TenantId};
use stepwell_core::time::Timestamp;
use stepwell_engine::ports::{DocumentKind, ExecutionKey, RecordStatus};

/// The version of the layout.
pub(crate) const FORMAT: &[u8] = b"mformat";
/// The random name that the store got when it was created.
pub(crate) const STORE_ID: &[u8] = b"mid";
/// How many transitions were ever written.
pub(crate) const COMMITS: &[u8] = b"mcommits";

/// Builds the keys of one tenant; there is no other way to a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keys {
    tenant: TenantId,
}

impl Keys {
    pub(crate) fn of(tenant: TenantId) -> Self {
        Self { tenant }
    }

    pub(crate) fn record(self, id: ExecutionId) -> Vec<u8> {
        self.execution(b'e', id)
    }

    pub(crate) fn line(self, id: ExecutionId, seq: u32) -> Vec<u8> {
        let mut key = self.execution(b'j', id);
        key.extend(seq.to_be_bytes());
        key
    }

    pub(crate) fn open(self, id: ExecutionId) -> Vec<u8> {
        self.execution(b'o', id)
    }

    /// Where this execution would be among the unfinished ones of a shard that may not be its own.
    pub(crate) fn open_at(self, shard: Shard, id: ExecutionId) -> Vec<u8> {
        let mut key = self.open(id);
        key[1] = shard.0;
        key
    }

    pub(crate) fn by_status(self, status: RecordStatus, created: Timestamp, id: ExecutionId) -> Vec<u8> {
        let mut key = self.start(b'i');
        key.push(status as u8);
        newest_first(&mut key, created, id);
        key
    }

    pub(crate) fn by_workflow(self, workflow: &str, created: Timestamp, id: ExecutionId) -> Vec<u8> {
        let mut key = self.start(b'I');
        key.extend(workflow.as_bytes());
        key.push(0);
        newest_first(&mut key, created, id);
        key
    }

    /// Also the start of all keys that begin with `key`.
    pub(crate) fn document(self, kind: DocumentKind, key: &str) -> Vec<u8> {
        let mut full = self.start(b'd');
        full.push(kind as u8);
        full.extend(key.as_bytes());
        full
    }

    fn execution(self, letter: u8, id: ExecutionId) -> Vec<u8> {
        let shard = id.shard(self.tenant);
        let mut key = Vec::with_capacity(26);
        key.extend([letter, shard.0]);
        key.extend(self.tenant.0.to_be_bytes());
        key.extend(id.to_bytes());
        key
    }

    fn start(self, letter: u8) -> Vec<u8> {
        let mut key = vec![letter];
        key.extend(self.tenant.0.to_be_bytes());
        key
    }
}

fn newest_first(key: &mut Vec<u8>, created: Timestamp, id: ExecutionId) {
    key.extend((!created.0).to_be_bytes());
    key.extend(id.to_bytes());
}

/// The start of the keys of all unfinished executions of a shard, of every tenant.
pub(crate) fn open_in(shard: Shard) -> Vec<u8> {
    vec![b'o', shard.0]
}

/// Which execution a key of [`Keys::open`] names.
pub(crate) fn parse_open(key: &[u8]) -> Option<ExecutionKey> {
    let (tenant, id) = key.get(2..)?.split_at_checked(4)?;
    let tenant = TenantId(u32::from_be_bytes(tenant.try_into().ok()?));
    Some(ExecutionKey { tenant, id: ExecutionId::from_bytes(id.try_into().ok()?) })
}

/// The sequence number at the end of a key of [`Keys::line`].
pub(crate) fn parse_seq(key: &[u8]) -> Option<u32> {
    key.last_chunk().map(|seq| u32::from_be_bytes(*seq))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_what_they_mean() {
        let keys = Keys::of(TenantId(1));
        let [a, b] = [1, 2].map(|ms| ExecutionId::new(ms, [9; 10]));
        assert!(keys.line(a, 255) < keys.line(a, 256));
        let newer = keys.by_status(RecordStatus::Failed, Timestamp(300), a);
        assert!(newer < keys.by_status(RecordStatus::Failed, Timestamp(2), b));
        assert!(keys.by_workflow("a", Timestamp(0), a) < keys.by_workflow("aa", Timestamp(9), a));
    }

    #[test]
    fn keys_of_tenants_and_tables_never_meet() {
        let id = ExecutionId::new(1, [9; 10]);
        // `2` is the second byte of the specification's `i2`; a tenant's number may start with the same byte.
        for (one, other) in [(TenantId(1), TenantId(0x3200_0001)), (TenantId(1), TenantId(256))] {
            let (one, other) = (Keys::of(one), Keys::of(other));
            assert_ne!(one.record(id), other.record(id));
            assert!(!other.document(DocumentKind::Setting, "a").starts_with(&one.document(DocumentKind::Setting, "")));
            assert!(!one.by_workflow("", Timestamp(0), id).starts_with(b"i"));
        }
    }

    #[test]
    fn open_keys_and_lines_read_back() {
        let key = ExecutionKey { tenant: TenantId(70_000), id: ExecutionId::new(5, [3; 10]) };
        let open = Keys::of(key.tenant).open(key.id);
        assert!(open.starts_with(&open_in(key.shard())));
        assert_eq!(parse_open(&open), Some(key));
        assert_eq!(parse_open(&open[1..]), None);
        assert_eq!(parse_seq(&Keys::of(key.tenant).line(key.id, 77)), Some(77));
    }
}
