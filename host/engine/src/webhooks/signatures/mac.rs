//! Message authentication codes, and how they are written.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha384, Sha512};
use stepwell_core::definition::{Algorithm, Encoding};

/// Longest signature that is looked at, as it is written: HMAC-SHA512 has 128 hexadecimal digits.
const WRITTEN_BYTES: usize = 256;

/// Standard base64, with or without padding.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn is_code<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]], expected: &[u8]) -> bool {
    let Ok(mut mac) = M::new_from_slice(key) else { return false };
    parts.iter().for_each(|part| mac.update(part));
    mac.verify_slice(expected).is_ok()
}

/// Whether this is the code of these parts, one after the other, under this key. The comparison takes the same time wherever they differ.
pub(super) fn is_mac(algorithm: Algorithm, key: &[u8], parts: &[&[u8]], expected: &[u8]) -> bool {
    match algorithm {
        Algorithm::Sha256 => is_code::<Hmac<Sha256>>(key, parts, expected),
        Algorithm::Sha384 => is_code::<Hmac<Sha384>>(key, parts, expected),
        Algorithm::Sha512 => is_code::<Hmac<Sha512>>(key, parts, expected),
    }
}

/// The bytes of a written signature.
pub(super) fn decode(encoding: Encoding, text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || text.len() > WRITTEN_BYTES {
        return None;
    }
    match encoding {
        Encoding::Base64 => BASE64.decode(text).ok(),
        Encoding::Hex if text.len().is_multiple_of(2) => {
            let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
            let digits = text.bytes().all(|b| b.is_ascii_hexdigit()).then_some(text.as_bytes())?;
            digits.chunks_exact(2).map(pair).collect()
        }
        Encoding::Hex => None,
    }
}
