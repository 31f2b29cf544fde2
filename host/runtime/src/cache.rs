//! Compiled code on disk: one file per component, signed, never trusted without its tag.
//!
//! A file is `tag (32 bytes) | length of the header (4 bytes, little-endian) | header (JSON) | machine code`. The tag is
//! HMAC-SHA256 over the file's name and everything behind the tag. The name holds the component's digest and a hash of all
//! that decides whether the code may run here (wasmtime's full version, tunables, the processor), so that a new release
//! finds nothing of an older one.

use crate::config::CacheKey;
use crate::engine::{compatibility, version};
use crate::space::{Space, remove};
use bytes::{Buf as _, Bytes};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::fs::{DirBuilder, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use stepwell_core::ids::Digest;
use stepwell_engine::ports::{FunctionMeta, Kind};
use wasmtime::Engine;
use wasmtime::component::Component;

const TAG_BYTES: usize = 32;
const LENGTH_BYTES: usize = 4;
/// Digits of the compatibility hash in a file's name: 64 bits tell apart what one folder ever holds.
const NAME_DIGITS: usize = 16;

/// What is known of a compiled component besides its code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) kind: Kind,
    pub(crate) functions: Vec<FunctionMeta>,
    pub(crate) imports: Vec<String>,
}

/// Machine code that our own compiler made: it came from the child process in this run, or from a file with our tag.
pub(crate) struct TrustedCode(Bytes);

impl TrustedCode {
    /// What the child process answered, `code` from byte `start` on.
    pub(crate) fn from_child(bytes: Vec<u8>, start: usize) -> Self {
        Self::from_byte(bytes, start)
    }

    /// In a process that runs guests: what the server sent, which took it from its own child or from a file with our tag.
    pub(crate) fn from_server(code: Bytes) -> Self {
        Self(code)
    }

    fn from_byte(bytes: Vec<u8>, start: usize) -> Self {
        let mut code = Bytes::from(bytes);
        code.advance(start.min(code.len()));
        Self(code)
    }

    /// The code itself, to be kept or sent.
    pub(crate) fn code(&self) -> &Bytes {
        &self.0
    }

    /// Loads the code into the engine.
    ///
    /// # Errors
    /// The code is for another engine, or the component asks for more than a slot of the pool holds.
    #[allow(unsafe_code, reason = "the one use of unsafe: there is no safe way to load compiled code")]
    pub(crate) fn load(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: `deserialize` requires bytes that wasmtime's own compiler produced, unchanged. A `TrustedCode` is made
        // only here: from the answer of our child process, or from a file whose HMAC was checked over these very bytes,
        // in memory; `deserialize_file` would map a file that could change after the check. A process that runs guests gets
        // one of these two from the server over a pair of sockets that nobody else has.
        unsafe { Component::deserialize(engine, &self.0) }
    }
}

/// The folder.
pub(crate) struct Cache {
    folder: PathBuf,
    key: CacheKey,
    suffix: String,
    space: Space,
    writes: AtomicU64,
}

impl Cache {
    /// Makes the folder, private, for code that this engine can run, and takes away what is there of others.
    pub(crate) fn open((folder, most): (&Path, u64), key: CacheKey, engine: &Engine) -> std::io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        std::fs::set_permissions(folder, Permissions::from_mode(0o700))?;
        let suffix = format!("{}-{}", version(), &compatibility(engine)[..NAME_DIGITS]);
        let space = Space::open(folder, &format!("-{suffix}.code"), most)?;
        Ok(Self { folder: folder.to_owned(), key, suffix, space, writes: AtomicU64::new(0) })
    }

    /// The facts and the code of a component, if a whole and genuine file is there. Blocks.
    pub(crate) fn read(&self, digest: Digest) -> Option<(Facts, TrustedCode)> {
        let name = self.name(digest);
        let bytes = match std::fs::read(self.folder.join(&name)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(%digest, %error, "compiled code cannot be read; compiling again");
                return None;
            }
        };
        self.space.used(&name);
        let read = self.verified(&name, bytes);
        if read.is_none() {
            tracing::warn!(%digest, "compiled code is damaged or not ours; compiling again");
        }
        read
    }

    /// Keeps them. Blocks.
    pub(crate) fn write(&self, digest: Digest, facts: &Facts, code: &TrustedCode) -> std::io::Result<()> {
        let name = self.name(digest);
        let header = serde_json::to_vec(facts)?;
        let length = u32::try_from(header.len()).map_err(std::io::Error::other)?.to_le_bytes();
        let parts: [&[u8]; 3] = [&length, &header, code.code()];
        let tag = self.mac(&name, &parts).finalize().into_bytes();
        let number = self.writes.fetch_add(1, Ordering::Relaxed);
        let temporary = self.folder.join(format!("{}.{}.{number}.tmp", digest.hex(), std::process::id()));
        let written = write_all(&temporary, [&tag[..]].into_iter().chain(parts));
        let renamed = written.and_then(|()| std::fs::rename(&temporary, self.folder.join(&name)));
        if renamed.is_err() {
            let _ = std::fs::remove_file(&temporary); // it may not exist; the first error is the one to report
        }
        renamed?;
        let bytes = parts.iter().map(|part| part.len()).sum::<usize>() + TAG_BYTES;
        // Code is read into the memory whole, so that nobody needs a file who uses its code.
        self.space.kept(&name, bytes as u64).iter().for_each(|name| remove(&self.folder, name));
        File::open(&self.folder)?.sync_all()
    }

    fn name(&self, digest: Digest) -> String {
        format!("{}-{}.code", digest.hex(), self.suffix)
    }

    fn verified(&self, name: &str, bytes: Vec<u8>) -> Option<(Facts, TrustedCode)> {
        let (tag, rest) = bytes.split_at_checked(TAG_BYTES)?;
        self.mac(name, &[rest]).verify_slice(tag).ok()?;
        let (length, rest) = rest.split_at_checked(LENGTH_BYTES)?;
        let length = usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).ok()?;
        let facts = serde_json::from_slice(rest.get(..length)?).ok()?;
        Some((facts, TrustedCode::from_byte(bytes, TAG_BYTES + LENGTH_BYTES + length)))
    }

    fn mac(&self, name: &str, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut block = [0; 64]; // HMAC fills a shorter key with zeros
        block[..self.key.0.len()].copy_from_slice(&self.key.0);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(name.as_bytes());
        mac.update(&[0]); // a name has no zero byte, so name and contents cannot be split otherwise
        parts.iter().for_each(|part| mac.update(part));
        mac
    }
}

fn write_all<'a>(path: &Path, parts: impl Iterator<Item = &'a [u8]>) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: Digest = Digest([7; 32]);

    fn cache(folder: &Path, key: u8) -> Cache {
        let engine = crate::engine::compiling_without_compiler().expect("engine");
        Cache::open((folder, 1 << 30), CacheKey::from_bytes([key; 32]), &engine).expect("folder")
    }

    fn facts() -> Facts {
        let meta = FunctionMeta { name: Some("a".into()), ..FunctionMeta::default() };
        Facts { kind: Kind::CoreModule, functions: vec![meta], imports: vec!["x".into()] }
    }

    fn filled(folder: &Path) -> (Cache, PathBuf) {
        let cache = cache(folder, 1);
        cache.write(DIGEST, &facts(), &TrustedCode::from_child(b"..code".to_vec(), 2)).expect("written");
        let path = folder.join(cache.name(DIGEST));
        (cache, path)
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().expect("folder");
        let folder = folder.path().join("code");
        let (cache, _) = filled(&folder);
        let (read, code) = cache.read(DIGEST).expect("there");
        assert_eq!((read, code.code()), (facts(), &Bytes::from_static(b"code")));
        assert!(cache.read(Digest([8; 32])).is_none());
        assert_eq!(std::fs::metadata(&folder).expect("folder").permissions().mode() & 0o777, 0o700);
        assert_eq!(std::fs::read_dir(&folder).expect("folder").count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_changed_or_cut_file_does_not_count() {
        let folder = tempfile::tempdir().expect("folder");
        let (cache, path) = filled(folder.path());
        let good = std::fs::read(&path).expect("file");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&path, &bad).expect("written");
            assert!(cache.read(DIGEST).is_none(), "byte {at}");
            std::fs::write(&path, &good[..at]).expect("written");
            assert!(cache.read(DIGEST).is_none(), "cut at {at}");
        }
        std::fs::write(&path, &good).expect("written");
        assert!(cache.read(DIGEST).is_some());
    }

    #[test]
    fn a_file_of_another_key_or_component_does_not_count() {
        let folder = tempfile::tempdir().expect("folder");
        let (first, path) = filled(folder.path());
        assert!(cache(folder.path(), 2).read(DIGEST).is_none());
        let other = Digest([8; 32]);
        std::fs::copy(&path, folder.path().join(first.name(other))).expect("copied");
        assert!(first.read(other).is_none());
    }

    #[test]
    fn the_name_changes_with_a_patch_of_wasmtime() {
        let folder = tempfile::tempdir().expect("folder");
        let (_, path) = filled(folder.path());
        assert!(path.to_string_lossy().contains(wasmtime_environ::VERSION), "{path:?}");
    }
}
