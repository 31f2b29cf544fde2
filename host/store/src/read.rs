//! Reading: straight from the tree, every value checked, large ones fetched from their files.

use crate::files::{Area, FileError, Files, Place};
use crate::keys::{self, Keys};
use crate::named::line_place;
use crate::pack;
use crate::value::{Body, Kind, damaged, decode, decode_record};
use bytes::Bytes;
use std::ops::Bound;
use stepwell_core::ids::{Digest, Shard, TenantId};
use stepwell_engine::ports::{
    Damage, DocumentKind, DocumentList, ExecutionKey, Line, Page, Record, StoreError, Summary,
};

/// A list passes over so many damaged documents; a store with more of them in one place is no store any more.
const DAMAGED: usize = 1_000;

/// The tree and the files, for blocking reads.
pub(crate) struct Reader<'a> {
    pub(crate) tree: &'a sled::Db,
    pub(crate) files: &'a Files,
}

impl Reader<'_> {
    pub(crate) fn record(&self, key: ExecutionKey) -> Result<Option<Record>, StoreError> {
        let at = || format!("the record of {} of {}", key.id, key.tenant);
        let Some(stored) = self.tree.get(Keys::of(key.tenant).record(key.id)).map_err(unavailable)? else {
            return Ok(None);
        };
        let (summary, body) = decode_record(&stored, at)?;
        let body = self.fetch(key.tenant, body, at)?;
        let Summary { status, created, wake, workflow, outline } = summary;
        Ok(Some(Record { status, created, wake, workflow, outline, body }))
    }

    pub(crate) fn journal(&self, key: ExecutionKey, from: u32, limit: usize) -> Result<Vec<Line>, StoreError> {
        let keys = Keys::of(key.tenant);
        let (mut lines, mut next) = (Vec::new(), from);
        for row in self.tree.range(self.row_with(key, from)?..=keys.line(key.id, u32::MAX)) {
            if lines.len() >= limit {
                break;
            }
            let (found, stored) = row.map_err(unavailable)?;
            let first = keys::parse_seq(&found).filter(|first| *first <= next);
            let first = first.ok_or_else(|| damaged(line_place(key, next), "it is missing"))?;
            let wanted = (first..=u32::MAX).zip(pack::parts(&stored)).filter(|(seq, _)| *seq >= from);
            for (seq, part) in wanted.take(limit - lines.len()) {
                let at = || line_place(key, seq);
                let entry = self.fetch(key.tenant, decode(Kind::Line, part, at)?, at)?;
                lines.push(Line { seq, entry });
                next = seq.saturating_add(1);
            }
        }
        Ok(lines)
    }

    /// The key of the row that this line is in, or would be in.
    fn row_with(&self, key: ExecutionKey, seq: u32) -> Result<Vec<u8>, StoreError> {
        let keys = Keys::of(key.tenant);
        let alone = keys.line(key.id, seq);
        let before = self.tree.range(keys.line(key.id, 0)..=alone.clone()).next_back().transpose();
        let Some((found, stored)) = before.map_err(unavailable)? else { return Ok(alone) };
        let first = keys::parse_seq(&found).unwrap_or(seq);
        // One that does not say how many lines it has may have had this one.
        if first < seq && pack::count(&stored, || line_place(key, first))? > seq - first {
            return Ok(found.to_vec());
        }
        Ok(alone)
    }

    pub(crate) fn unfinished(
        &self,
        shard: Shard,
        after: Option<ExecutionKey>,
        limit: usize,
    ) -> Result<Vec<ExecutionKey>, StoreError> {
        let prefix = keys::open_in(shard);
        let start = match after {
            // A key of another shard has no place in this one; only its order counts.
            Some(key) => Bound::Excluded(Keys::of(key.tenant).open_at(shard, key.id)),
            None => Bound::Included(prefix.clone()),
        };
        let found = self.tree.range::<Vec<u8>, _>((start, Bound::Unbounded)).keys();
        let found = found.take_while(|key| key.as_ref().map_or(true, |key| key.starts_with(&prefix)));
        let parsed = found.take(limit).map(|key| {
            let key = key.map_err(unavailable)?;
            keys::parse_open(&key).ok_or_else(|| damaged(format!("open executions of shard {}", shard.0), "bad key"))
        });
        parsed.collect()
    }

    pub(crate) fn document(
        &self,
        tenant: TenantId,
        kind: DocumentKind,
        key: &str,
    ) -> Result<Option<Bytes>, StoreError> {
        let at = || place(tenant, kind, key);
        let stored = self.tree.get(Keys::of(tenant).document(kind, key)).map_err(unavailable)?;
        stored.map(|stored| self.fetch(tenant, decode(Kind::Document, &stored, at)?, at)).transpose()
    }

    pub(crate) fn documents(
        &self,
        of: (TenantId, DocumentKind),
        prefix: &str,
        page: &Page,
    ) -> Result<Vec<(String, Bytes)>, StoreError> {
        self.each(of, prefix, page.after.as_deref()).take(page.limit).collect()
    }

    /// Passes over what is damaged.
    pub(crate) fn list(
        &self,
        of: (TenantId, DocumentKind),
        prefix: &str,
        page: &Page,
    ) -> Result<DocumentList, StoreError> {
        let mut list = DocumentList::default();
        for document in self.each(of, prefix, page.after.as_deref()) {
            match document {
                Ok(document) => list.items.push(document),
                Err(StoreError::Damaged { at, what }) if list.damaged.len() < DAMAGED => {
                    list.damaged.push(Damage { at, what, execution: None });
                }
                Err(error) => return Err(error),
            }
            if list.items.len() >= page.limit {
                break;
            }
        }
        Ok(list)
    }

    /// The documents whose keys start so, behind this key.
    fn each(
        &self,
        (tenant, kind): (TenantId, DocumentKind),
        prefix: &str,
        after: Option<&str>,
    ) -> impl Iterator<Item = Result<(String, Bytes), StoreError>> {
        let keys = Keys::of(tenant);
        let (table, first) = (keys.document(kind, "").len(), keys.document(kind, prefix));
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(keys.document(kind, after)),
            _ => Bound::Included(first.clone()),
        };
        let found = self.tree.range::<Vec<u8>, _>((start, Bound::Unbounded));
        let found = found.take_while(move |pair| pair.as_ref().map_or(true, |(key, _)| key.starts_with(&first)));
        found.map(move |pair| {
            let (key, stored) = pair.map_err(unavailable)?;
            let name = key.get(table..).unwrap_or_default();
            let lossy = || place(tenant, kind, &String::from_utf8_lossy(name));
            let name = std::str::from_utf8(name).map_err(|_| damaged(lossy(), "its key is not text"))?;
            let at = || place(tenant, kind, name);
            let value = self.fetch(tenant, decode(Kind::Document, &stored, at)?, at)?;
            Ok((name.to_owned(), value))
        })
    }

    pub(crate) fn blob(&self, tenant: TenantId, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        let place = Place { area: Area::Blobs, tenant };
        self.files.get(place, digest).map_err(|error| unreadable(error, || format!("blob {digest} of {tenant}")))
    }

    fn fetch(&self, tenant: TenantId, body: Body, at: impl Fn() -> String) -> Result<Bytes, StoreError> {
        let file = match body {
            Body::Inline(bytes) => return Ok(bytes),
            Body::Filed(file) => file,
        };
        let found = self.files.get(Place { area: Area::Values, tenant }, file.digest);
        found
            .map_err(|error| unreadable(error, &at))?
            .ok_or_else(|| damaged(at(), &format!("its file {} is missing", file.digest.hex())))
    }
}

fn place(tenant: TenantId, kind: DocumentKind, key: &str) -> String {
    format!("document {key:?} ({kind:?}) of {tenant}")
}

fn unreadable(error: FileError, at: impl Fn() -> String) -> StoreError {
    match error {
        FileError::Damaged(_) => damaged(at(), &error.to_string()),
        FileError::Io(error) => StoreError::Unavailable(format!("{} cannot be read: {error}", at())),
    }
}

/// What an error of sled's means for who asked.
pub(crate) fn unavailable(error: sled::Error) -> StoreError {
    match error {
        sled::Error::Corruption { .. } => damaged("the index".to_owned(), "sled reports corruption"),
        other => StoreError::Unavailable(format!("the index: {other}")),
    }
}
