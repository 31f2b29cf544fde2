//! What the runtime is told when it is made.

use bytes::Bytes;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stepwell_engine::ports::ComponentSource;

/// The runner of scripts, as `cargo guests runner` builds it.
const RUNNER: &[u8] = include_bytes!("../../../plugins/runner/runner.wasm");
/// Largest upload by default (`limits.md`, `component_bytes`).
const COMPONENT_BYTES: usize = 32 << 20;
/// Compiled code that is kept by default: some 20,000 small components, or 40 of the largest.
const CACHE_BYTES: u64 = 4 << 30;
/// Calls at a time by default: as many as one tenant may have (`limits.md`, `attempts_running`).
const MAX_CONCURRENT: u32 = 64;
/// Processes that run guests, by default: one is some 20 MB.
const WORKERS: usize = 32;
/// How long one stays without a call.
const WORKER_IDLE: Duration = Duration::from_secs(60);
/// Writable memory of one: 64 attempts with the default 128 MiB, and what the pool keeps ready.
const WORKER_MEMORY_BYTES: u64 = 10 << 30;

/// Settings of the runtime.
#[derive(Clone)]
pub struct RuntimeConfig {
    /// Folder of compiled code. It is made with mode 0700, and nothing but this runtime may write there.
    pub cache_dir: PathBuf,
    /// Signs the compiled code. Keep it outside `cache_dir`.
    pub cache_key: CacheKey,
    /// The program that compiles.
    pub compiler: CompilerCommand,
    /// What the program may use.
    pub compile_limits: CompileLimits,
    /// Compilations at a time, one for each tenant.
    pub compilers: usize,
    /// Bytes of compiled code that are kept; what was used longest ago goes first, and is compiled again when it is needed.
    pub cache_bytes: u64,
    /// Where the original of a component is found when its compiled code is not at hand.
    pub source: Arc<dyn ComponentSource>,
    /// Largest upload, bytes.
    pub component_bytes: usize,
    /// Calls at a time; further ones get `NoCapacity`. Each reserves some 8 GiB of addresses, not of memory.
    pub max_concurrent: u32,
    /// Threads that guests run on.
    pub guest_threads: usize,
    /// The runner of scripts: a component of the world `wit/script`. By default the one in this binary.
    pub runner: Bytes,
    /// Whether instances come from a pool. Without one, a call costs two or three times as much.
    pub pooling: bool,
}

impl RuntimeConfig {
    /// The default limits; as many threads as processors.
    #[must_use]
    pub fn new(
        cache_dir: PathBuf,
        cache_key: CacheKey,
        compiler: CompilerCommand,
        source: Arc<dyn ComponentSource>,
    ) -> Self {
        Self {
            cache_dir,
            cache_key,
            compiler,
            compile_limits: CompileLimits::default(),
            compilers: compilers(),
            cache_bytes: CACHE_BYTES,
            source,
            component_bytes: COMPONENT_BYTES,
            max_concurrent: MAX_CONCURRENT,
            guest_threads: std::thread::available_parallelism().map_or(2, usize::from),
            runner: Bytes::from_static(RUNNER),
            pooling: true,
        }
    }
}

/// Half of the processors, at most four, because each may take gigabytes; and two at least: with one, a tenant's upload that takes
/// the compiler as long as it may would be everybody's.
fn compilers() -> usize {
    (std::thread::available_parallelism().map_or(2, usize::from) / 2).clamp(2, 4)
}

/// How to start the child process that compiles: a program whose `main` calls [`compile_child_main`](crate::compile_child_main)
/// before it starts any thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompilerCommand {
    /// Usually this very program.
    pub program: PathBuf,
    /// Usually the hidden subcommand.
    pub args: Vec<String>,
}

/// How guests get processes of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerConfig {
    /// The program: its `main` calls [`guest_child_main`](crate::guest_child_main) before it starts any thread. Usually this very program,
    /// with its hidden subcommand.
    pub command: CompilerCommand,
    /// Processes at a time, each of one tenant. Where a further tenant has something to run, the one that was idle longest is ended; if
    /// none is idle, the call waits.
    pub at_once: usize,
    /// After so long without a call a process is ended.
    pub idle: Duration,
    /// Writable memory of one process, bytes: what its calls may use together, with its own.
    pub memory_bytes: u64,
}

impl WorkerConfig {
    /// The default numbers.
    #[must_use]
    pub fn new(command: CompilerCommand) -> Self {
        Self { command, at_once: WORKERS, idle: WORKER_IDLE, memory_bytes: WORKER_MEMORY_BYTES }
    }
}

/// What one compilation may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Wall time.
    pub wall: Duration,
    /// Processor time, whole seconds, at least one.
    pub cpu_seconds: u64,
    /// Address space, bytes.
    pub memory_bytes: u64,
}

impl Default for CompileLimits {
    /// Some hundred times what a small guest needs, and enough for CPython guests of 18 MB.
    fn default() -> Self {
        Self { wall: Duration::from_secs(60), cpu_seconds: 30, memory_bytes: 2 << 30 }
    }
}

/// The key that authenticates compiled code: whoever can write a file that this runtime loads can run anything in the
/// server's process, so a file counts only with a tag that only this server can make.
#[derive(Clone)]
pub struct CacheKey(pub(crate) [u8; 32]);

impl CacheKey {
    /// From bytes that the caller keeps secret.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// From a file of 32 bytes, made with mode 0600 and fresh random bytes if it is not there.
    ///
    /// # Errors
    /// [`SetupError::Key`] if it cannot be read, made, or is not 32 bytes.
    pub fn load_or_create(path: &Path) -> Result<Self, SetupError> {
        let failed = |source| SetupError::Key { path: path.to_owned(), source };
        match std::fs::File::open(path) {
            Ok(mut file) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).map_err(failed)?;
                bytes.try_into().map(Self).map_err(|_| failed(std::io::ErrorKind::InvalidData.into()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::create(path).map_err(failed),
            Err(error) => Err(failed(error)),
        }
    }

    fn create(path: &Path) -> std::io::Result<Self> {
        let mut bytes = [0; 32];
        rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        Ok(Self(bytes))
    }
}

impl std::fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CacheKey(..)")
    }
}

/// Why the runtime could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The sandbox cannot work on this machine.
    #[error("the WebAssembly engine could not be set up: {0}")]
    Engine(String),
    /// The folder of compiled code.
    #[error("the folder of compiled code {} cannot be used", path.display())]
    Cache {
        /// Which folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The key file.
    #[error("the key of the compiled code {} cannot be used; without it, all components are compiled again", path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A process that runs guests.
    #[error("a process that runs guests could not be started: {0} (`--isolation thread` needs none)")]
    Worker(String),
    /// A thread.
    #[error("the threads that guests run on could not be started")]
    Threads(#[source] std::io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_is_made_once_and_is_private() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("key");
        let key = CacheKey::load_or_create(&path).expect("made");
        assert_eq!(CacheKey::load_or_create(&path).expect("read").0, key.0);
        assert_eq!(std::fs::metadata(&path).expect("file").permissions().mode() & 0o777, 0o600);
        assert_ne!(key.0, [0; 32]);
        assert_eq!(format!("{key:?}"), "CacheKey(..)");
        std::fs::write(&path, "short").expect("written");
        assert!(matches!(CacheKey::load_or_create(&path), Err(SetupError::Key { .. })));
    }
}
