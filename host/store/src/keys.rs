//! Where everything is in the tree: a letter, then big-endian integers, so that keys sort as what they mean.
//!
//! | key | value |
//! |---|---|
//! | `e` shard, tenant, execution | record |
//! | `j` shard, tenant, execution, seq | journal line, and those after it that came with it |
//! | `o` shard, tenant, execution | empty: the execution is unfinished |
//! | `t` shard, due, tenant, execution | empty: when a parked execution must be loaded |
//! | `i` tenant, status, !created, execution | empty: list by status, newest first |
//! | `I` tenant, workflow, NUL, !created, execution | empty: list by workflow, newest first |
//! | `d` tenant, kind, key | document |
//! | `b` tenant, digest, a key of the above | empty: what has this key may name the file of this digest |
//! | `n` tenant | how many executions have not ended |
//! | `m` name | facts of the store itself, the only ones without a tenant |

use stepwell_core::ids::{Digest, ExecutionId, Shard, TenantId};
use stepwell_core::time::Timestamp;
use stepwell_engine::ports::{DocumentKind, ExecutionKey, ListPlace, RecordStatus};

/// The version of the layout.
pub(crate) const FORMAT: &[u8] = b"mformat";
/// The random name that the store got when it was created.
pub(crate) const STORE_ID: &[u8] = b"mid";
/// How many transitions were ever written, as of the last note of it ([`crate::head`]).
pub(crate) const COMMITS: &[u8] = b"mcommits";

/// The start of all keys of counts.
pub(crate) const COUNTS: &[u8] = b"n";

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

    pub(crate) fn wake(self, due: Timestamp, id: ExecutionId) -> Vec<u8> {
        wake_at(id.shard(self.tenant), due, ExecutionKey { tenant: self.tenant, id })
    }

    /// The start of the keys of all executions with this status.
    pub(crate) fn of_status(self, status: RecordStatus) -> Vec<u8> {
        let mut key = self.start(b'i');
        key.push(status as u8);
        key
    }

    /// The start of the keys of all executions of this workflow.
    pub(crate) fn of_workflow(self, workflow: &str) -> Vec<u8> {
        let mut key = self.start(b'I');
        key.extend(workflow.as_bytes());
        key.push(0);
        key
    }

    /// Also the start of all keys that begin with `key`.
    pub(crate) fn document(self, kind: DocumentKind, key: &str) -> Vec<u8> {
        let mut full = self.start(b'd');
        full.push(kind as u8);
        full.extend(key.as_bytes());
        full
    }

    /// The start of the keys of all that may name this file.
    pub(crate) fn references(self, digest: Digest) -> Vec<u8> {
        let mut key = self.start(b'b');
        key.extend(digest.0);
        key
    }

    /// That the value at this key may name this file.
    pub(crate) fn reference(self, digest: Digest, value: &[u8]) -> Vec<u8> {
        let mut key = self.references(digest);
        key.extend(value);
        key
    }

    /// How many of its executions have not ended.
    pub(crate) fn counts(self) -> Vec<u8> {
        self.start(b'n')
    }

    /// The starts of all keys of the tenant, but for its wakes: what follows from all others, what an execution has in a shard, and what has
    /// no shard.
    pub(crate) fn all(self) -> impl Iterator<Item = Vec<u8>> {
        let sharded = (0..=u8::MAX).flat_map(move |shard| {
            [b'j', b'o', b'e'].map(|letter| {
                let mut start = vec![letter, shard];
                start.extend(self.tenant.0.to_be_bytes());
                start
            })
        });
        let others = [b'i', b'I', b'd', b'b'].map(|letter| self.start(letter));
        std::iter::once(self.counts()).chain(sharded).chain(others)
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

/// The key of a place in the list whose keys start so.
pub(crate) fn in_list(mut list: Vec<u8>, place: ListPlace) -> Vec<u8> {
    list.extend((!place.created.0).to_be_bytes());
    list.extend(place.id.to_bytes());
    list
}

/// The place at the end of a key of [`in_list`].
pub(crate) fn parse_place(key: &[u8]) -> Option<ListPlace> {
    let place: &[u8; 24] = key.last_chunk()?;
    let (created, id) = (place.first_chunk()?, place.last_chunk()?);
    Some(ListPlace { created: Timestamp(!u64::from_be_bytes(*created)), id: ExecutionId::from_bytes(*id) })
}

/// The status, as a number, of the list that a key of [`in_list`] is in; `None` for other keys.
pub(crate) fn parse_status(key: &[u8]) -> Option<u8> {
    if key.first() == Some(&b'i') { key.get(5).copied() } else { None }
}

/// Whose list that is.
pub(crate) fn tenant_of_list(key: &[u8]) -> Option<TenantId> {
    Some(TenantId(u32::from_be_bytes(*key.get(1..)?.first_chunk()?)))
}

/// Whose a key of [`Keys::counts`] is.
pub(crate) fn parse_counts(key: &[u8]) -> Option<TenantId> {
    let (&b'n', tenant) = key.split_first()? else { return None };
    Some(TenantId(u32::from_be_bytes(tenant.try_into().ok()?)))
}

/// Where this wake would be among those of a shard that may not be its own.
pub(crate) fn wake_at(shard: Shard, due: Timestamp, of: ExecutionKey) -> Vec<u8> {
    let mut key = vec![b't', shard.0];
    key.extend(due.0.to_be_bytes());
    key.extend(of.tenant.0.to_be_bytes());
    key.extend(of.id.to_bytes());
    key
}

/// When, and which execution, a key of [`Keys::wake`] names.
pub(crate) fn parse_wake(key: &[u8]) -> Option<(Timestamp, ExecutionKey)> {
    let (due, _) = key.get(2..)?.split_first_chunk()?;
    Some((Timestamp(u64::from_be_bytes(*due)), parse_owner(key.get(10..)?)?))
}

/// The start of the keys of all unfinished executions of a shard, of every tenant.
pub(crate) fn open_in(shard: Shard) -> Vec<u8> {
    vec![b'o', shard.0]
}

/// Which execution a key of [`Keys::open`] names.
pub(crate) fn parse_open(key: &[u8]) -> Option<ExecutionKey> {
    parse_owner(key.get(2..)?)
}

fn parse_owner(key: &[u8]) -> Option<ExecutionKey> {
    let (tenant, id) = key.split_at_checked(4)?;
    let tenant = TenantId(u32::from_be_bytes(tenant.try_into().ok()?));
    Some(ExecutionKey { tenant, id: ExecutionId::from_bytes(id.try_into().ok()?) })
}

/// Where the value is that a key of [`Keys::reference`] stands for.
pub(crate) fn referring(reference: &[u8]) -> &[u8] {
    reference.get(37..).unwrap_or_default()
}

/// Whose a record, a line or a document is; `None` for keys of anything else.
pub(crate) fn tenant_of_value(key: &[u8]) -> Option<TenantId> {
    let tenant = match key.first()? {
        b'e' | b'j' => key.get(2..)?,
        b'd' => key.get(1..)?,
        _ => return None,
    };
    tenant.first_chunk().map(|number| TenantId(u32::from_be_bytes(*number)))
}

/// Which execution a key of [`Keys::record`] names; `None` for other keys.
pub(crate) fn parse_record(key: &[u8]) -> Option<ExecutionKey> {
    if key.first() == Some(&b'e') { parse_owner(key.get(2..)?) } else { None }
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
        let place = |list, created, id| in_list(list, ListPlace { created: Timestamp(created), id });
        let newer = place(keys.of_status(RecordStatus::Failed), 300, a);
        assert!(newer < place(keys.of_status(RecordStatus::Failed), 2, b));
        assert!(place(keys.of_workflow("a"), 0, a) < place(keys.of_workflow("aa"), 9, a));
        let later = wake_at(Shard(0), Timestamp(256), ExecutionKey { tenant: TenantId(1), id: a });
        assert!(wake_at(Shard(0), Timestamp(255), ExecutionKey { tenant: TenantId(2), id: b }) < later);
    }

    #[test]
    fn keys_of_tenants_and_tables_never_meet() {
        let id = ExecutionId::new(1, [9; 10]);
        // `2` is the second byte of the specification's `i2`; a tenant's number may start with the same byte.
        for (one, other) in [(TenantId(1), TenantId(0x3200_0001)), (TenantId(1), TenantId(256))] {
            let (one, other) = (Keys::of(one), Keys::of(other));
            assert_ne!(one.record(id), other.record(id));
            assert!(!other.document(DocumentKind::Setting, "a").starts_with(&one.document(DocumentKind::Setting, "")));
            assert!(!one.of_workflow("").starts_with(b"i"));
        }
    }

    #[test]
    fn open_keys_and_lines_read_back() {
        let key = ExecutionKey { tenant: TenantId(70_000), id: ExecutionId::new(5, [3; 10]) };
        let open = Keys::of(key.tenant).open(key.id);
        assert!(open.starts_with(&open_in(key.shard())));
        assert_eq!(parse_open(&open), Some(key));
        assert_eq!(parse_open(&open[1..]), None);
        let wake = Keys::of(key.tenant).wake(Timestamp(1 << 40), key.id);
        assert_eq!(parse_wake(&wake), Some((Timestamp(1 << 40), key)));
        assert_eq!(parse_wake(&wake[1..]), None);
        let place = ListPlace { created: Timestamp(7), id: key.id };
        assert_eq!(parse_place(&in_list(Keys::of(key.tenant).of_workflow("w"), place)), Some(place));
        assert_eq!(parse_seq(&Keys::of(key.tenant).line(key.id, 77)), Some(77));
        let keys = Keys::of(key.tenant);
        for value in [keys.line(key.id, 1), keys.record(key.id), keys.document(DocumentKind::Setting, "s")] {
            let row = keys.reference(Digest([7; 32]), &value);
            assert_eq!((referring(&row), tenant_of_value(&value)), (&*value, Some(key.tenant)));
            assert!(row.starts_with(&keys.references(Digest([7; 32]))) && tenant_of_value(&row).is_none());
        }
    }
}
