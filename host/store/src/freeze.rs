//! All writes to the tree pass here, so that a backup can read the store as it was at one moment while it changes: what a write replaces is
//! kept until the backup has passed it. Nobody waits for a backup longer than it takes to read a few hundred rows.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most bytes that are kept of what was replaced: they are in memory.
const KEPT_BYTES: usize = 256 << 20;
/// Rows that are read at one time, while writers wait.
const PART_ROWS: usize = 512;
/// And so many bytes of them, about.
const PART_BYTES: usize = 1 << 20;

/// A key, and its value or that it goes.
pub(crate) type Write = (Vec<u8>, Option<Vec<u8>>);
/// A key and its value.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// The one place that writes.
#[derive(Clone, Default)]
pub(crate) struct Writes {
    frozen: Arc<Mutex<Option<Frozen>>>,
    /// Whether files must stay, read without a lock.
    kept: Arc<AtomicBool>,
}

/// The store as it was.
#[derive(Default)]
struct Frozen {
    /// What stands at this key and before it was read already.
    passed: Option<Vec<u8>>,
    /// What stood at keys behind it that have changed since.
    before: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    bytes: usize,
    /// More changed than can be kept.
    overrun: bool,
}

/// Why rows cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FreezeError {
    #[error(
        "so much was written meanwhile that the store as it was could not be kept; try again when there is less to do"
    )]
    Overrun,
    #[error(transparent)]
    Index(#[from] sled::Error),
}

/// A moment of the store; over when dropped.
pub(crate) struct Moment(Writes);

impl Writes {
    /// Writes all of this or nothing. It is not durable yet.
    pub(crate) fn apply(&self, tree: &sled::Db, writes: Vec<Write>) -> sled::Result<()> {
        let mut frozen = self.lock();
        if let Some(frozen) = frozen.as_mut() {
            writes.iter().try_for_each(|(key, _)| frozen.keep(tree, key))?;
        }
        // One row is there whole or not at all by itself; a batch of one would cost another buffer, and sled's threads as much again.
        if writes.len() == 1 {
            return writes.into_iter().try_for_each(|(key, value)| match value {
                Some(value) => tree.insert(key, value).map(drop),
                None => tree.remove(key).map(drop),
            });
        }
        let mut batch = sled::Batch::default();
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        tree.apply_batch(batch)
    }

    /// From now on the store can be read as it is. `None`: somebody else reads one already.
    pub(crate) fn freeze(&self) -> Option<Moment> {
        let mut frozen = self.lock();
        if frozen.is_some() {
            return None;
        }
        *frozen = Some(Frozen::default());
        self.kept.store(true, Ordering::SeqCst);
        Some(Moment(self.clone()))
    }

    /// Whether a backup is being made: no file may be removed then.
    pub(crate) fn keeps_files(&self) -> bool {
        self.kept.load(Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Frozen>> {
        self.frozen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Frozen {
    /// Before a key changes for the first time.
    fn keep(&mut self, tree: &sled::Db, key: &[u8]) -> sled::Result<()> {
        let passed = self.passed.as_deref().is_some_and(|passed| key <= passed);
        if passed || self.overrun || self.before.contains_key(key) {
            return Ok(());
        }
        let value = tree.get(key)?.map(|value| value.to_vec());
        self.bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        self.before.insert(key.to_vec(), value);
        if self.bytes > KEPT_BYTES {
            self.overrun = true;
            self.before.clear();
        }
        Ok(())
    }

    fn part(&mut self, tree: &sled::Db) -> Result<Option<Vec<Row>>, FreezeError> {
        if self.overrun {
            return Err(FreezeError::Overrun);
        }
        let start = self.passed.take().map_or(Bound::Unbounded, Bound::Excluded);
        let (mut part, mut bytes, mut last) = (BTreeMap::new(), 0, None);
        for row in tree.range::<Vec<u8>, _>((start.clone(), Bound::Unbounded)) {
            let (key, value) = row?;
            bytes += key.len() + value.len();
            part.insert(key.to_vec(), value.to_vec());
            if part.len() >= PART_ROWS || bytes >= PART_BYTES {
                last = Some(key.to_vec());
                break;
            }
        }
        let end = last.clone().map_or(Bound::Unbounded, Bound::Included);
        let changed: Vec<_> = self.before.range((start, end)).map(|(key, _)| key.clone()).collect();
        for key in changed {
            match self.before.remove(&key).flatten() {
                Some(value) => part.insert(key, value),
                None => part.remove(&key),
            };
        }
        self.bytes = self.before.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum();
        let more = last.is_some();
        self.passed = last;
        if !more && part.is_empty() { Ok(None) } else { Ok(Some(part.into_iter().collect())) }
    }
}

impl Moment {
    /// Hands over all rows, in the order of their keys, in parts.
    pub(crate) fn rows<E: From<FreezeError>>(
        &self,
        tree: &sled::Db,
        mut take: impl FnMut(Vec<Row>) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            let (part, done) = {
                let mut frozen = self.0.lock();
                let Some(frozen) = frozen.as_mut() else { return Ok(()) };
                let part = frozen.part(tree)?;
                let done = frozen.passed.is_none();
                if done {
                    // From here on nothing is kept any more.
                    frozen.passed = Some(vec![u8::MAX; 8]);
                }
                (part, done)
            };
            part.map_or(Ok(()), &mut take)?;
            if done {
                return Ok(());
            }
        }
    }
}

impl Drop for Moment {
    fn drop(&mut self) {
        self.0.kept.store(false, Ordering::SeqCst);
        *self.0.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: u32) -> Vec<u8> {
        format!("k{number:05}").into_bytes()
    }

    #[test]
    fn a_moment_is_read_as_it_was_whatever_is_written_meanwhile() {
        let folder = tempfile::TempDir::new().unwrap();
        let tree = sled::open(folder.path()).unwrap();
        let writes = Writes::default();
        let value = |number: u32| number.to_be_bytes().to_vec();
        writes.apply(&tree, (0..3_000).map(|n| (name(n * 2), Some(value(n)))).collect()).unwrap();
        let expected: Vec<Row> = (0..3_000).map(|n| (name(n * 2), value(n))).collect();

        let moment = writes.freeze().unwrap();
        assert!(writes.freeze().is_none() && writes.keeps_files());
        let (mut seen, mut round) = (Vec::new(), 0);
        moment
            .rows(&tree, |part| {
                seen.extend(part);
                // Changed, removed, new ones between, twice: before and behind what was read.
                round += 1;
                let changed = (0..6_000).step_by(7).map(|n| (name(n), Some(value(round))));
                let removed = (0..6_000).step_by(11).map(|n| (name(n), None));
                writes.apply(&tree, changed.chain(removed).collect()).unwrap();
                // And one row by itself.
                writes.apply(&tree, vec![(name(round * 100), Some(value(round)))]).unwrap();
                writes.apply(&tree, vec![(name(5_998 - round * 100), None)]).unwrap();
                Ok::<(), FreezeError>(())
            })
            .unwrap();
        assert!(round > 3, "the test must see writes between parts");
        assert_eq!(seen, expected);
        drop(moment);
        assert!(!writes.keeps_files() && writes.freeze().is_some());
    }
}
