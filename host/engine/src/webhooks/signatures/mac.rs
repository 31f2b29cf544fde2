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

/// What a request may be signed with: its parts, one after the other, and the signatures that it brings. Each code is made once, however
/// many signatures there are: strangers choose them, and the length of what is signed.
pub(super) struct Given<'a> {
    pub parts: &'a [&'a [u8]],
    pub signatures: &'a [Vec<u8>],
}

impl Given<'_> {
    fn has_code<M: Mac + KeyInit + Clone>(&self, key: &[u8]) -> bool {
        let Ok(mut mac) = M::new_from_slice(key) else { return false };
        self.parts.iter().for_each(|part| mac.update(part));
        self.signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
    }

    /// Whether one of the signatures is the code under this key. A comparison takes the same time wherever they differ.
    pub fn has_mac(&self, algorithm: Algorithm, key: &[u8]) -> bool {
        match algorithm {
            Algorithm::Sha256 => self.has_code::<Hmac<Sha256>>(key),
            Algorithm::Sha384 => self.has_code::<Hmac<Sha384>>(key),
            Algorithm::Sha512 => self.has_code::<Hmac<Sha512>>(key),
        }
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
