//! A backup is read: to see whether it is whole, or to make a store of it.

use super::frame::{BackupError, Reading, damaged};
use super::{End, Header, VERSION};
use crate::durability::Durability;
use crate::files::{Area, Files, Place, create_folder};
use crate::freeze::Row;
use crate::head::{Head, Progress};
use crate::open::{SledConfig, open_index};
use crate::value::{Body, Kind, Reference, decode};
use crate::{OpenError, keys};
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use stepwell_core::ids::{Digest, TenantId};

/// What comes out of a backup.
trait Take {
    fn rows(&mut self, rows: Vec<Row>) -> Result<(), BackupError>;
    fn file(&mut self, place: Place, bytes: &[u8]) -> Result<(), BackupError>;
}

/// Looks only.
struct Look;

impl Take for Look {
    fn rows(&mut self, _: Vec<Row>) -> Result<(), BackupError> {
        Ok(())
    }

    fn file(&mut self, _: Place, _: &[u8]) -> Result<(), BackupError> {
        Ok(())
    }
}

/// Reads a backup to its end. `progress` is told of every piece how many bytes it has.
///
/// # Errors
/// [`BackupError`]: it is not whole, or not what was written.
pub fn verify(from: impl Read, progress: &mut dyn FnMut(u64)) -> Result<(Header, End), BackupError> {
    read(from, &mut Look, progress)
}

fn read(from: impl Read, take: &mut dyn Take, progress: &mut dyn FnMut(u64)) -> Result<(Header, End), BackupError> {
    let mut reading = Reading::new(from)?;
    let (letter, bytes, _) = reading.next()?;
    let header: Header = json(&bytes).filter(|_| letter == b'h').ok_or_else(|| damaged("it has no header"))?;
    if header.version != VERSION {
        return Err(BackupError::Version(header.version));
    }
    let mut counted = End::default();
    loop {
        let (letter, bytes, sum) = reading.next()?;
        progress(bytes.len() as u64);
        match letter {
            b'r' => {
                let rows = rows(&bytes).ok_or_else(|| damaged("rows cannot be read"))?;
                counted.rows += rows.len() as u64;
                take.rows(rows)?;
            }
            b'f' => {
                let (place, file) = file(&bytes).ok_or_else(|| damaged("a file's name cannot be read"))?;
                let content = content(&mut reading, file, progress)?;
                counted.files += 1;
                counted.file_bytes += file.length;
                take.file(place, &content)?;
            }
            b'x' => counted.damaged += 1,
            b'z' => {
                reading.end()?;
                counted.sha256 = sum;
                let end: End = json(&bytes).ok_or_else(|| damaged("its end cannot be read"))?;
                return if end == counted {
                    Ok((header, end))
                } else {
                    Err(damaged("it does not hold what its end says"))
                };
            }
            _ => return Err(damaged("it has a piece of an unknown kind")),
        }
    }
}

fn json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

fn rows(mut bytes: &[u8]) -> Option<Vec<Row>> {
    let mut rows = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let (length, rest) = rest.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        rows.push((key.to_vec(), value.to_vec()));
        bytes = rest;
    }
    Some(rows)
}

fn file(bytes: &[u8]) -> Option<(Place, Reference)> {
    let (&[letter], rest) = bytes.split_first_chunk()?;
    let area = match letter {
        b'v' => Area::Values,
        b'b' => Area::Blobs,
        _ => return None,
    };
    let (tenant, rest) = rest.split_first_chunk()?;
    let (digest, rest) = rest.split_first_chunk()?;
    let length = u64::from_be_bytes(rest.try_into().ok()?);
    Some((Place { area, tenant: TenantId(u32::from_be_bytes(*tenant)) }, Reference { digest: Digest(*digest), length }))
}

fn content<R: Read>(
    reading: &mut Reading<R>,
    file: Reference,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<u8>, BackupError> {
    let mut content = Vec::new();
    while (content.len() as u64) < file.length {
        let (letter, bytes, _) = reading.next()?;
        if letter != b'c' || bytes.is_empty() {
            return Err(damaged("a file has lost a part"));
        }
        progress(bytes.len() as u64);
        content.extend(bytes);
    }
    if Reference::of(&content) == file { Ok(content) } else { Err(damaged("a file is not what its name says")) }
}

/// A store in the making.
struct Fill {
    index: crate::open::Index,
    files: Files,
    /// The store's id and its number of transitions, once they came by.
    facts: (Option<[u8; 16]>, u64),
}

impl Take for Fill {
    fn rows(&mut self, rows: Vec<Row>) -> Result<(), BackupError> {
        let mut batch = sled::Batch::default();
        for (key, value) in rows {
            if let Ok(Body::Inline(fact)) = decode(Kind::Meta, &value, String::new) {
                match key.as_slice() {
                    keys::STORE_ID => self.facts.0 = fact.first_chunk().copied(),
                    keys::COMMITS => self.facts.1 = fact.first_chunk().map_or(0, |fact| u64::from_be_bytes(*fact)),
                    _ => {}
                }
            }
            batch.insert(key, value);
        }
        self.index.tree.apply_batch(batch).map_err(|error| io::Error::from(error).into())
    }

    fn file(&mut self, place: Place, bytes: &[u8]) -> Result<(), BackupError> {
        self.files.put(place, bytes)?;
        Ok(())
    }
}

/// Makes a store of a backup in `folder`, which must not be there yet. It gets its name when it is whole and durable.
///
/// # Errors
/// [`BackupError`]: nothing stands in the folder then.
pub fn restore(from: impl Read, folder: &Path, progress: &mut dyn FnMut(u64)) -> Result<(Header, End), BackupError> {
    if folder.exists() {
        let error = io::Error::new(io::ErrorKind::AlreadyExists, format!("{} is there already", folder.display()));
        return Err(error.into());
    }
    let above = folder.parent().unwrap_or(Path::new("."));
    create_folder(above)?;
    let made = folder.with_extension("restoring");
    if made.exists() {
        fs::remove_dir_all(&made)?; // of a restore that did not end
    }
    let durability = Durability::system();
    let done = fill(from, &made, (&durability, progress));
    if done.is_err() {
        // What is left of it is removed by the next restore.
        let _ = fs::remove_dir_all(&made);
        return done;
    }
    durability.rename(&made, folder)?;
    durability.folder(above)?;
    done
}

fn fill(
    from: impl Read,
    made: &Path,
    (durability, progress): (&Durability, &mut dyn FnMut(u64)),
) -> Result<(Header, End), BackupError> {
    let config = SledConfig::new(made);
    let (index, files) = open_index(&config, durability)?;
    let mut fill = Fill { index, files, facts: (None, 0) };
    let done = read(from, &mut fill, progress)?;
    let (Some(id), commits) = fill.facts else { return Err(damaged("it is of no store")) };
    durability.index(&fill.index.tree, &fill.index.file);
    let io = |error| BackupError::Store(OpenError::Io { folder: made.to_owned(), error });
    durability.folder(&made.join("sled")).map_err(io)?;
    Head::start(&config, durability.clone(), Progress { id, commits }).map_err(io)?;
    Ok(done)
}
