//! What a key names: the way back from [`crate::keys`], for whoever walks through a whole store.

use crate::keys::{self, parse_open, parse_place, parse_record, parse_wake};
use stepwell_core::ids::TenantId;
use stepwell_engine::ports::ExecutionKey;

/// What stands at a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    Record(ExecutionKey),
    Line(ExecutionKey, u32),
    /// A row that follows from the record of an execution.
    Index(ExecutionKey),
    /// That a value of this tenant may name a file.
    Reference(TenantId),
    /// Whose, the number of its kind, its key.
    Document(TenantId, u8, String),
    /// A fact of the store itself, or a count of what is in it.
    Meta,
}

impl Named {
    /// Whose it is.
    pub(crate) fn tenant(&self) -> Option<TenantId> {
        match self {
            Self::Record(of) | Self::Line(of, _) | Self::Index(of) => Some(of.tenant),
            Self::Document(tenant, ..) | Self::Reference(tenant) => Some(*tenant),
            Self::Meta => None,
        }
    }

    /// The execution that it belongs to.
    pub(crate) fn execution(&self) -> Option<ExecutionKey> {
        match self {
            Self::Record(of) | Self::Line(of, _) | Self::Index(of) => Some(*of),
            Self::Document(..) | Self::Reference(_) | Self::Meta => None,
        }
    }

    /// For people.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Record(of) => format!("the record of {} of {}", of.id, of.tenant),
            Self::Line(of, seq) => line_place(*of, *seq),
            Self::Index(of) => format!("an index row of {} of {}", of.id, of.tenant),
            Self::Document(tenant, kind, key) => format!("document {key:?} (kind {kind}) of {tenant}"),
            Self::Reference(tenant) => format!("a row that says what names a file of {tenant}"),
            Self::Meta => "a fact of the store itself".to_owned(),
        }
    }
}

/// `None`: no key of ours.
pub(crate) fn named(key: &[u8]) -> Option<Named> {
    let in_shard = |of: ExecutionKey| (key.get(1) == Some(&of.shard().0)).then_some(of);
    match key.first()? {
        b'e' => Some(Named::Record(in_shard(parse_record(key)?)?)),
        b'o' => Some(Named::Index(in_shard(parse_open(key)?)?)),
        b't' => Some(Named::Index(in_shard(parse_wake(key)?.1)?)),
        b'j' => {
            let (owner, seq) = key.split_last_chunk::<4>()?;
            // The rest looks like a key of an open execution, but for its letter.
            Some(Named::Line(in_shard(parse_open(owner)?)?, u32::from_be_bytes(*seq)))
        }
        b'i' | b'I' => {
            let tenant = tenant(key)?;
            // A status, or at least the end of a workflow's id.
            key.get(5..)?.len().checked_sub(25)?;
            Some(Named::Index(ExecutionKey { tenant, id: parse_place(key)?.id }))
        }
        b'd' => {
            let text = std::str::from_utf8(key.get(6..)?).ok()?;
            Some(Named::Document(tenant(key)?, *key.get(5)?, text.to_owned()))
        }
        b'b' => key.get(37..).filter(|value| !value.is_empty()).and_then(|_| Some(Named::Reference(tenant(key)?))),
        b'm' => Some(Named::Meta),
        b'n' => keys::parse_counts(key).map(|_| Named::Meta),
        _ => None,
    }
}

/// For people.
pub(crate) fn line_place(of: ExecutionKey, seq: u32) -> String {
    format!("line {seq} of the journal of {} of {}", of.id, of.tenant)
}

fn tenant(key: &[u8]) -> Option<TenantId> {
    Some(TenantId(u32::from_be_bytes(*key.get(1..)?.first_chunk()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indexes::indexes;
    use crate::keys::Keys;
    use bytes::Bytes;
    use stepwell_core::ids::ExecutionId;
    use stepwell_core::time::Timestamp;
    use stepwell_engine::ports::{DocumentKind, RecordStatus, Summary};

    #[test]
    fn every_key_reads_back_and_a_cut_one_does_not_pass_for_another() {
        let of = ExecutionKey { tenant: TenantId(70_000), id: ExecutionId::new(5, [3; 10]) };
        let keys = Keys::of(of.tenant);
        assert_eq!(named(&keys.record(of.id)), Some(Named::Record(of)));
        assert_eq!(named(&keys.line(of.id, 7)), Some(Named::Line(of, 7)));
        let document = Named::Document(of.tenant, DocumentKind::Setting as u8, "a".to_owned());
        assert_eq!(named(&keys.document(DocumentKind::Setting, "a")), Some(document));
        let reference = keys.reference(stepwell_core::ids::Digest([7; 32]), &keys.record(of.id));
        assert_eq!(named(&reference), Some(Named::Reference(of.tenant)));
        for status in RecordStatus::ALL {
            let wake = (status == RecordStatus::Parked).then_some(Timestamp(9));
            let (workflow, outline) = ("w".to_owned(), Bytes::new());
            let summary = Summary { status, created: Timestamp(1), wake, workflow, outline };
            for key in indexes(of, &summary) {
                assert_eq!(named(&key), Some(Named::Index(of)), "{key:?}");
            }
        }
        for key in [keys.record(of.id), keys.line(of.id, 7), keys.open(of.id)] {
            for cut in 0..key.len() {
                assert_eq!(named(&key[..cut]), None, "{key:?} cut to {cut}");
            }
        }
    }
}
