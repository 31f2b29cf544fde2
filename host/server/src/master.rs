//! Where the master key comes from: the operator, or a file that the first start makes.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stepwell_engine::ports::{Entropy, Store, StoreError};
use stepwell_engine::{Keyring, KeyringError, NoKey, SealingKey};
use zeroize::Zeroizing;

/// The file in the data folder.
const FILE: &str = "master.key";
/// More than any key's text: what is longer is some other file.
const FILE_BYTES: u64 = 1 << 10;

/// Where the master key is.
#[derive(Clone)]
pub enum MasterKeySource {
    /// `master.key` in the data folder; made when no master key was ever used.
    DataFolder,
    /// This file.
    File(PathBuf),
    /// This text.
    Text(Zeroizing<String>),
}

impl std::fmt::Debug for MasterKeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::DataFolder => f.write_str("DataFolder"),
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Text(_) => f.write_str("Text(***)"),
        }
    }
}

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file.
    #[error("the master key's file {} cannot be used", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What it holds.
    #[error("{place} holds no master key")]
    NoKey {
        /// The file, or the variable.
        place: String,
        /// What a key is.
        source: NoKey,
    },
    /// The file that the first start made is gone.
    #[error(
        "{} is not there, but the data was sealed with a master key; put the file back, or start with that key (STEPWELL_MASTER_KEY_FILE or STEPWELL_MASTER_KEY): without it, secrets cannot be read",
        .0.display()
    )]
    Lost(PathBuf),
    /// It is the wrong one, or the store's.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The keyring of the master key in this place. With the file of an old one, what was sealed with that is sealed with this one first.
///
/// # Errors
/// [`MasterKeyError`] says what to do.
pub async fn keyring(
    (source, old, data): (&MasterKeySource, Option<&Path>, &Path),
    store: &Arc<dyn Store>,
    entropy: Arc<dyn Entropy>,
) -> Result<Keyring, MasterKeyError> {
    let master = match source {
        MasterKeySource::Text(text) => {
            let no_key = |source| MasterKeyError::NoKey { place: "STEPWELL_MASTER_KEY".to_owned(), source };
            SealingKey::parse(text).map_err(no_key)?
        }
        MasterKeySource::File(path) => read(path)?,
        MasterKeySource::DataFolder => {
            let path = data.join(FILE);
            match path.try_exists() {
                Ok(true) => read(&path)?,
                Ok(false) if Keyring::is_in_use(store.as_ref()).await? => return Err(MasterKeyError::Lost(path)),
                Ok(false) => make(&path, entropy.as_ref())?,
                Err(source) => return Err(MasterKeyError::File { path, source }),
            }
        }
    };
    if let Some(path) = old {
        change((&read(path)?, &master), store, entropy.as_ref()).await?;
    }
    Ok(Keyring::new(Arc::clone(store), entropy, master).await?)
}

/// From the old key to the new one.
async fn change(
    keys: (&SealingKey, &SealingKey),
    store: &Arc<dyn Store>,
    entropy: &dyn Entropy,
) -> Result<(), MasterKeyError> {
    if Keyring::change_master(store.as_ref(), entropy, keys).await? {
        tracing::info!("the master key is changed: keep the new one, and start without the old one from now on");
    }
    Ok(())
}

fn read(path: &Path) -> Result<SealingKey, MasterKeyError> {
    let failed = |source| MasterKeyError::File { path: path.to_owned(), source };
    let mut bytes = Zeroizing::new(Vec::new());
    // As large as it may become: a buffer that grew would leave copies behind.
    bytes.reserve_exact(usize::try_from(FILE_BYTES).unwrap_or_default());
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(FILE_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| NoKey);
    let key = text.and_then(SealingKey::parse);
    key.map_err(|source| MasterKeyError::NoKey { place: path.display().to_string(), source })
}

/// Writes a new key, readable for nobody else. It is on disk before anything is sealed with it.
fn make(path: &Path, entropy: &dyn Entropy) -> Result<SealingKey, MasterKeyError> {
    let mut bytes = Zeroizing::new([0; 32]);
    entropy.fill(&mut *bytes);
    let key = SealingKey::new(bytes);
    write(path, &key.to_text()).map_err(|source| MasterKeyError::File { path: path.to_owned(), source })?;
    Ok(key)
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let unfinished = path.with_extension("key.new");
    // One that an earlier start left behind was never used.
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    std::fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
