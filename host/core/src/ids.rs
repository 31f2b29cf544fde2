//! Identifiers. Every id is safe in a URL path, has one spelling, and is checked when it is parsed.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Owner and wall of isolation. The first parameter of everything that a tenant can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub u32);

impl TenantId {
    /// The tenant that a first start creates; its webhooks and its admin key need no tenant in the path.
    pub const DEFAULT: Self = Self(1);
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tenant-{}", self.0)
    }
}

/// One of 256 parts of the executions. A host works on a shard only while it holds its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(pub u8);

/// An id that was not spelled as its kind is spelled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct InvalidId {
    text: String,
    expected: &'static str,
}

impl InvalidId {
    fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.chars().take(80).collect(), expected }
    }
}

/// `exec-` and a lowercase ULID (semantics P5): 48 bits of milliseconds, then 80 bits that are random, or a hash where
/// the start must have the same id when it is repeated (T12).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExecutionId([u8; 16]);

const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const EXECUTION_PREFIX: &str = "exec-";
const ULID_CHARS: usize = 26;

impl ExecutionId {
    /// From milliseconds since 1970 (only the low 48 bits count) and 80 bits of randomness or hash.
    #[must_use]
    pub fn new(unix_ms: u64, random: [u8; 10]) -> Self {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&unix_ms.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&random);
        Self(bytes)
    }

    /// From the sixteen bytes of a key.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The sixteen bytes, in the order of time.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The shard of this execution: fixed for good, whatever hosts there are.
    #[must_use]
    pub fn shard(self, tenant: TenantId) -> Shard {
        // FNV-1a: any fixed, well mixed function does; it must never change.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in tenant.0.to_be_bytes().iter().chain(&self.0) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Shard((hash ^ (hash >> 32)).to_le_bytes()[0])
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{EXECUTION_PREFIX}{}", ulid(self.0))
    }
}

/// Sixteen bytes as a lowercase ULID: it sorts as they do.
#[must_use]
pub fn ulid(bytes: [u8; 16]) -> String {
    let value = u128::from_be_bytes(bytes);
    let mut text = [0u8; ULID_CHARS];
    for (i, slot) in text.iter_mut().enumerate() {
        let shift = 5 * (ULID_CHARS - 1 - i);
        *slot = CROCKFORD[((value >> shift) & 31) as usize];
    }
    String::from_utf8_lossy(&text).into_owned()
}

impl fmt::Debug for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ExecutionId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId::new(text, "an execution id (exec- and 26 characters)");
        let ulid = text.strip_prefix(EXECUTION_PREFIX).ok_or_else(invalid)?;
        if ulid.len() != ULID_CHARS || ulid.as_bytes()[0] > b'7' {
            return Err(invalid());
        }
        let mut value = 0u128;
        for byte in ulid.bytes() {
            let digit = CROCKFORD.iter().position(|c| *c == byte).ok_or_else(invalid)?;
            value = (value << 5) | digit as u128;
        }
        Ok(Self(value.to_be_bytes()))
    }
}

impl Serialize for ExecutionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ExecutionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// SHA-256 of an artifact's bytes as they were uploaded. Spelled `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

const DIGEST_PREFIX: &str = "sha256:";

impl Digest {
    /// The 64 hexadecimal digits alone, as in a file's name.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().fold(String::with_capacity(64), |mut hex, byte| {
            for nibble in [byte >> 4, byte & 15] {
                hex.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
            }
            hex
        })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{DIGEST_PREFIX}{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId::new(text, "a digest (sha256: and 64 hexadecimal digits)");
        let hex = text.strip_prefix(DIGEST_PREFIX).ok_or_else(invalid)?.as_bytes();
        if hex.len() != 64 {
            return Err(invalid());
        }
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(invalid()),
        };
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = (digit(pair[0])? << 4) | digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Longest id that a tenant may choose, in bytes: it becomes part of keys, paths and log lines.
pub const NAME_BYTES: usize = 128;

/// Whether a tenant may give this id to a workflow or a function: letters, digits, `-`, `_`, `.`, starting with a
/// letter or a digit, at most [`NAME_BYTES`]; so it needs no encoding in a path and is never `..`.
#[must_use]
pub fn is_valid_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.len() <= NAME_BYTES
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Whether a text can name a secret: ASCII letters, digits and `_`, no digit first, at most [`NAME_BYTES`]; so it can be written as
/// `secrets.NAME` (semantics D11).
#[must_use]
pub fn is_secret_name(text: &str) -> bool {
    text.len() <= NAME_BYTES
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn execution_ids_read_back_what_they_print_and_sort_by_time() {
        let early = ExecutionId::new(1_700_000_000_000, [255; 10]);
        let late = ExecutionId::new(1_700_000_000_001, [0; 10]);
        assert!(early < late && early.to_string() < late.to_string());
        for id in [early, late, ExecutionId::from_bytes([0; 16]), ExecutionId::from_bytes([255; 16])] {
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.to_string().len(), 31);
        }
    }

    #[test]
    fn bad_execution_ids_are_refused() {
        for text in ["", "exec-", "exec-01", "exec-8zzzzzzzzzzzzzzzzzzzzzzzzz", "exec-01hzxil0000000000000000000", "01"]
        {
            assert!(text.parse::<ExecutionId>().is_err(), "{text}");
        }
    }

    #[test]
    fn digests_read_back_what_they_print() {
        let digest = Digest(std::array::from_fn(|i| i as u8 * 7));
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!("sha256:00".parse::<Digest>().is_err());
    }

    #[test]
    fn names_are_path_safe() {
        for good in ["a", "charge-payment", "order.charge", "A_1"] {
            assert!(is_valid_name(good), "{good}");
        }
        for bad in ["", ".", "..", "-a", "a/b", "a b", "ü", "a\0", &"x".repeat(NAME_BYTES + 1)] {
            assert!(!is_valid_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_shard_never_changes() {
        let id = ExecutionId::new(1_700_000_000_000, [7; 10]);
        assert_eq!(id.shard(TenantId::DEFAULT), id.shard(TenantId::DEFAULT));
        let spread: std::collections::BTreeSet<_> =
            (0..2_000u64).map(|i| ExecutionId::new(i, [i as u8; 10]).shard(TenantId(i as u32))).collect();
        assert!(spread.len() > 200, "only {} shards used", spread.len());
    }

    #[test]
    fn names_of_secrets_can_stand_behind_a_dot() {
        for good in ["A", "_", "api_key_2", &"x".repeat(NAME_BYTES)] {
            assert!(is_secret_name(good), "{good}");
        }
        for bad in ["", "2A", "a-b", "a.b", "a b", "ü", "a\0", &"x".repeat(NAME_BYTES + 1)] {
            assert!(!is_secret_name(bad), "{bad}");
        }
    }
}
