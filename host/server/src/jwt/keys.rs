//! The issuer's public keys, in a file: read at the start, and again when it changes. The last good ones stay if it cannot be read.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;
use std::collections::HashMap;
use std::io::{Error, ErrorKind, Read as _, Result};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use stepwell_core::time::Timestamp;
use stepwell_engine::ports::Clock as _;

use crate::system::SystemClock;

/// Largest set, bytes: issuers have a few keys of some hundred bytes.
pub const SET_BYTES: usize = 256 << 10;
/// Most keys of a set.
const KEYS: usize = 100;
/// The file is looked at so often at most, milliseconds.
const LOOK_MS: u64 = 1_000;

/// A key, and what it may have signed with.
pub(super) struct Known {
    pub key: DecodingKey,
    pub algorithms: Vec<Algorithm>,
}

pub(super) type Set = HashMap<String, Arc<Known>>;

/// What tells that a file has changed.
type Mark = (Option<SystemTime>, u64);

/// The keys of one issuer.
pub(super) struct KeySet {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    set: Set,
    mark: Mark,
    looked: Timestamp,
}

impl KeySet {
    pub async fn open(path: PathBuf) -> Result<Self> {
        let from = path.clone();
        let (set, mark) = blocking(move || Ok((read(&from)?, mark(&from)?))).await?;
        Ok(Self { path, state: Mutex::new(State { set, mark, looked: SystemClock.now() }) })
    }

    /// The key with this id.
    pub async fn key(&self, id: &str) -> Option<Arc<Known>> {
        self.look().await;
        self.lock().set.get(id).cloned()
    }

    async fn look(&self) {
        let now = SystemClock.now();
        let before = {
            let mut state = self.lock();
            if now.0.abs_diff(state.looked.0) < LOOK_MS {
                return;
            }
            state.looked = now;
            state.mark
        };
        let path = self.path.clone();
        let changed = blocking(move || {
            let now = mark(&path)?;
            if now == before { Ok(None) } else { Ok(Some((read(&path)?, now))) }
        });
        match changed.await {
            Ok(Some((set, mark))) => {
                let mut state = self.lock();
                (state.set, state.mark) = (set, mark);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, path = %self.path.display(), "the issuer's keys cannot be read; the last ones stay");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::other)?
}

fn mark(path: &Path) -> Result<Mark> {
    let found = std::fs::metadata(path)?;
    Ok((found.modified().ok(), found.len()))
}

fn read(path: &Path) -> Result<Set> {
    let mut text = Vec::new();
    std::fs::File::open(path)?.take(SET_BYTES as u64 + 1).read_to_end(&mut text)?;
    if text.len() > SET_BYTES {
        return Err(Error::new(ErrorKind::InvalidData, "the key set is too large"));
    }
    parse(&text)
}

/// The keys of a set that can be used; those of other kinds are for others.
pub(super) fn parse(text: &[u8]) -> Result<Set> {
    let invalid = |why: String| Error::new(ErrorKind::InvalidData, why);
    let whole: Value = serde_json::from_slice(text).map_err(|e| invalid(format!("the key set is no JSON: {e}")))?;
    let keys = whole["keys"].as_array().ok_or_else(|| invalid("the key set has no `keys`".to_owned()))?;
    let set: Set = keys.iter().take(KEYS).filter_map(known).collect();
    if set.is_empty() {
        return Err(invalid("the key set has no key for signatures with a `kid`".to_owned()));
    }
    Ok(set)
}

fn known(raw: &Value) -> Option<(String, Arc<Known>)> {
    if raw.get("use").is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let jwk: Jwk = serde_json::from_value(raw.clone()).ok()?;
    let all: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => &[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
        AlgorithmParameters::EllipticCurve(point) if point.curve == EllipticCurve::P256 => &[Algorithm::ES256],
        AlgorithmParameters::EllipticCurve(point) if point.curve == EllipticCurve::P384 => &[Algorithm::ES384],
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
        _ => return None,
    };
    let is_meant = |algorithm: &Algorithm| match raw.get("alg") {
        None => true,
        Some(word) => serde_json::to_value(algorithm).is_ok_and(|own| own == *word),
    };
    let algorithms: Vec<Algorithm> = all.iter().copied().filter(is_meant).collect();
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    (!algorithms.is_empty()).then(|| Some((raw["kid"].as_str()?.to_owned(), Arc::new(Known { key, algorithms }))))?
}
