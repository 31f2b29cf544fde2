//! How much compiled code the folder holds: what was used longest ago goes first. It is in memory only; after a start the oldest files
//! count as those that were used longest ago.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The files of one folder.
pub(crate) struct Space {
    most: u64,
    files: Mutex<Files>,
}

#[derive(Default)]
struct Files {
    /// By name: bytes, and when it was used last, counted in uses.
    known: HashMap<String, (u64, u64)>,
    bytes: u64,
    uses: u64,
}

impl Space {
    /// Looks through the folder, and takes away what nobody will read: compiled code of other versions, whose names do not end so, and what
    /// a process that is gone was about to write.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) fn open(folder: &Path, ending: &str, most: u64) -> std::io::Result<Self> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.ends_with(ending) {
                let metadata = entry.metadata()?;
                found.push((metadata.modified()?, name, metadata.len()));
            } else if name.ends_with(".code") || is_left_behind(&name) {
                remove(folder, &name);
            }
        }
        found.sort();
        let space = Self { most, files: Mutex::default() };
        for (_, name, bytes) in found {
            space.kept(&name, bytes).iter().for_each(|name| remove(folder, name));
        }
        Ok(space)
    }

    /// A file was read.
    pub(crate) fn used(&self, name: &str) {
        let mut files = self.files();
        files.uses += 1;
        let now = files.uses;
        if let Some((_, used)) = files.known.get_mut(name) {
            *used = now;
        }
    }

    /// A file was written; the files that have to go for it.
    pub(crate) fn kept(&self, name: &str, bytes: u64) -> Vec<String> {
        let mut files = self.files();
        files.uses += 1;
        let now = files.uses;
        let before = files.known.insert(name.to_owned(), (bytes, now)).map_or(0, |(bytes, _)| bytes);
        files.bytes = files.bytes.saturating_sub(before).saturating_add(bytes);
        let mut gone = Vec::new();
        while files.bytes > self.most && files.known.len() > 1 {
            let oldest = files.known.iter().min_by_key(|(_, (_, used))| *used).map(|(name, _)| name.clone());
            let Some(oldest) = oldest else { break };
            let bytes = files.known.remove(&oldest).map_or(0, |(bytes, _)| bytes);
            files.bytes = files.bytes.saturating_sub(bytes);
            gone.push(oldest);
        }
        gone
    }

    fn files(&self) -> std::sync::MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `<digest>.<process>.<number>.tmp` of a process that there is not any more.
fn is_left_behind(name: &str) -> bool {
    let process = name.strip_suffix(".tmp").and_then(|name| name.split('.').nth(1));
    process.is_some_and(|process| !Path::new("/proc").join(process).exists())
}

/// Takes a file away. It may be gone already; what cannot be taken away is tried again at the next start.
pub(crate) fn remove(folder: &Path, name: &str) {
    if let Err(error) = std::fs::remove_file(folder.join(name)) {
        tracing::debug!(name, %error, "a file of compiled code cannot be taken away");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes_first_and_never_the_newest() {
        let folder = tempfile::tempdir().expect("folder");
        let space = Space::open(folder.path(), "-v.code", 100).expect("opened");
        assert!(space.kept("a", 40).is_empty());
        assert!(space.kept("b", 40).is_empty());
        space.used("a");
        assert_eq!(space.kept("c", 40), ["b"]);
        assert_eq!(space.kept("d", 1_000), ["a", "c"], "a file larger than all stays alone");
        assert_eq!(space.kept("d", 50), [""; 0], "written again, it counts once");
        assert!(space.kept("e", 50).is_empty());
    }

    #[test]
    fn a_start_leaves_only_files_that_can_be_read() {
        let folder = tempfile::tempdir().expect("folder");
        let own = std::process::id();
        for name in ["a-v.code", "b-other.code", "c.4294967295.0.tmp", &format!("d.{own}.0.tmp"), "notes.txt"] {
            std::fs::write(folder.path().join(name), [0; 10]).expect("written");
        }
        let space = Space::open(folder.path(), "-v.code", 15).expect("opened");
        let mut left: Vec<_> = std::fs::read_dir(folder.path())
            .expect("folder")
            .map(|entry| entry.expect("entry").file_name().into_string().expect("name"))
            .collect();
        left.sort();
        assert_eq!(left, ["a-v.code", &format!("d.{own}.0.tmp"), "notes.txt"]);
        assert_eq!(space.kept("b-v.code", 10), ["a-v.code"], "what was there counts");
    }
}
