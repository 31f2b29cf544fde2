//! A part of everything is read again while the store is in use: what has rotted is found while a backup still has it.
//!
//! First the rows, in the order of their keys: each by its checksum, and whether its file is there. Then the files, by area, tenant and
//! digest: each by its digest, so that a file that many rows name is read once. A pass is cut into parts by [`Place`], which is all that a
//! later part needs to know of the ones before.

use crate::files::{Area, FileError, Files, Place as Folder};
use crate::keys::{self, Keys};
use crate::look::apart;
use crate::named::{Named, named};
use crate::read::unavailable;
use crate::value::{Body, Kind, decode, decode_record, filed};
use bytes::Bytes;
use std::ops::Bound;
use stepwell_core::ids::{Digest, TenantId};
use stepwell_engine::ports::{Damage, ScrubPlace, Scrubbed, StoreError};

/// Rows or files of one part at most, however small they are.
const PART_VALUES: u64 = 2_048;
/// Rows that are told of for one damaged file.
const TOLD_ROWS: usize = 16;

/// What is looked at.
pub(crate) struct Scrub<'a> {
    pub(crate) tree: &'a sled::Db,
    pub(crate) files: &'a Files,
}

/// Where a pass is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Behind the row with this key.
    Rows(Vec<u8>),
    /// Behind this file of a tenant's, or before its first one.
    Files(Area, TenantId, Option<Digest>),
}

impl Scrub<'_> {
    /// The part after this place. What cannot be read is told like what is damaged: for whoever needs it, it is.
    pub(crate) fn part(&self, after: Option<&ScrubPlace>, most: u64) -> Scrubbed {
        match after.and_then(|after| Place::read(&after.0)).unwrap_or(Place::Rows(Vec::new())) {
            Place::Rows(after) => self.rows(after, most),
            Place::Files(area, tenant, after) => self.folder((area, tenant), after, most),
        }
    }

    fn rows(&self, after: Vec<u8>, most: u64) -> Scrubbed {
        let mut seen = Scrubbed::default();
        for row in self.tree.range::<Vec<u8>, _>((Bound::Excluded(after), Bound::Unbounded)) {
            let (key, value) = match row {
                Ok(row) => row,
                Err(error) => {
                    // It says nothing of where, and does not go on behind it.
                    seen.damaged.push(of_error("the index", &unavailable(error)));
                    break;
                }
            };
            seen.values += 1;
            seen.bytes += (key.len() + value.len()) as u64;
            seen.damaged.extend(self.row(&key, &value));
            if is_enough(&seen, most) {
                seen.next = Some(Place::Rows(key.to_vec()).written());
                return seen;
            }
        }
        self.then(seen, None)
    }

    fn row(&self, key: &[u8], value: &[u8]) -> Vec<Damage> {
        let damaged: Vec<_> = match named(key) {
            None => {
                let (at, what) = (format!("key {key:02x?}"), "it is no key of this program's".to_owned());
                vec![Damage { at, what, execution: None }]
            }
            Some(named) => {
                let parts = apart(named, value).into_iter();
                let damaged = parts.filter_map(|(named, part)| {
                    let what = self.what_is_wrong(&named, part)?;
                    Some(Damage { at: named.place(), what, execution: named.execution() })
                });
                damaged.collect()
            }
        };
        // It may have changed, and its file have gone, since it was read.
        if !damaged.is_empty() && self.tree.get(key).is_ok_and(|now| now.as_deref() != Some(value)) {
            return Vec::new();
        }
        damaged
    }

    fn what_is_wrong(&self, named: &Named, value: &[u8]) -> Option<String> {
        let body = match named {
            Named::Index(_) | Named::Reference(_) if value.is_empty() => return None,
            Named::Index(_) | Named::Reference(_) => return Some("it has a value, and should have none".to_owned()),
            Named::Record(_) => decode_record(value, String::new).map(|(_, body)| body),
            Named::Line(..) => decode(Kind::Line, value, String::new),
            Named::Document(..) => decode(Kind::Document, value, String::new),
            Named::Meta => decode(Kind::Meta, value, String::new),
        };
        let file = match body {
            Ok(Body::Inline(_)) => return None,
            Ok(Body::Filed(file)) => file.digest,
            Err(error) => return Some(of_error("", &error).what),
        };
        match self.files.has(Folder { area: Area::Values, tenant: named.tenant()? }, file) {
            Ok(true) => None,
            Ok(false) => Some(format!("its file {} is missing", file.hex())),
            Err(error) => Some(format!("its file {} cannot be found: {error}", file.hex())),
        }
    }

    fn folder(&self, (area, tenant): (Area, TenantId), after: Option<Digest>, most: u64) -> Scrubbed {
        let (mut seen, of) = (Scrubbed::default(), Folder { area, tenant });
        for part in after.map_or(0, first_byte)..=u8::MAX {
            let found = self.files.part(of, part);
            let mut digests = found.unwrap_or_else(|error| {
                let at = format!("the files {part:02x} of {tenant}");
                seen.damaged.push(Damage { at, what: format!("they cannot be listed: {error}"), execution: None });
                Vec::new()
            });
            digests.sort_unstable_by_key(|digest| digest.0);
            for digest in digests.into_iter().filter(|digest| after.is_none_or(|after| digest.0 > after.0)) {
                seen.values += 1;
                match self.files.get(of, digest) {
                    Ok(found) => seen.bytes += found.map_or(0, |bytes| bytes.len() as u64), // or it went meanwhile
                    Err(error) => seen.damaged.extend(self.of_file((area, tenant, digest), &error)),
                }
                if is_enough(&seen, most) {
                    seen.next = Some(Place::Files(area, tenant, Some(digest)).written());
                    return seen;
                }
            }
        }
        self.then(seen, Some((area, tenant)))
    }

    /// What a file that is not what its name says means: one thing for each row that names it, and nothing if none does.
    fn of_file(&self, (area, tenant, digest): (Area, TenantId, Digest), error: &FileError) -> Vec<Damage> {
        let what = match error {
            FileError::Damaged(_) => error.to_string(),
            FileError::Io(error) => format!("the file {} cannot be read: {error}", digest.hex()),
        };
        if area == Area::Blobs {
            return vec![Damage { at: format!("blob {digest} of {tenant}"), what, execution: None }];
        }
        let rows = self.tree.scan_prefix(Keys::of(tenant).references(digest)).keys().filter_map(Result::ok);
        let naming = rows.filter_map(|row| {
            let key = keys::referring(&row);
            let stored = self.tree.get(key).ok()??;
            let named = named(key).filter(|_| filed(&stored) == Some(digest))?;
            Some(Damage { at: named.place(), what: what.clone(), execution: named.execution() })
        });
        naming.take(TOLD_ROWS).collect()
    }

    /// The pass goes on with the folder after this one; `None`: with the first one.
    fn then(&self, mut seen: Scrubbed, after: Option<(Area, TenantId)>) -> Scrubbed {
        for area in [Area::Values, Area::Blobs] {
            let next = self.files.tenants(area).map(|tenants| {
                tenants
                    .into_iter()
                    .find(|tenant| after.is_none_or(|after| (rank(area), *tenant) > (rank(after.0), after.1)))
            });
            match next {
                Ok(None) => {}
                Ok(Some(tenant)) => {
                    seen.next = Some(Place::Files(area, tenant, None).written());
                    break;
                }
                Err(error) => {
                    let what = format!("they cannot be listed: {error}");
                    seen.damaged.push(Damage { at: "the folders of files".to_owned(), what, execution: None });
                }
            }
        }
        seen
    }
}

fn is_enough(seen: &Scrubbed, most: u64) -> bool {
    seen.bytes >= most || seen.values >= PART_VALUES
}

fn first_byte(digest: Digest) -> u8 {
    let [first, ..] = digest.0;
    first
}

fn of_error(at: &str, error: &StoreError) -> Damage {
    let what = match error {
        StoreError::Damaged { what, .. } => what.clone(),
        StoreError::Unavailable(why) => why.clone(),
    };
    Damage { at: at.to_owned(), what, execution: None }
}

/// Values come first.
fn rank(area: Area) -> u8 {
    match area {
        Area::Values => 0,
        Area::Blobs => 1,
    }
}

impl Place {
    fn written(&self) -> ScrubPlace {
        let mut bytes = Vec::new();
        match self {
            Self::Rows(key) => {
                bytes.push(b'r');
                bytes.extend(key);
            }
            Self::Files(area, tenant, digest) => {
                bytes.extend([b'f', rank(*area)]);
                bytes.extend(tenant.0.to_be_bytes());
                bytes.extend(digest.iter().flat_map(|digest| digest.0));
            }
        }
        ScrubPlace(Bytes::from(bytes))
    }

    /// What [`Place::written`] wrote.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (&letter, rest) = bytes.split_first()?;
        if letter == b'r' {
            return Some(Self::Rows(rest.to_vec()));
        }
        let (&area, rest) = rest.split_first()?;
        let area = [Area::Values, Area::Blobs].into_iter().find(|known| rank(*known) == area)?;
        let (tenant, digest) = rest.split_first_chunk()?;
        Some(Self::Files(
            area,
            TenantId(u32::from_be_bytes(*tenant)),
            digest.first_chunk().map(|digest| Digest(*digest)),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_read_back() {
        for place in [
            Place::Rows(Vec::new()),
            Place::Rows(b"jkey".to_vec()),
            Place::Files(Area::Values, TenantId(7), None),
            Place::Files(Area::Blobs, TenantId(u32::MAX), Some(Digest([9; 32]))),
        ] {
            assert_eq!(Place::read(&place.written().0), Some(place));
        }
    }
}
